//! The annotations by which Kubernetes' tools read a rollout's history from its ReplicaSets.

use std::collections::BTreeMap;

use api::Metadata;

/// Counts rollouts; `kubectl rollout history` lists it.
pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
/// Earlier revisions of a template that came back.
const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// `spec.replicas` of the deployment when the set was last scaled.
pub(super) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
/// The same with the surge.
pub(super) const MAX: &str = "deployment.kubernetes.io/max-replicas";
/// The longest history that is kept, in characters.
const LONGEST_HISTORY: usize = 2000;

/// Annotations that a ReplicaSet does not take over from its deployment.
const NOT_COPIED: [&str; 6] = [
    REVISION,
    REVISION_HISTORY,
    DESIRED,
    MAX,
    "kubectl.kubernetes.io/last-applied-configuration",
    "deprecated.deployment.rollback.to",
];

/// The number in an annotation.
pub(super) fn number(metadata: &Metadata, annotation: &str) -> Option<i64> {
    metadata.annotations.get(annotation)?.parse().ok()
}

/// What the annotations of the current ReplicaSet shall be, as far as they differ from what it `has`.
pub(super) fn of_current(
    deployment: &Metadata,
    has: Option<&Metadata>,
    revision: i64,
) -> BTreeMap<String, String> {
    let mut changes = BTreeMap::new();
    for (key, value) in &deployment.annotations {
        if !NOT_COPIED.contains(&&**key) && has.and_then(|has| has.annotations.get(key)) != Some(value) {
            changes.insert(key.to_string(), value.to_string());
        }
    }
    let before = has.map_or(0, |has| number(has, REVISION).unwrap_or_default());
    if before < revision {
        changes.insert(REVISION.into(), revision.to_string());
        if let Some(has) = has.filter(|_| before > 0) {
            changes.insert(REVISION_HISTORY.into(), history(has, before));
        }
    }
    changes
}

/// The history with one more revision, without the oldest ones if it gets too long.
fn history(has: &Metadata, before: i64) -> String {
    let known = has.annotations.get(REVISION_HISTORY).map(AsRef::as_ref).unwrap_or_default();
    let mut text = match known.is_empty() {
        true => before.to_string(),
        false => format!("{known},{before}"),
    };
    while text.len() > LONGEST_HISTORY
        && let Some((_, rest)) = text.split_once(',')
    {
        text = rest.to_owned();
    }
    text
}

/// The annotations that tell for which scale a set was sized.
pub(super) fn of_scale(desired: i32, surge: i32) -> [(&'static str, String); 2] {
    [(DESIRED, desired.to_string()), (MAX, desired.saturating_add(surge).to_string())]
}
