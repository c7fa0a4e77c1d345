//! The pods of one ReplicaSet as they are now.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actor::{World, Write};
use api::views::{Pod, ReplicaSet, ReplicaSetStatus};
use api::{Object, Timestamp};

use super::super::ownership::{Claim, Owner, orphans};
use super::super::sooner;
use super::{HOLD_BACK, status_with};

/// The pods that a ReplicaSet manages or is about to manage.
pub(super) struct Crew {
    /// Pods that run or will run; those being deleted are not among them, for they are replaced at once.
    pub active: Vec<Arc<Object<Pod>>>,
    /// Pods that have ended by themselves, the youngest first.
    pub ended: Vec<Arc<Object<Pod>>>,
    /// Pods to take (among the active ones) or to let go.
    unsettled: Vec<(Claim, Arc<Object<Pod>>)>,
}

impl Crew {
    /// Looks at the pods that the ReplicaSet manages and at those that nobody manages.
    pub fn observe(owner: &Owner<'_>, me: &Object<ReplicaSet>, world: &World<'_>) -> Self {
        let mut crew = Self { active: Vec::new(), ended: Vec::new(), unsettled: Vec::new() };
        let managed = world.controlled_by::<Pod>(&me.metadata.uid);
        for pod in managed.chain(orphans(world, me.key.namespace(), owner.selector)) {
            crew.muster(owner.claim(&pod.metadata), pod);
        }
        crew.active.sort_by(|one, other| one.key.cmp(&other.key));
        crew.ended.sort_by_key(|pod| (Reverse(pod.metadata.creation_timestamp), pod.key.clone()));
        crew
    }

    fn muster(&mut self, claim: Claim, pod: Arc<Object<Pod>>) {
        match claim {
            Claim::Foreign => return,
            Claim::Release => {
                self.unsettled.push((claim, pod));
                return;
            }
            Claim::Adopt if pod.has_ended() => return,
            Claim::Adopt => self.unsettled.push((claim, pod.clone())),
            Claim::Mine => {}
        }
        match (pod.metadata.is_terminating(), pod.has_ended()) {
            (true, _) => {}
            (false, true) => self.ended.push(pod),
            (false, false) => self.active.push(pod),
        }
    }

    /// Adoptions and releases.
    pub fn claims(&self, owner: &Owner<'_>) -> Vec<Write> {
        let write = |(claim, pod): &(Claim, Arc<Object<Pod>>)| match claim {
            Claim::Adopt => Some(owner.adopt(pod)),
            Claim::Release => Some(owner.release(pod)),
            Claim::Mine | Claim::Foreign => None,
        };
        self.unsettled.iter().filter_map(write).collect()
    }

    /// How many replacements wait because their predecessors ended at once, and for how long the first of them.
    pub fn held_back(&self, now: Timestamp) -> (usize, Option<Duration>) {
        let waits = self.ended.iter().filter_map(|pod| {
            let age = now.since(pod.metadata.creation_timestamp);
            HOLD_BACK.checked_sub(age).filter(|left| !left.is_zero())
        });
        waits.fold((0, None), |(count, next), wait| (count + 1, sooner(next, Some(wait))))
    }

    /// The counts, and when the next ready pod becomes available.
    pub fn status(&self, me: &Object<ReplicaSet>, now: Timestamp) -> (ReplicaSetStatus, Option<Duration>) {
        let labels: BTreeMap<String, String> = me
            .spec
            .template
            .pointer("/metadata/labels")
            .and_then(|labels| serde_json::from_value(labels.clone()).ok())
            .unwrap_or_default();
        let fully_labeled = |pod: &Object<Pod>| {
            labels
                .iter()
                .all(|(key, value)| pod.metadata.labels.get(key.as_str()).is_some_and(|has| **has == **value))
        };
        let settle = Duration::from_secs(u64::try_from(me.spec.min_ready_seconds).unwrap_or_default());
        let mut counts = [self.active.len(), 0, 0, 0];
        let mut next = None;
        for pod in &self.active {
            let [_, labeled, ready, available] = &mut counts;
            *labeled += usize::from(fully_labeled(pod));
            *ready += usize::from(pod.is_ready());
            match remaining(pod, settle, now) {
                Some(Duration::ZERO) => *available += 1,
                wait => next = sooner(next, wait),
            }
        }
        (status_with(me, counts), next)
    }
}

/// How long a ready pod still has to stay ready to count as available.
fn remaining(pod: &Pod, settle: Duration, now: Timestamp) -> Option<Duration> {
    if settle.is_zero() {
        return pod.is_ready().then_some(Duration::ZERO);
    }
    pod.ready_since().map(|since| settle.saturating_sub(now.since(since)))
}
