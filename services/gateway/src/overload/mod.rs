//! Keeps the gateway upright: so many requests run at a time, some wait, the rest are asked to come back.

mod deadline;
mod line;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

pub use deadline::{limit_of, within};
use line::{Arrival, Flow, Limits, Line};

use crate::auth::User;
use crate::failure::Failure;

/// Reads answer from memory; more at a time would only compete.
const READING: Limits = Limits { seats: 400, reserved: 100, waiting: 1_000 };
/// Writes wait for the store together, so many at a time make larger groups.
const MUTATING: Limits = Limits { seats: 600, reserved: 100, waiting: 1_000 };
/// How many watches and log streams may be open.
const STREAMS: usize = 20_000;
/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// The group of nodes, if they come.
const NODES: &str = "system:nodes";

/// The lines of a gateway.
pub struct Desk {
    reading: Arc<Queue>,
    mutating: Arc<Queue>,
    streams: Arc<Semaphore>,
}

/// A line, shared by all requests that stand in it.
struct Queue(Mutex<Line<oneshot::Sender<()>>>);

/// The right to run; another request gets it when this is dropped.
pub struct Seat(Arc<Queue>);

impl Default for Desk {
    fn default() -> Self {
        let queue = |limits| Arc::new(Queue(Mutex::new(Line::new(limits))));
        Self {
            reading: queue(READING),
            mutating: queue(MUTATING),
            streams: Arc::new(Semaphore::new(STREAMS)),
        }
    }
}

impl Desk {
    /// A seat for a request of this user, after its turn if there is none now.
    pub async fn seat(&self, user: &User, mutates: bool) -> Result<Seat, Failure> {
        let queue = if mutates { &self.mutating } else { &self.reading };
        let (mut ticket, flow) = (None, flow_of(user));
        let arrival = queue.line().arrive(flow, || {
            let (sender, receiver) = oneshot::channel();
            ticket = Some(receiver);
            sender
        });
        match (arrival, ticket) {
            (Arrival::Runs, _) => Ok(Seat(Arc::clone(queue))),
            (Arrival::Waits, Some(turn)) => {
                let turn = Turn { turn, queue: Arc::clone(queue) };
                tokio::time::timeout(PATIENCE, turn.comes())
                    .await
                    .unwrap_or_else(|_| Err(Failure::too_many_requests()))
            }
            (Arrival::Waits | Arrival::Refused, _) => Err(Failure::too_many_requests()),
        }
    }

    /// The right to keep a stream open.
    pub fn stream(&self) -> Result<OwnedSemaphorePermit, Failure> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_| Failure::too_many_requests())
    }
}

impl Queue {
    fn line(&self) -> MutexGuard<'_, Line<oneshot::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.line().leave(|next| next.send(()).is_ok());
    }
}

/// A place in a line.
struct Turn {
    turn: oneshot::Receiver<()>,
    queue: Arc<Queue>,
}

impl Turn {
    async fn comes(mut self) -> Result<Seat, Failure> {
        match (&mut self.turn).await {
            Ok(()) => Ok(Seat(Arc::clone(&self.queue))),
            Err(_sent_away) => Err(Failure::too_many_requests()),
        }
    }
}

impl Drop for Turn {
    /// A turn that came when nobody waited for it any more goes on to the next.
    fn drop(&mut self) {
        self.turn.close();
        if self.turn.try_recv().is_ok() {
            drop(Seat(Arc::clone(&self.queue)));
        }
    }
}

fn flow_of(user: &User) -> Flow<'_> {
    match user.may_do_everything() || user.groups.iter().any(|group| group == NODES) {
        true => Flow::System,
        false => Flow::User(&user.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_waits_gets_the_seat_that_is_left() {
        let desk = Desk::default();
        let jane = User::named("jane", Vec::new());
        let mut seats = Vec::new();
        for _ in 0..READING.seats {
            seats.push(desk.seat(&jane, false).await.unwrap());
        }
        assert!(desk.seat(&jane, true).await.is_ok(), "writes have seats of their own");
        assert!(desk.seat(&User::admin(), false).await.is_ok(), "some seats are reserved");
        assert_eq!(desk.seat(&jane, false).await.err().map(|failure| failure.code()), Some(429));
        let (waiting, ()) = tokio::join!(desk.seat(&jane, false), async { drop(seats.pop()) });
        seats.push(waiting.unwrap());
        // Whoever is dropped while its turn comes hands the seat on.
        let mut impatient = Box::pin(desk.seat(&jane, false));
        assert!(futures::poll!(&mut impatient).is_pending());
        drop(seats.pop());
        drop(impatient);
        assert!(desk.seat(&jane, false).await.is_ok());
    }
}
