//! Counts ended pods, each exactly once, whatever crashes in between.
//!
//! A pod carries a finalizer until it is counted. First its uid is listed in the status, then the finalizer is taken off, then the
//! uid leaves the list and the counter grows. Whether a step was done can be read from the objects alone. Indexes that succeeded
//! are a set, so they need no list.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::indexes::Indexes;
use api::views::{Job, JobStatus, Pod, UncountedPods};
use api::{Object, Uid};

use super::attempts::{fails_index, index_of, last_failures};
use super::count;
use super::crew::{Crew, has_failed};
use super::failure_policy::{Action, judge};

/// The counts of one moment.
pub(super) struct Tally {
    /// Pods that failed, counted or about to be.
    pub failed: i32,
    /// Pods (or indexes) that succeeded, counted or about to be.
    pub succeeded: i32,
    /// Of an indexed job.
    pub completed: Option<Indexes>,
    /// Of an indexed job that judges its indexes one by one: those that are given up.
    pub given_up: Option<Indexes>,
    /// By index: the failed pod whose count the next pod of the index takes over.
    pub last_failed: BTreeMap<u32, Arc<Object<Pod>>>,
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
            given_up: given_up(me, crew),
            last_failed: last_failures(me, crew),
            released: Vec::new(),
            fatal: None,
            counted: (me.status.succeeded + count(done_succeeded), me.status.failed + count(done_failed)),
            uncounted: UncountedPods { succeeded: open_succeeded, failed: open_failed },
        };
        tally.forget_decided();
        let durable = tally.completed.clone();
        for pod in crew.tracked() {
            tally.add(me, pod, durable.as_ref());
        }
        let last_failed = tally.last_failed.values().filter(|pod| judge(me, pod) != Action::Ignore).count();
        tally.failed = tally.counted.1 + count(tally.uncounted.failed.len() + last_failed);
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
        } else if has_failed(pod, replaces_only_failed(me)) && !self.is_last(pod) {
            self.add_failure(me, pod);
        }
    }

    /// The pod's count is needed by the next pod of its index.
    fn is_last(&self, pod: &Object<Pod>) -> bool {
        let last = index_of(pod).and_then(|index| self.last_failed.get(&index));
        last.is_some_and(|last| last.metadata.uid == pod.metadata.uid)
    }

    /// Nothing follows on indexes that have succeeded or are given up.
    fn forget_decided(&mut self) {
        let decided = |index: &u32| {
            [&self.completed, &self.given_up].into_iter().flatten().any(|known| known.0.contains(index))
        };
        self.last_failed.retain(|index, _| !decided(index));
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
            Action::Count | Action::FailIndex => self.uncounted.failed.push(pod.metadata.uid.clone()),
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
        status.failed_indexes = self.given_up.as_ref().map(Indexes::to_string);
        status.uncounted_terminated_pods = self.uncounted.clone();
    }
}

/// Of a job that judges its indexes one by one: those that its status lists, and those whose last pod has just failed.
fn given_up(me: &Object<Job>, crew: &Crew) -> Option<Indexes> {
    let end = end_of_indexes(me).filter(|_| me.spec.backoff_limit_per_index.is_some())?;
    let mut given_up = Indexes::parse(me.status.failed_indexes.as_deref().unwrap_or_default(), end);
    let only_failed = replaces_only_failed(me);
    let failed = crew.tracked().filter(|pod| has_failed(pod, only_failed) && fails_index(me, pod));
    given_up.0.extend(failed.filter_map(|pod| index_of(pod)).filter(|index| *index < end));
    Some(given_up)
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
