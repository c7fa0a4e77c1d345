//! The threads that turns run on: an actix system of a few arbiters, started at the first use, for the life of the process.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use actix::{Arbiter, ArbiterHandle, System};

/// Deciding is short and performing is waiting, so a few threads carry any number of turns.
const MOST: usize = 4;

static ARBITERS: OnceLock<Vec<ArbiterHandle>> = OnceLock::new();
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// One of the arbiters, in turn.
pub(super) fn any() -> ArbiterHandle {
    let arbiters = ARBITERS.get_or_init(start);
    let index = NEXT.fetch_add(1, Ordering::Relaxed) % arbiters.len().max(1);
    #[expect(clippy::expect_used, reason = "without threads there is no process to continue")]
    arbiters.get(index).cloned().expect("the actix system has started")
}

fn start() -> Vec<ArbiterHandle> {
    let count = std::thread::available_parallelism().map_or(1, usize::from).clamp(1, MOST);
    let (started, handles) = mpsc::channel();
    let system = move || {
        let system = System::new();
        let arbiters = (0..count).map(|_| Arbiter::new().handle()).collect();
        // The receiver waits below; it cannot be gone.
        let _ = started.send(arbiters);
        if let Err(error) = system.run() {
            tracing::error!(%error, "actix system ended");
        }
    };
    match std::thread::Builder::new().name("odeon-stage".to_owned()).spawn(system) {
        Ok(_) => handles.recv().unwrap_or_default(),
        Err(error) => {
            tracing::error!(%error, "actix system did not start");
            Vec::new()
        }
    }
}
