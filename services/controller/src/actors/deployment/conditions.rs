//! The conditions of a deployment: is it available, and does its rollout get anywhere.

use std::time::Duration;

use api::Timestamp;
use api::views::{Condition, DeploymentStatus};

use super::rollout::{Rollout, Set};
use crate::actors::{REPLICA_FAILURE, condition};

const PROGRESSING: &str = "Progressing";
const AVAILABLE: &str = "Available";
const TIMED_OUT: &str = "ProgressDeadlineExceeded";
const COMPLETE: &str = "NewReplicaSetAvailable";
const PAUSED: &str = "DeploymentPaused";

impl Rollout<'_> {
    /// How long a rollout may stand still; `None` without a limit.
    fn deadline(&self) -> Option<Duration> {
        let seconds = self.me.spec.progress_deadline_seconds.filter(|seconds| *seconds < i32::MAX)?;
        Some(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
    }

    /// Pausing stops the clock of the deadline, resuming starts it anew.
    pub fn note_pause(&mut self) {
        let known = condition(&self.conditions, PROGRESSING).map(|known| known.reason.as_str());
        if self.deadline().is_none() || known == Some(TIMED_OUT) {
            return;
        }
        match (self.me.spec.paused, known == Some(PAUSED)) {
            (true, false) => self.set(PROGRESSING, "Unknown", PAUSED, "Deployment is paused".into()),
            (false, true) => {
                self.set(PROGRESSING, "Unknown", "DeploymentResumed", "Deployment is resumed".into())
            }
            (true, true) | (false, false) => {}
        }
    }

    /// The current set existed before anyone spoke of progress.
    pub fn note_found(&mut self) {
        if let Some(current) = &self.current
            && self.deadline().is_some()
            && condition(&self.conditions, PROGRESSING).is_none()
        {
            let message = format!("Found new replica set \"{}\"", current.object.key.name);
            self.set(PROGRESSING, "True", "FoundNewReplicaSet", message);
        }
    }

    /// The current set is being made.
    pub fn note_created(&mut self, name: &str) {
        if self.deadline().is_some() {
            let message = format!("Created new replica set \"{name}\"");
            self.set(PROGRESSING, "True", "NewReplicaSetCreated", message);
        }
    }

    /// Compares the counts with those that were last written.
    pub fn note_progress(&mut self) {
        let Some(deadline) = self.deadline() else {
            self.conditions.retain(|condition| condition.kind != PROGRESSING);
            return;
        };
        let (before, now) = (&self.me.status, self.counts());
        let known = condition(&self.conditions, PROGRESSING).cloned();
        let reason = known.as_ref().map(|known| known.reason.as_str());
        if now.replicas == now.updated_replicas && reason == Some(COMPLETE) {
            return;
        }
        let subject = match &self.current {
            Some(current) => format!("ReplicaSet \"{}\"", current.object.key.name),
            None => format!("Deployment \"{}\"", self.me.key.name),
        };
        if self.is_complete() {
            self.set(PROGRESSING, "True", COMPLETE, format!("{subject} has successfully progressed."));
        } else if has_progressed(before, &now) {
            let transition =
                known.filter(|known| known.status == "True").and_then(|known| known.last_transition_time);
            self.conditions.retain(|condition| condition.kind != PROGRESSING);
            self.set(PROGRESSING, "True", "ReplicaSetUpdated", format!("{subject} is progressing."));
            if let (Some(transition), Some(condition)) = (transition, self.conditions.last_mut()) {
                condition.last_transition_time = Some(transition);
            }
        } else if known.is_some_and(|known| timed_out(&known, deadline, self.now)) {
            self.set(PROGRESSING, "False", TIMED_OUT, format!("{subject} has timed out progressing."));
        }
    }

    /// What the current set cannot do, or else another, is told of the deployment too.
    pub fn note_failures(&mut self) {
        let failure_of = |set: &Set| condition(&set.object.status.conditions, REPLICA_FAILURE).cloned();
        let failure = self.current.iter().chain(&self.old).find_map(failure_of);
        match failure {
            Some(Condition { status, reason, message, .. }) => {
                self.set(REPLICA_FAILURE, &status, &reason, message);
            }
            None => self.conditions.retain(|condition| condition.kind != REPLICA_FAILURE),
        }
    }

    /// Whether enough pods are available.
    pub fn note_availability(&mut self, available: i32) {
        let least = self.wanted() - self.limits.unavailable;
        match available >= least {
            true => {
                let message = "Deployment has minimum availability.".into();
                self.set(AVAILABLE, "True", "MinimumReplicasAvailable", message);
            }
            false => {
                let message = "Deployment does not have minimum availability.".into();
                self.set(AVAILABLE, "False", "MinimumReplicasUnavailable", message);
            }
        }
    }

    /// When to look at the deadline again.
    pub fn until_deadline(&self) -> Option<Duration> {
        let deadline = self.deadline().filter(|_| !self.me.spec.paused && !self.is_complete())?;
        let known = condition(&self.conditions, PROGRESSING)?;
        if known.reason == TIMED_OUT || known.reason == COMPLETE {
            return None;
        }
        // A second more, for conditions carry whole seconds.
        let left = deadline.saturating_sub(self.now.since(known.last_update_time?));
        Some(left + Duration::from_secs(1))
    }

    /// Kubernetes' rule: nothing changes while status and reason stay; the transition's time stays with the status.
    fn set(&mut self, kind: &str, status: &str, reason: &str, message: String) {
        let known = condition(&self.conditions, kind);
        if known.is_some_and(|known| known.status == status && known.reason == reason) {
            return;
        }
        let transition =
            known.filter(|known| known.status == status).and_then(|known| known.last_transition_time);
        self.conditions.retain(|condition| condition.kind != kind);
        // Kubernetes' order once a rollout has got anywhere.
        let place = if kind == AVAILABLE { 0 } else { self.conditions.len() };
        self.conditions.insert(
            place,
            Condition {
                kind: kind.into(),
                status: status.into(),
                reason: reason.into(),
                message,
                last_transition_time: Some(transition.unwrap_or(self.now)),
                last_update_time: Some(self.now),
                ..Condition::default()
            },
        );
    }
}

/// More new pods, fewer old ones, or more of them work.
fn has_progressed(before: &DeploymentStatus, now: &DeploymentStatus) -> bool {
    now.updated_replicas > before.updated_replicas
        || now.replicas - now.updated_replicas < before.replicas - before.updated_replicas
        || now.ready_replicas > before.ready_replicas
        || now.available_replicas > before.available_replicas
}

fn timed_out(known: &Condition, deadline: Duration, now: Timestamp) -> bool {
    match known.reason.as_str() {
        COMPLETE => false,
        TIMED_OUT => true,
        _ => known.last_update_time.is_some_and(|since| now.since(since) > deadline),
    }
}
