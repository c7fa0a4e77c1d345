//! What a stage promises, on performers that count.

use std::sync::atomic::AtomicUsize;

use tokio::sync::{Semaphore, mpsc};

use super::*;
use crate::Remedy;

/// Performs as a test says: every turn tells its key and reasons, waits for a permit and then returns the next outcome.
struct Puppet {
    begun: mpsc::UnboundedSender<(&'static str, String)>,
    permits: Semaphore,
    outcomes: std::sync::Mutex<Vec<Result<After, Remedy>>>,
    running: AtomicUsize,
    most_running: AtomicUsize,
    forgotten: AtomicUsize,
}

impl Performer for Puppet {
    type Key = &'static str;

    async fn turn(&self, key: &&'static str, reasons: &Reasons) -> Result<After, TurnError> {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        self.begun.send((key, reasons.to_string())).unwrap();
        self.permits.acquire().await.unwrap().forget();
        self.running.fetch_sub(1, Ordering::SeqCst);
        let outcome = self.outcomes.lock().unwrap().pop().unwrap_or(Ok(After::Idle));
        outcome.map_err(|remedy| TurnError::new(remedy, "failed to please the test"))
    }

    fn forget(&self, _key: &&'static str) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
    }
}

type Begun = mpsc::UnboundedReceiver<(&'static str, String)>;

/// `outcomes` in the order of turns.
fn stage(permits: usize, mut outcomes: Vec<Result<After, Remedy>>) -> (Stage<Puppet>, Begun) {
    outcomes.reverse();
    let (begun, turns) = mpsc::unbounded_channel();
    let puppet = Puppet {
        begun,
        permits: Semaphore::new(permits),
        outcomes: std::sync::Mutex::new(outcomes),
        running: AtomicUsize::new(0),
        most_running: AtomicUsize::new(0),
        forgotten: AtomicUsize::new(0),
    };
    (Stage::start("puppet", puppet), turns)
}

/// Waits for a condition that a running turn brings about.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn wakes_during_a_turn_become_one_turn() {
    let (stage, mut turns) = stage(0, Vec::new());
    stage.wake("a", "first");
    assert_eq!(turns.recv().await.unwrap(), ("a", "first".to_owned()));
    for _ in 0..100 {
        stage.wake("a", "again");
    }
    stage.wake("a", "at last");
    stage.performer().permits.add_permits(100);
    assert_eq!(turns.recv().await.unwrap(), ("a", "again, at last".to_owned()));
    until("it is idle", || stage.live() == 0).await;
    assert!(turns.try_recv().is_err());
}

#[tokio::test]
async fn a_key_has_one_turn_at_a_time_and_keys_do_not_wait_for_each_other() {
    let (stage, mut turns) = stage(0, Vec::new());
    stage.wake("a", "x");
    stage.wake("b", "x");
    let mut begun = [turns.recv().await.unwrap().0, turns.recv().await.unwrap().0];
    begun.sort_unstable();
    assert_eq!(begun, ["a", "b"]);
    stage.wake("a", "y");
    stage.wake("b", "y");
    stage.performer().permits.add_permits(4);
    until("both are idle", || stage.live() == 0).await;
    assert_eq!(stage.performer().most_running.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_wake_is_lost_while_actors_leave() {
    let (stage, mut turns) = stage(Semaphore::MAX_PERMITS, Vec::new());
    let wakers: Vec<_> = (0..4)
        .map(|_| {
            let stage = stage.clone();
            tokio::spawn(async move {
                for _ in 0..5_000 {
                    stage.wake("a", "x");
                }
            })
        })
        .collect();
    for waker in wakers {
        waker.await.unwrap();
    }
    stage.wake("a", "the last");
    loop {
        let (_, reasons) = turns.recv().await.unwrap();
        if reasons.contains("the last") {
            break;
        }
    }
    until("it is idle", || stage.live() == 0).await;
    assert_eq!(stage.performer().most_running.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_conflict_is_repeated_at_once_with_its_reasons() {
    let (stage, mut turns) = stage(9, vec![Err(Remedy::ObserveAgain)]);
    stage.wake("a", "first");
    assert_eq!(turns.recv().await.unwrap().1, "first");
    assert_eq!(turns.recv().await.unwrap().1, "first, observed again");
    until("it is idle", || stage.live() == 0).await;
    stage.wake("a", "later");
    assert_eq!(turns.recv().await.unwrap().1, "later");
}

#[tokio::test]
async fn a_failure_backs_off_without_an_actor() {
    let (stage, mut turns) = stage(9, vec![Err(Remedy::BackOff), Err(Remedy::RestartFromStore)]);
    stage.wake("a", "first");
    assert_eq!(turns.recv().await.unwrap().1, "first");
    until("it waits", || stage.live() == 0 && stage.waiting() == 1).await;
    assert_eq!(turns.recv().await.unwrap().1, "first, its time has come");
    assert_eq!(turns.recv().await.unwrap().1, "first, its time has come");
    assert_eq!(stage.performer().forgotten.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_turn_may_ask_for_a_later_one() {
    let soon = After::WakeIn(Duration::from_millis(5));
    let (stage, mut turns) = stage(9, vec![Ok(soon), Ok(After::Idle)]);
    stage.wake("a", "first");
    assert_eq!(turns.recv().await.unwrap().1, "first");
    assert_eq!(turns.recv().await.unwrap().1, "its time has come");
    until("it is idle", || stage.live() == 0 && stage.waiting() == 0).await;
}

#[tokio::test]
async fn a_turn_replaces_what_an_earlier_one_waited_for() {
    let late = After::WakeIn(Duration::from_secs(3600));
    let (stage, mut turns) = stage(9, vec![Ok(late), Ok(After::Idle)]);
    stage.wake("a", "first");
    turns.recv().await.unwrap();
    until("it waits", || stage.waiting() == 1 && stage.live() == 0).await;
    stage.wake("a", "second");
    turns.recv().await.unwrap();
    until("nothing waits", || stage.waiting() == 0 && stage.live() == 0).await;
}

#[tokio::test]
async fn retiring_drops_what_was_delayed_but_not_a_wake() {
    let (stage, mut turns) = stage(0, vec![Ok(After::Retire)]);
    stage.wake("a", "first");
    turns.recv().await.unwrap();
    stage.wake_in("a", Duration::from_secs(3600));
    stage.wake("a", "it is back");
    stage.performer().permits.add_permits(9);
    assert_eq!(turns.recv().await.unwrap().1, "it is back");
    until("it is gone", || stage.live() == 0).await;
    assert_eq!(stage.waiting(), 0);
}

#[tokio::test]
async fn turns_are_measured_by_outcome() {
    let (stage, mut turns) = stage(9, vec![Err(Remedy::ObserveAgain)]);
    stage.wake("a", "first");
    turns.recv().await.unwrap();
    turns.recv().await.unwrap();
    until("it is idle", || stage.live() == 0).await;
    let metrics = telemetry::metrics::render();
    for outcome in ["done", "observe_again"] {
        let line = format!("odeon_turn_seconds_count{{kind=\"puppet\",outcome=\"{outcome}\"}}");
        assert!(metrics.contains(&line), "{metrics}");
    }
    assert!(metrics.contains("odeon_live_actors{kind=\"puppet\"} 0"), "{metrics}");
}

#[tokio::test]
async fn stopping_waits_for_turns_and_begins_none() {
    let (stage, mut turns) = stage(0, Vec::new());
    stage.wake("a", "first");
    turns.recv().await.unwrap();
    stage.wake("a", "second");
    let stopping = tokio::spawn({
        let stage = stage.clone();
        async move { stage.stop(Duration::from_secs(10)).await }
    });
    until("it stops", || stage.inner.stopping.load(Ordering::SeqCst)).await;
    stage.wake("b", "too late");
    stage.performer().permits.add_permits(9);
    stopping.await.unwrap();
    assert_eq!(stage.live(), 0);
    assert!(turns.try_recv().is_err());
}

/// Panics at its first turn of each key.
struct Clumsy {
    turns: mpsc::UnboundedSender<()>,
    fell: AtomicBool,
}

impl Performer for Clumsy {
    type Key = &'static str;

    async fn turn(&self, _key: &&'static str, _reasons: &Reasons) -> Result<After, TurnError> {
        self.turns.send(()).unwrap();
        assert!(self.fell.swap(true, Ordering::SeqCst), "stumbled");
        Ok(After::Idle)
    }
}

#[tokio::test]
async fn a_panic_costs_its_turn_only() {
    let (turns, mut begun) = mpsc::unbounded_channel();
    let stage = Stage::start("clumsy", Clumsy { turns, fell: AtomicBool::new(false) });
    stage.wake("a", "x");
    begun.recv().await.unwrap();
    begun.recv().await.unwrap();
    until("it is idle", || stage.live() == 0).await;
}
