//! The pods of one ReplicaSet as they are now.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actor::{World, Write};
use api::views::{Pod, ReplicaSetStatus};
use api::{Object, Timestamp};

use super::super::ownership::Owner;
use super::super::{pods, sooner};
use super::{HOLD_BACK, Replicated, status_with};

/// The pods that a ReplicaSet manages or is about to manage.
pub(super) struct Crew {
    /// Pods that run or will run; those being deleted are not among them, for they are replaced at once.
    pub active: Vec<Arc<Object<Pod>>>,
    /// Pods that have ended by themselves, the youngest first.
    pub ended: Vec<Arc<Object<Pod>>>,
    /// Adoptions and releases.
    pub claims: Vec<Write>,
}

impl Crew {
    /// Looks at the pods that the ReplicaSet manages and at those that nobody manages.
    pub fn observe(owner: &Owner<'_>, world: &World<'_>) -> Self {
        let (pods, claims) = owner.claim_all::<Pod>(world, |pod| !pod.has_ended());
        let staying = pods.into_iter().filter(|pod| !pod.metadata.is_terminating());
        let (mut ended, mut active): (Vec<_>, Vec<_>) = staying.partition(|pod| pod.has_ended());
        active.sort_by(|one, other| one.key.cmp(&other.key));
        ended.sort_by_key(|pod| (Reverse(pod.metadata.creation_timestamp), pod.key.clone()));
        Self { active, ended, claims }
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
    pub fn status<K: Replicated>(
        &self,
        me: &Object<K>,
        now: Timestamp,
    ) -> (ReplicaSetStatus, Option<Duration>) {
        let labels: BTreeMap<String, String> = me
            .spec()
            .template
            .pointer("/metadata/labels")
            .and_then(|labels| serde_json::from_value(labels.clone()).ok())
            .unwrap_or_default();
        let fully_labeled = |pod: &Object<Pod>| {
            labels
                .iter()
                .all(|(key, value)| pod.metadata.labels.get(key.as_str()).is_some_and(|has| **has == **value))
        };
        let settle = pods::seconds(me.spec().min_ready_seconds);
        let mut counts = [self.active.len(), 0, 0, 0];
        let mut next = None;
        for pod in &self.active {
            let [_, labeled, ready, available] = &mut counts;
            *labeled += usize::from(fully_labeled(pod));
            *ready += usize::from(pod.is_ready());
            match pods::available_in(pod, settle, now) {
                Some(Duration::ZERO) => *available += 1,
                wait => next = sooner(next, wait),
            }
        }
        (status_with(me, counts), next)
    }
}
