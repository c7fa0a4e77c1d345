//! The actix actor of one live key: while a turn runs its mailbox waits, and what woke it meanwhile becomes one next turn.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix::prelude::*;
use futures::FutureExt;
use tracing::Instrument;

use super::{After, Inner, Performer, Reason, Reasons, threads};
use crate::remedy;
use crate::{Remedy, TurnError};

/// Two messages are in a mailbox at most: the one of the turn that runs and the one of the turn that follows.
const MAILBOX: usize = 2;

/// One key's actor.
pub(super) struct KeyActor<P: Performer> {
    stage: Arc<Inner<P>>,
    key: P::Key,
    shared: Arc<Shared>,
}

/// The wakes that the next turn answers.
#[derive(Default)]
pub(super) struct Shared {
    pending: Mutex<Reasons>,
}

/// Sent when `Shared` stops being empty. Carries nothing: a message is a hint.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Nudge;

/// How a turn ended, and what is to be done now.
enum Concluded {
    Idle,
    Retire,
    Later(Duration),
    AtOnce,
}

impl Shared {
    /// True if nothing was pending, so that the actor must be told.
    pub(super) fn push(&self, reason: Reason) -> bool {
        let mut pending = self.lock();
        let was_empty = pending.is_empty();
        pending.push(reason);
        was_empty
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn take(&self) -> Reasons {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Reasons> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Performer> KeyActor<P> {
    pub(super) fn start(stage: Arc<Inner<P>>, key: P::Key, shared: Arc<Shared>) -> Addr<Self> {
        Self::start_in_arbiter(&threads::any(), move |context| {
            context.set_mailbox_capacity(MAILBOX);
            Self { stage, key, shared }
        })
    }

    fn conclude(&mut self, concluded: Concluded, context: &mut Context<Self>) {
        match concluded {
            Concluded::Idle => {}
            Concluded::Later(delay) => self.stage.timers.set(self.key.clone(), Instant::now() + delay),
            Concluded::AtOnce => {
                if self.shared.push(Reason::plain("observed again")) {
                    context.notify(Nudge);
                }
            }
            Concluded::Retire => self.stage.timers.cancel(&self.key),
        }
        if self.stage.leave(&self.key) {
            context.stop();
        }
    }
}

impl<P: Performer> Actor for KeyActor<P> {
    type Context = Context<Self>;
}

impl<P: Performer> Handler<Nudge> for KeyActor<P> {
    type Result = ();

    fn handle(&mut self, _: Nudge, context: &mut Context<Self>) {
        let reasons = self.shared.take();
        if reasons.is_empty() || self.stage.stopping.load(Ordering::Acquire) {
            return self.conclude(Concluded::Idle, context);
        }
        let turn = turn(Arc::clone(&self.stage), self.key.clone(), reasons);
        // `wait` keeps the mailbox closed until the turn has ended: one turn at a time.
        context
            .wait(turn.into_actor(self).map(|concluded, actor, context| actor.conclude(concluded, context)));
    }
}

/// One measured turn, and the remedy if it failed.
async fn turn<P: Performer>(stage: Arc<Inner<P>>, key: P::Key, mut reasons: Reasons) -> Concluded {
    // This turn sees whatever a delayed wake would have shown; its own conclusion says when to look again.
    stage.timers.cancel(&key);
    if let Some(failing) = stage.failing.get(&key) {
        reasons.restore(failing.reasons.clone());
    }
    let span = tracing::info_span!("turn", kind = stage.name, object = %key, reason = %reasons);
    let started = Instant::now();
    let performed =
        AssertUnwindSafe(stage.performer.turn(&key, &reasons)).catch_unwind().instrument(span.clone()).await;
    let (outcome, result) = match performed {
        Ok(Ok(after)) => ("done", Ok(after)),
        Ok(Err(error)) => (name_of(error.remedy), Err(error)),
        Err(_) => ("panicked", Err(TurnError::new(Remedy::BackOff, "the turn panicked"))),
    };
    stage.turn_seconds.with_label_values(&[stage.name, outcome]).observe(started.elapsed().as_secs_f64());
    match result {
        Ok(after) => {
            stage.failing.remove(&key);
            match after {
                After::Idle => Concluded::Idle,
                After::WakeIn(delay) => Concluded::Later(delay),
                After::Retire => Concluded::Retire,
            }
        }
        Err(error) => span.in_scope(|| failed(&stage, &key, error, reasons)),
    }
}

fn failed<P: Performer>(stage: &Inner<P>, key: &P::Key, error: TurnError, reasons: Reasons) -> Concluded {
    let failures = {
        let mut failing = stage.failing.entry(key.clone()).or_default();
        failing.turns = failing.turns.saturating_add(1);
        failing.reasons = reasons;
        failing.turns
    };
    if error.remedy == Remedy::RestartFromStore {
        stage.performer.forget(key);
    }
    let delay = remedy::wait(error.remedy, failures, rand::random());
    if delay.is_zero() {
        tracing::debug!(error = telemetry::chain(&error), "turn repeated");
        return Concluded::AtOnce;
    }
    tracing::warn!(error = telemetry::chain(&error), failures, ?delay, "turn failed");
    Concluded::Later(delay)
}

fn name_of(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::ObserveAgain => "observe_again",
        Remedy::BackOff => "back_off",
        Remedy::RestartFromStore => "restart_from_store",
    }
}
