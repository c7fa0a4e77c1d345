//! What is left in a namespace that is being deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use actor::{Propagation, Refusal, World, Write};
use api::views::{Condition, Pod};
use api::{Resource, Timestamp};
use bus::{Reader, Stored};

use crate::actors::condition;

/// Kinds that would make pods anew: they go before the pods.
const MAKERS: [&str; 7] = [
    "cronjobs.batch",
    "deployments.apps",
    "statefulsets.apps",
    "daemonsets.apps",
    "jobs.batch",
    "replicasets.apps",
    "replicationcontrollers",
];

/// Everything in a namespace.
pub(super) struct Contents {
    objects: Vec<Arc<Stored>>,
}

impl Contents {
    /// Looks at every object of every kind.
    pub fn observe(namespace: &str, world: &World<'_>) -> Self {
        let reader: &Reader<'_> = world;
        Self { objects: reader.namespaced(namespace).cloned().collect() }
    }

    /// Nothing is left.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Deletes what makes pods first, then the pods, which end gracefully, and when the last of them is gone, all the rest: what
    /// pods rely on (configuration, network policies) outlives them. What somebody does not let go keeps no pods.
    pub fn deletions(&self, was_refused: bool) -> Vec<Write> {
        let alive = || self.objects.iter().filter(|stored| !stored.metadata.is_terminating());
        let makes_pods = |stored: &Arc<Stored>| MAKERS.contains(&stored.key.resource.as_str());
        let is_pod = |stored: &Arc<Stored>| stored.key.resource == Pod::ID;
        let waits_for_makers = !was_refused && alive().any(makes_pods);
        let has_pods = self.objects.iter().any(is_pod);
        let goes = |stored: &&Arc<Stored>| match (waits_for_makers, has_pods) {
            (true, _) => makes_pods(stored),
            (false, true) => makes_pods(stored) || is_pod(stored),
            (false, false) => true,
        };
        alive().filter(goes).map(delete).collect()
    }

    /// Kubernetes' five conditions: what is left, and whether finalizers hold it.
    pub fn conditions(
        &self,
        known: &[Condition],
        refusal: Option<&Refusal>,
        now: Timestamp,
    ) -> Vec<Condition> {
        let remaining = counts(self.objects.iter().map(|stored| stored.key.resource.as_str()));
        let finalizers = counts(
            self.objects.iter().flat_map(|stored| stored.metadata.finalizers.iter().map(AsRef::as_ref)),
        );
        let list = |counts: &BTreeMap<&str, usize>, of: &str, join: &str| {
            let one = |(name, count): (&&str, &usize)| format!("{name}{of} {count} resource instances");
            counts.iter().map(one).collect::<Vec<_>>().join(join)
        };
        let left = format!("Some resources are remaining: {}", list(&remaining, " has", ", "));
        let held = format!(
            "Some content in the namespace has finalizers remaining: {}",
            list(&finalizers, " in", ", ")
        );
        let finalizers_remain = !finalizers.is_empty();
        let conditions = [
            (
                "NamespaceDeletionDiscoveryFailure",
                false,
                "ResourcesDiscovered",
                "All resources successfully discovered".into(),
            ),
            (
                "NamespaceDeletionGroupVersionParsingFailure",
                false,
                "ParsedGroupVersions",
                "All legacy kube types successfully parsed".into(),
            ),
            match refusal {
                Some(refusal) => (
                    "NamespaceDeletionContentFailure",
                    true,
                    "ContentDeletionFailed",
                    format!("Failed to delete all resource types, 1 remaining: {}", refusal.message),
                ),
                None => (
                    "NamespaceDeletionContentFailure",
                    false,
                    "ContentDeleted",
                    "All content successfully deleted, may be waiting on finalization".into(),
                ),
            },
            ("NamespaceContentRemaining", true, "SomeResourcesRemain", left),
            match finalizers_remain {
                true => ("NamespaceFinalizersRemaining", true, "SomeFinalizersRemain", held),
                false => (
                    "NamespaceFinalizersRemaining",
                    false,
                    "ContentHasNoFinalizers",
                    "All content-preserving finalizers finished".into(),
                ),
            },
        ];
        conditions
            .into_iter()
            .map(|(kind, holds, reason, message)| stated(known, now, kind, holds, reason, message))
            .collect()
    }
}

fn stated(
    known: &[Condition],
    now: Timestamp,
    kind: &str,
    holds: bool,
    reason: &str,
    message: String,
) -> Condition {
    let status = if holds { "True" } else { "False" };
    let before = condition(known, kind).filter(|before| before.status == status);
    Condition {
        kind: kind.into(),
        status: status.into(),
        reason: reason.into(),
        message,
        last_transition_time: before.and_then(|before| before.last_transition_time).or(Some(now)),
        ..Condition::default()
    }
}

fn counts<'a>(names: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    counts
}

fn delete(stored: &Arc<Stored>) -> Write {
    Write::Delete {
        key: stored.key.clone(),
        uid: stored.metadata.uid.clone(),
        grace: None,
        propagation: Propagation::Background,
        because: "its namespace is being deleted".into(),
        event: None,
    }
}
