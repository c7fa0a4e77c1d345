//! How often an index of a job was tried: what its pods tell, and when an index has failed (KEP-3850).
//!
//! Each pod carries how many pods of its index failed before it. The last failed pod of an index keeps the job's finalizer until another
//! one takes over its count, so that nobody's deletion makes the job forget failures.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::Object;
use api::views::{Job, Pod};

use super::crew::{Crew, has_failed};
use super::failure_policy::{Action, judge};
use super::tally::replaces_only_failed;
use super::verdict::Verdict;

/// On pods of indexed jobs, as annotation and label: which index a pod works on.
pub(super) const COMPLETION_INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// How many pods of its index failed before it.
const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
/// How many more failed before it and were ignored.
const IGNORED_FAILURES: &str = "batch.kubernetes.io/job-index-ignored-failure-count";

/// The index that a pod works on.
pub(super) fn index_of(pod: &Object<Pod>) -> Option<u32> {
    pod.metadata.annotations.get(COMPLETION_INDEX)?.parse().ok()
}

/// How often an index failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Attempts {
    failed: i32,
    ignored: i32,
}

impl Attempts {
    /// Those before a pod.
    fn before(pod: &Object<Pod>) -> Self {
        let count = |name| {
            let count = pod.metadata.annotations.get(name).and_then(|count| count.parse().ok());
            count.filter(|count| *count >= 0).unwrap_or_default()
        };
        Self { failed: count(FAILURES), ignored: count(IGNORED_FAILURES) }
    }

    /// Those before a failed pod, and it.
    pub fn with(me: &Object<Job>, pod: &Object<Pod>) -> Self {
        let Self { failed, ignored } = Self::before(pod);
        match judge(me, pod) {
            Action::Ignore => Self { failed, ignored: ignored.saturating_add(1) },
            Action::Count | Action::FailIndex | Action::FailJob(_) => {
                Self { failed: failed.saturating_add(1), ignored }
            }
        }
    }

    /// All of them.
    pub fn total(self) -> i32 {
        self.failed.saturating_add(self.ignored)
    }

    /// The annotations of the pod that tries again.
    pub fn annotations(self) -> impl Iterator<Item = (&'static str, String)> {
        let ignored = (self.ignored > 0).then(|| (IGNORED_FAILURES, self.ignored.to_string()));
        std::iter::once((FAILURES, self.failed.to_string())).chain(ignored)
    }
}

/// This failed pod is the end of its index.
pub(super) fn fails_index(me: &Object<Job>, pod: &Object<Pod>) -> bool {
    let Some(limit) = me.spec.backoff_limit_per_index else { return false };
    match judge(me, pod) {
        Action::FailIndex => true,
        Action::Ignore => false,
        Action::Count | Action::FailJob(_) => Attempts::before(pod).failed >= limit,
    }
}

/// The newest failed pod of each index that no pod works on, of a job that counts failures per index and whose outcome is open.
pub(super) fn last_failures(me: &Object<Job>, crew: &Crew) -> BTreeMap<u32, Arc<Object<Pod>>> {
    let mut last: BTreeMap<u32, Arc<Object<Pod>>> = BTreeMap::new();
    if me.spec.backoff_limit_per_index.is_none() || Verdict::said(me).is_some() {
        return last;
    }
    let only_failed = replaces_only_failed(me);
    let goes_on = |pod: &Object<Pod>| !matches!(judge(me, pod), Action::FailJob(_));
    for pod in crew.tracked().filter(|pod| has_failed(pod, only_failed) && goes_on(pod)) {
        let Some(index) = index_of(pod) else { continue };
        let age = |pod: &Object<Pod>| (Attempts::before(pod).total(), pod.ended_at());
        if last.get(&index).is_none_or(|known| age(known) <= age(pod)) {
            last.insert(index, Arc::clone(pod));
        }
    }
    for pod in &crew.active {
        index_of(pod).map(|index| last.remove(&index));
    }
    last
}
