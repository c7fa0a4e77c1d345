//! The Job actor: runs pods until enough of them have succeeded, and counts each of them once.

mod attempts;
mod balance;
mod crew;
mod failure_policy;
mod released;
mod tally;
mod verdict;

use std::time::Duration;

use actor::{Decision, Propagation, ResourceActor, Wake, World, Write};
use api::journal::EventView;
use api::views::{Condition, Job, JobStatus, Pod};
use api::{Object, Resource, Timestamp};
use serde_json::json;

use self::crew::{Crew, release};
use self::tally::Tally;
use self::verdict::Verdict;
use super::ownership::{Owner, namespace_ends};
use super::{condition, normal, pods, sooner};

pub use released::ReleasedPods;

/// Keeps a pod of a job until it is counted.
const TRACKING: &str = "batch.kubernetes.io/job-tracking";
/// Jobs that say who looks after them are ours if they say this.
const MANAGER: &str = "kubernetes.io/job-controller";
const SUSPENDED: &str = "Suspended";

/// Runs Jobs.
#[derive(Debug)]
pub struct JobActor;

impl ResourceActor for JobActor {
    type Kind = Job;
    type Command = Write;

    fn wakes() -> Vec<Wake> {
        vec![Wake::Owned(Pod::ID)]
    }

    fn decide(me: &Object<Job>, world: &World<'_>, now: Timestamp) -> Decision<Self> {
        if me.spec.managed_by.as_deref().is_some_and(|manager| manager != MANAGER) {
            return Decision::nothing();
        }
        let mut turn = Turn::observe(me, world, now);
        if me.metadata.is_terminating() {
            turn.let_go("the job is being deleted");
        } else if me.has_finished() {
            turn.let_go("the job has finished");
            turn.expire();
        } else {
            turn.work(world);
        }
        turn.conclude()
    }
}

/// One turn of a job: what it has, and what follows.
struct Turn<'a> {
    me: &'a Object<Job>,
    now: Timestamp,
    owner: Owner<'a>,
    crew: Crew,
    tally: Tally,
    /// The status that the turn leads to.
    status: JobStatus,
    commands: Vec<Write>,
    wake_after: Option<Duration>,
}

impl<'a> Turn<'a> {
    fn observe(me: &'a Object<Job>, world: &World<'_>, now: Timestamp) -> Self {
        let owner = Owner::of(me);
        let crew = Crew::observe(me, world);
        let tally = Tally::take(me, &crew);
        Self {
            me,
            now,
            owner,
            crew,
            tally,
            status: me.status.clone(),
            commands: Vec::new(),
            wake_after: None,
        }
    }

    /// Counts, judges, and makes or ends pods accordingly.
    fn work(&mut self, world: &World<'_>) {
        if self.status.start_time.is_none() && !self.me.spec.suspend {
            self.status.start_time = Some(self.now);
        }
        self.commands.extend(self.tally.released.iter().map(|pod| release(pod, "it is counted")));
        self.tally.write(&mut self.status);
        match Verdict::of(self) {
            Some(verdict) => self.wind_down(&verdict),
            None if self.me.spec.suspend => self.suspend(),
            None => {
                self.resume();
                self.watch_deadline();
                if !namespace_ends(world, self.me.key.namespace()) {
                    self.balance(world);
                }
            }
        }
        self.status.active = count(self.crew.active.len());
        self.status.ready = count(self.crew.active.iter().filter(|pod| pod.is_ready()).count());
        self.status.terminating = count(self.crew.terminating.len());
    }

    /// The outcome is clear: no pod stays active, all are counted, and then the job has finished.
    fn wind_down(&mut self, verdict: &Verdict) {
        self.announce(verdict.target(), verdict, None);
        for pod in &self.crew.active {
            self.commands.push(pods::delete(pod, &verdict.message));
        }
        let nothing_left = self.crew.active.is_empty() && self.crew.terminating.is_empty();
        if nothing_left && self.crew.tracked().next().is_none() && self.tally.is_settled() {
            if !verdict.failed {
                self.status.completion_time = Some(self.now);
            }
            self.announce(verdict.end(), verdict, verdict.event());
        }
    }

