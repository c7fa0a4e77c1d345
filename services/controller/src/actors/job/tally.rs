//! Counts ended pods, each exactly once, whatever crashes in between.
//!
//! A pod carries a finalizer until it is counted. First its uid is listed in the status, then the finalizer is taken off, then the
//! uid leaves the list and the counter grows. Whether a step was done can be read from the objects alone. Indexes that succeeded
//! are a set, so they need no list.

use std::collections::BTreeSet;
use std::sync::Arc;

use api::views::{Job, JobStatus, Pod, UncountedPods};
use api::{Object, Uid};

use super::count;
use super::crew::{Crew, has_failed};
use super::failure_policy::{Action, judge};
use super::indexes::{Indexes, index_of};

/// The counts of one moment.
pub(super) struct Tally {
    /// Pods that failed, counted or about to be.
    pub failed: i32,
    /// Pods (or indexes) that succeeded, counted or about to be.
    pub succeeded: i32,
    /// Of an indexed job.
    pub completed: Option<Indexes>,
    /// Pods that need not be held any more.
    pub released: Vec<Arc<Object<Pod>>>,
    /// Why a pod's failure is the job's failure, if one is.
    pub fatal: Option<String>,
    counted: (i32, i32),
    uncounted: UncountedPods,
}

impl Tally {
    /// Goes through the pods of a job.
    pub fn take(me: &Object<Job>, crew: &Crew) -> Self {
        let stored = &me.status.uncounted_terminated_pods;
        let tracked: BTreeSet<&Uid> = crew.tracked().map(|pod| &pod.metadata.uid).collect();
        let (open_succeeded, done_succeeded) = split(&stored.succeeded, &tracked);
        let (open_failed, done_failed) = split(&stored.failed, &tracked);
        let mut tally = Self {
            failed: 0,
            succeeded: 0,
            completed: end_of_indexes(me).map(|end| Indexes::parse(&me.status.completed_indexes, end)),
            released: Vec::new(),
            fatal: None,
            counted: (me.status.succeeded + count(done_succeeded), me.status.failed + count(done_failed)),
            uncounted: UncountedPods { succeeded: open_succeeded, failed: open_failed },
        };
        let durable = tally.completed.clone();
        for pod in crew.tracked() {
            tally.add(me, pod, durable.as_ref());
        }
        tally.failed = tally.counted.1 + count(tally.uncounted.failed.len());
        tally.succeeded = match &tally.completed {
            Some(completed) => count(completed.0.len()),
            None => tally.counted.0 + count(tally.uncounted.succeeded.len()),
        };
        tally
    }

    /// One pod that is still held. `durable` are the indexes that the stored status lists.
    fn add(&mut self, me: &Object<Job>, pod: &Arc<Object<Pod>>, durable: Option<&Indexes>) {
        let uid = &pod.metadata.uid;
        if self.uncounted.succeeded.contains(uid) || self.uncounted.failed.contains(uid) {
            self.released.push(Arc::clone(pod));
        } else if pod.status.phase == "Succeeded" {
            self.add_success(pod, durable);
        } else if has_failed(pod, replaces_only_failed(me)) {
            self.add_failure(me, pod);
        }
    }

    fn add_success(&mut self, pod: &Arc<Object<Pod>>, durable: Option<&Indexes>) {
        match (&mut self.completed, durable) {
            (Some(completed), Some(durable)) => match index_of(pod) {
                Some(index) if !durable.0.contains(&index) => {
                    completed.0.insert(index);
                }
                // Its index is listed, or it works on none.
                Some(_) | None => self.released.push(Arc::clone(pod)),
            },
            _ => self.uncounted.succeeded.push(pod.metadata.uid.clone()),
        }
    }

    fn add_failure(&mut self, me: &Object<Job>, pod: &Arc<Object<Pod>>) {
        match judge(me, pod) {
            Action::Ignore => self.released.push(Arc::clone(pod)),
            Action::Count => self.uncounted.failed.push(pod.metadata.uid.clone()),
            Action::FailJob(message) => {
                self.fatal.get_or_insert(message);
                self.uncounted.failed.push(pod.metadata.uid.clone());
            }
        }
    }

    /// Everything is counted.
    pub fn is_settled(&self) -> bool {
        self.uncounted == UncountedPods::default()
    }

    /// Puts the counts into a status.
    pub fn write(&self, status: &mut JobStatus) {
        (status.succeeded, status.failed) = self.counted;
        if let Some(completed) = &self.completed {
            status.succeeded = count(completed.0.len());
            status.completed_indexes = completed.to_string();
        }
        status.uncounted_terminated_pods = self.uncounted.clone();
    }
}

/// Of an indexed job: one more than the last index.
pub(super) fn end_of_indexes(me: &Object<Job>) -> Option<u32> {
    let completions = u32::try_from(me.spec.completions?).ok()?;
    (me.spec.completion_mode == "Indexed").then_some(completions)
}

/// A pod is replaced when it has failed, not when it begins to end.
pub(super) fn replaces_only_failed(me: &Object<Job>) -> bool {
    me.spec.pod_replacement_policy == "Failed" || me.spec.pod_failure_policy.is_some()
}

/// Uids that are still held, and the number of those that are not.
fn split(uids: &[Uid], tracked: &BTreeSet<&Uid>) -> (Vec<Uid>, usize) {
    let (open, done): (Vec<&Uid>, Vec<&Uid>) = uids.iter().partition(|uid| tracked.contains(uid));
    (open.into_iter().cloned().collect(), done.len())
}
