//! The one task that sends a process's writes: gathers what waits, keeps few batches on their way, tries again what must be.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_nats::Client;
use async_nats::jetstream::Context;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::{OnceCell, mpsc, watch};
use tokio::time::sleep;
use tracing::debug;

use super::WriteError;
use super::attempt::{Landed, Line};
use super::queue::{Departure, Queue};
use super::turns::Turns;
use super::unit::Unit;
use crate::subject::tick_subject;
use crate::view::Following;

/// So many writes may wait; more, and callers wait to wait.
const WAITING: usize = 8_192;
/// How often the writer looks for writes that have waited too long.
const CHECK_EVERY: Duration = Duration::from_millis(500);
/// How often a writer marks the time in the stream.
const TICK_EVERY: Duration = Duration::from_secs(300);

/// The way to the writer's task.
#[derive(Clone)]
pub(crate) struct Writer {
    units: mpsc::Sender<Unit>,
    ids: Arc<Ids>,
    pub(super) turns: Arc<Turns>,
}

/// Names for writes that no other process gives.
struct Ids {
    prefix: String,
    next: AtomicU64,
}

type Flight = Pin<Box<dyn Future<Output = (bool, Vec<Landed>)> + Send>>;

/// The task's state.
struct Task {
    line: Line,
    queue: Queue,
    flights: FuturesUnordered<Flight>,
    /// Units that pause before they are tried again.
    pauses: FuturesUnordered<Pin<Box<dyn Future<Output = Unit> + Send>>>,
    ticked: Option<Instant>,
}

impl Writer {
    pub(crate) fn start(
        client: Client,
        jetstream: Context,
        view: Arc<OnceCell<Following>>,
        connected: watch::Receiver<bool>,
    ) -> Self {
        let inbox = client.new_inbox();
        let prefix = inbox.rsplit('.').next().unwrap_or_default().chars().rev().take(10).collect();
        let (units, waiting) = mpsc::channel(WAITING);
        let line = Line { client, jetstream, connected, view };
        let task = Task {
            line,
            queue: Queue::default(),
            flights: FuturesUnordered::new(),
            pauses: FuturesUnordered::new(),
            ticked: None,
        };
        tokio::spawn(task.run(waiting));
        Self { units, ids: Arc::new(Ids { prefix, next: AtomicU64::new(0) }), turns: Arc::default() }
    }

    pub(super) fn fresh_id(&self) -> Box<str> {
        format!("{}-{:x}", self.ids.prefix, self.ids.next.fetch_add(1, Ordering::Relaxed)).into()
    }

    pub(super) async fn submit(&self, unit: Unit) -> Result<(), WriteError> {
        let stopped = || WriteError::Unavailable("the process is stopping".to_owned());
        self.units.send(unit).await.map_err(|_| stopped())
    }
}

impl Task {
    async fn run(mut self, mut waiting: mpsc::Receiver<Unit>) {
        let mut check = tokio::time::interval(CHECK_EVERY);
        let mut connected = self.line.connected.clone();
        loop {
            tokio::select! {
                unit = waiting.recv() => match unit {
                    Some(unit) => self.gather(unit, &mut waiting).await,
                    None => return,
                },
                Some((was_batch, landed)) = self.flights.next() => {
                    self.queue.landed(was_batch);
                    landed.into_iter().for_each(|landed| self.land(landed));
                    while let Ok(unit) = waiting.try_recv() {
                        self.queue.push(unit);
                    }
                }
                Some(unit) = self.pauses.next() => self.queue.push_again(unit),
                _ = check.tick() => self.give_up(),
                changed = connected.changed() => if changed.is_err() { return },
            }
            self.depart();
        }
    }

    /// Takes in what was asked for at the same time: who woke up together with this caller gets the chance to ask.
    async fn gather(&mut self, unit: Unit, waiting: &mut mpsc::Receiver<Unit>) {
        self.queue.push(unit);
        tokio::task::yield_now().await;
        while let Ok(unit) = waiting.try_recv() {
            self.queue.push(unit);
        }
    }

    fn land(&mut self, landed: Landed) {
        match landed {
            Landed::Done(unit, outcome) => {
                self.queue.release(&unit);
                unit.answer(outcome);
            }
            Landed::Again(unit, pause) if pause.is_zero() => self.queue.push_again(unit),
            Landed::Again(unit, pause) => self.pauses.push(Box::pin(async move {
                sleep(pause).await;
                unit
            })),
        }
    }

    /// Without a connection nothing is sent: what is not sent has not happened.
    fn give_up(&mut self) {
        let now = Instant::now();
        for unit in self.queue.take_if(|unit| unit.deadline <= now) {
            let error = unit.too_late(match *self.line.connected.borrow() {
                true => "it waited too long behind other writes",
                false => "the server was not reachable in time",
            });
            unit.answer(Err(error));
        }
    }

    fn depart(&mut self) {
        if self.queue.is_empty() || !*self.line.connected.borrow() {
            return;
        }
        self.mark_time();
        loop {
            let departures = self.queue.depart();
            if departures.is_empty() {
                return;
            }
            for departure in departures {
                let line = self.line.clone();
                self.flights.push(match departure {
                    Departure::Single(unit) => {
                        Box::pin(async move { (false, vec![line.send_alone(unit).await]) })
                    }
                    Departure::Batch(mut units) => match (units.pop(), units.is_empty()) {
                        (Some(unit), true) => {
                            Box::pin(async move { (true, vec![line.send_alone(unit).await]) })
                        }
                        (Some(unit), false) => {
                            units.push(unit);
                            Box::pin(async move { (true, line.send_together(units).await) })
                        }
                        (None, _) => Box::pin(async { (true, Vec::new()) }),
                    },
                });
            }
        }
    }

    /// Leaves a mark in the stream that tells readers how old its revisions are. It expires with the delete markers.
    fn mark_time(&mut self) {
        if self.ticked.is_some_and(|ticked| ticked.elapsed() < TICK_EVERY) {
            return;
        }
        self.ticked = Some(Instant::now());
        let seconds = telemetry::clock::now().0.div_euclid(1_000_000);
        let slot = seconds.div_euclid(i64::try_from(TICK_EVERY.as_secs()).unwrap_or(i64::MAX));
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Nats-TTL", format!("{}s", self.line.marker_ttl().as_secs()));
        let client = self.line.client.clone();
        tokio::spawn(async move {
            if let Err(error) = client.publish_with_headers(tick_subject(slot), headers, Bytes::new()).await {
                debug!(%error, "time not marked");
            }
        });
    }
}