    /// Pods of a suspended job end and count for nothing.
    fn suspend(&mut self) {
        for pod in &self.crew.active {
            self.commands.push(release(pod, "the job is suspended"));
            self.commands.push(pods::delete(pod, "the job is suspended"));
        }
        self.status.start_time = None;
        let suspended =
            condition(&self.status.conditions, SUSPENDED).is_some_and(|known| known.status == "True");
        if !suspended {
            let event = normal("Suspended", "Job suspended".into());
            self.set_condition(SUSPENDED, "True", "JobSuspended", "Job suspended", event);
        }
    }

    fn resume(&mut self) {
        let suspended =
            condition(&self.status.conditions, SUSPENDED).is_some_and(|known| known.status == "True");
        if suspended {
            let event = normal("Resumed", "Job resumed".into());
            self.status.start_time = Some(self.now);
            self.set_condition(SUSPENDED, "False", "JobResumed", "Job resumed", event);
        }
    }

    /// The deadline itself is the verdict's business; here only the alarm is set.
    fn watch_deadline(&mut self) {
        let deadline = self.deadline();
        self.wake_after = sooner(self.wake_after, deadline.map(|deadline| deadline.since(self.now)));
    }

    fn deadline(&self) -> Option<Timestamp> {
        let seconds = u64::try_from(self.me.spec.active_deadline_seconds?).unwrap_or_default();
        Some(self.status.start_time?.plus(Duration::from_secs(seconds)))
    }

    /// Pods are not held any more, and none goes on.
    fn let_go(&mut self, because: &str) {
        let held = self.crew.tracked().map(|pod| release(pod, because));
        self.commands.extend(held);
        self.commands.extend(self.crew.active.iter().map(|pod| pods::delete(pod, because)));
    }

    /// A finished job goes when its time is over.
    fn expire(&mut self) {
        let Some(seconds) = self.me.spec.ttl_seconds_after_finished else { return };
        let ends = ["Complete", "Failed"].map(|kind| condition(&self.me.status.conditions, kind));
        let Some(finished) = ends.into_iter().flatten().find_map(|end| end.last_transition_time) else {
            return;
        };
        let expires = finished.plus(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()));
        match expires > self.now {
            true => self.wake_after = Some(expires.since(self.now)),
            false => self.commands.push(Write::Delete {
                key: self.me.key.clone(),
                uid: self.me.metadata.uid.clone(),
                grace: None,
                propagation: Propagation::Foreground,
                because: format!("it has finished {seconds}s ago"),
                event: None,
            }),
        }
    }

    fn announce(&mut self, kind: &str, verdict: &Verdict, event: Option<EventView>) {
        if condition(&self.status.conditions, kind).is_none() {
            self.set_condition(kind, "True", &verdict.reason, &verdict.message, event);
        }
    }

    /// Sets a condition, and writes it as a command of its own: it has a reason that belongs into the journal.
    fn set_condition(
        &mut self,
        kind: &str,
        status: &str,
        reason: &str,
        message: &str,
        event: Option<EventView>,
    ) {
        self.status.conditions.retain(|known| known.kind != kind);
        self.status.conditions.push(Condition {
            kind: kind.into(),
            status: status.into(),
            reason: reason.into(),
            message: message.into(),
            last_probe_time: Some(self.now),
            last_transition_time: Some(self.now),
            ..Condition::default()
        });
        self.commands.push(Write::Patch {
            key: self.me.key.clone(),
            seen: self.me.revision,
            merge: json!({"status": {"conditions": self.status.conditions}}),
            subresource_status: true,
            because: message.into(),
            event,
        });
    }

    fn conclude(self) -> Decision<JobActor> {
        Decision {
            status: (self.status != self.me.status).then_some(self.status),
            commands: self.commands,
            wake_after: self.wake_after,
        }
    }
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
