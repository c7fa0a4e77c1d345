//! Runs turns: an actix actor per live key, one turn at a time, pending wakes collapsed, delayed wakes, remedies, measurement.
//!
//! A key is live from its first wake until a turn leaves nothing to do; then its actor is dropped, and the next wake makes
//! another. So 150,000 settled objects cost nothing here: no actor, no task, no timer. What waits (`After::WakeIn`, a back-off)
//! is an entry of one timer queue per stage. What a performer must remember between turns, it keeps by key in itself.

mod keyed;
mod reasons;
mod threads;
mod timers;

use std::fmt::Display;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix::Addr;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use telemetry::metrics::{HistogramVec, IntGauge};
use tokio::sync::Notify;

pub use reasons::{Reason, Reasons};

use crate::TurnError;
use keyed::{KeyActor, Nudge, Shared};
use timers::Timers;

/// What a stage performs: any asynchronous turn about any key.
pub trait Performer: Send + Sync + 'static {
    /// What a turn is about.
    type Key: Clone + Eq + Hash + Display + Send + Sync + Unpin + 'static;

    /// Observes, decides and performs, once. Never called twice at the same time for the same key.
    fn turn(&self, key: &Self::Key, reasons: &Reasons) -> impl Future<Output = Result<After, TurnError>>;

    /// A turn's outcome is unknown (`Remedy::RestartFromStore`): drop what is remembered of the key.
    fn forget(&self, _key: &Self::Key) {}
}

/// What follows a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Nothing, until something wakes the key.
    Idle,
    /// Another turn after this time, unless something wakes the key before.
    WakeIn(Duration),
    /// The key is gone: delayed wakes are dropped. A wake that came during the turn still has its turn, because the key may be back.
    Retire,
}

/// The running actors of one performer. Cheap to clone; any clone may wake and stop.
pub struct Stage<P: Performer> {
    inner: Arc<Inner<P>>,
}

/// What the stage, its actors and its timer task share.
pub(crate) struct Inner<P: Performer> {
    /// For metrics, spans and logs.
    name: &'static str,
    performer: P,
    /// The actors of keys that have a turn running or pending.
    actors: DashMap<P::Key, Live<P>>,
    /// Delayed wakes of all keys.
    timers: Timers<P::Key>,
    /// Keys whose last turn failed.
    failing: DashMap<P::Key, Failing>,
    /// No turn begins any more.
    stopping: AtomicBool,
    /// Told whenever an actor leaves.
    left: Notify,
    turn_seconds: HistogramVec,
    live_actors: IntGauge,
}

/// What a failed turn leaves to the next one.
#[derive(Default)]
struct Failing {
    /// Turns that failed in a row.
    turns: u32,
    /// What the failed turn should have answered.
    reasons: Reasons,
}

/// A live key.
struct Live<P: Performer> {
    address: Addr<KeyActor<P>>,
    /// Shared with the actor: the wakes that its next turn answers.
    shared: Arc<Shared>,
}

impl<P: Performer> Clone for Stage<P> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<P: Performer> Stage<P> {
    /// Starts a stage without any live key. `name` labels its metrics and spans.
    pub fn start(name: &'static str, performer: P) -> Self {
        let live_actors = telemetry::metrics::int_gauge_vec(
            "odeon_live_actors",
            "Keys with a turn running or pending.",
            &["kind"],
        )
        .with_label_values(&[name]);
        let turn_seconds = telemetry::metrics::histogram_vec(
            "odeon_turn_seconds",
            "How long turns took, from observing to the last acknowledged command.",
            &["kind", "outcome"],
            telemetry::metrics::SECONDS,
        );
        let inner = Arc::new(Inner {
            name,
            performer,
            actors: DashMap::new(),
            timers: Timers::default(),
            failing: DashMap::new(),
            stopping: AtomicBool::new(false),
            left: Notify::new(),
            turn_seconds,
            live_actors,
        });
        let alarm = Arc::clone(&inner);
        threads::any().spawn(async move { alarm.ring().await });
        Self { inner }
    }

    /// The performer, for what it offers besides turns.
    pub fn performer(&self) -> &P {
        &self.inner.performer
    }

    /// Asks for a turn. Cheap, from any thread; a turn that runs is followed by exactly one more, however often this is called.
    pub fn wake(&self, key: P::Key, reason: &'static str) {
        self.inner.wake(key, Reason::plain(reason));
    }

    /// As `wake`, with what the reason is about and where it came from.
    pub fn wake_because(&self, key: P::Key, reason: Reason) {
        self.inner.wake(key, reason);
    }

    /// Asks for a turn later. Of several delayed wakes of a key the earliest counts; a turn that begins before sees what there is
    /// to see and takes its place.
    pub fn wake_in(&self, key: P::Key, delay: Duration) {
        self.inner.timers.set(key, Instant::now() + delay);
    }

    /// How many keys have a turn running or pending.
    pub fn live(&self) -> usize {
        self.inner.actors.len()
    }

    /// How many keys wait for a later wake.
    pub fn waiting(&self) -> usize {
        self.inner.timers.len()
    }

    /// Lets running turns end, begins no other, and returns when none is left or `patience` is over.
    pub async fn stop(&self, patience: Duration) {
        self.inner.stopping.store(true, Ordering::Release);
        self.inner.timers.stop();
        let none_left = async {
            loop {
                let left = self.inner.left.notified();
                if self.inner.actors.is_empty() {
                    return;
                }
                left.await;
            }
        };
        if tokio::time::timeout(patience, none_left).await.is_err() {
            tracing::warn!(kind = self.inner.name, turns = self.live(), "turns still running at the stop");
        }
    }
}

impl<P: Performer> Inner<P> {
    fn wake(self: &Arc<Self>, key: P::Key, reason: Reason) {
        if self.stopping.load(Ordering::Acquire) {
            return;
        }
        // The entry's lock orders this with the actor's leaving: it leaves only when nothing is pending.
        match self.actors.entry(key) {
            Entry::Occupied(live) => {
                if live.get().shared.push(reason) {
                    live.get().address.do_send(Nudge);
                }
            }
            Entry::Vacant(vacant) => {
                let shared = Arc::new(Shared::default());
                shared.push(reason);
                let address = KeyActor::start(Arc::clone(self), vacant.key().clone(), Arc::clone(&shared));
                address.do_send(Nudge);
                vacant.insert(Live { address, shared });
                self.live_actors.inc();
            }
        }
    }

    /// Drops the key's actor unless a wake came in meanwhile. True if it is gone.
    fn leave(&self, key: &P::Key) -> bool {
        let left = self
            .actors
            .remove_if(key, |_, live| self.stopping.load(Ordering::Acquire) || live.shared.is_empty())
            .is_some();
        if left {
            self.live_actors.dec();
            self.left.notify_waiters();
        }
        left
    }

    /// Turns delayed wakes into wakes, until the stage stops.
    async fn ring(self: Arc<Self>) {
        while let Some(keys) = self.timers.due().await {
            for key in keys {
                self.wake(key, Reason::plain("its time has come"));
            }
        }
    }
}

#[cfg(test)]
mod tests;
