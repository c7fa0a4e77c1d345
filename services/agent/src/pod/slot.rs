//! What this process keeps of one pod between its turns.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::Timestamp;
use tokio_util::sync::CancellationToken;

use super::decide::{Decision, PodOp, Step};
use super::plan::PodPlan;
use super::state::{PodState, Stop};
use crate::runtime::PodRef;

/// One pod on this node.
pub(super) struct Slot {
    /// Its names.
    pub(super) pod: PodRef,
    /// What it wants; `None` for a pod that the runtime runs and nobody has assigned yet.
    pub(super) plan: Option<Arc<PodPlan>>,
    /// What it wants as soon as there is room for it; `None` while it has all that it wants.
    pub(super) wanted: Option<Arc<PodPlan>>,
    /// What is known of it.
    pub(super) state: PodState,
    /// The engine must be listed before anything is decided.
    pub(super) stale: bool,
    /// Its object is gone: nobody wants to hear of it.
    pub(super) surplus: bool,
    /// Cancelled when it is to end.
    pub(super) ending: CancellationToken,
    /// The last status that was put out, hashed.
    pub(super) reported: Option<u64>,
    /// It was reported gone.
    pub(super) reported_gone: bool,
    /// The grace period that its containers' labels name.
    pub(super) grace: Duration,
}

impl Slot {
    pub(super) fn new(pod: PodRef, adopted: bool) -> Self {
        Self {
            pod,
            plan: None,
            wanted: None,
            // Whatever ran before this process started was listed then: of a new pod there is nothing.
            state: PodState { observed: !adopted, ..Default::default() },
            stale: adopted,
            surplus: false,
            ending: CancellationToken::new(),
            reported: None,
            reported_gone: false,
            grace: Duration::from_secs(30),
        }
    }

    pub(super) fn own_grace(&self) -> Duration {
        self.plan.as_ref().map_or(self.grace, |plan| plan.grace)
    }

    /// Only ever brings the end nearer.
    pub(super) fn stop(&mut self, grace: Duration, now: Timestamp, because: &'static str) {
        let sooner =
            self.state.stop.as_ref().is_none_or(|stop| now.plus(grace) < stop.since.plus(stop.grace));
        if sooner {
            self.state.stop = Some(Stop { grace, since: now, because });
        }
        self.ending.cancel();
    }

    pub(super) fn dismiss(&mut self, now: Timestamp) {
        self.surplus = true;
        self.stop(self.own_grace(), now, "it does not belong to this node any more");
    }
}

/// What happened, in words, for the journal.
pub(super) fn because(decision: &Decision, events: &[(String, String, String)], gone: bool) -> String {
    if gone {
        return "everything of it is gone from the node".to_owned();
    }
    let mut parts: Vec<String> = events.iter().map(|(_, _, message)| message.clone()).collect();
    parts.extend(
        decision.steps.iter().filter(|step| !matches!(step.op, PodOp::Probe { .. })).map(Step::describe),
    );
    if parts.is_empty() {
        let statuses = decision.status.container_statuses.as_deref().unwrap_or_default();
        let ready = statuses.iter().filter(|status| status.ready).count();
        let phase = decision.status.phase.as_deref().unwrap_or_default();
        return format!("it is {phase}, {ready} of {} containers ready", statuses.len());
    }
    parts.join("; ")
}

/// A slot's lock; a turn that panicked left a state that the next listing mends.
pub(super) fn lock(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}
