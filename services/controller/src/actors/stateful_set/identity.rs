//! What makes a pod of a StatefulSet that very pod: name, host name, labels and claims.

use actor::Write;
use api::json::child;
use serde_json::json;

use super::super::history::REVISION_HASH;
use super::super::pods;
use super::{Step, claims};

/// Labels of each pod, by which it alone can be selected.
const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
const POD_INDEX: &str = "apps.kubernetes.io/pod-index";

/// The number at the end of a pod's name, if the rest is the set's.
pub(super) fn ordinal(set: &str, pod: &str) -> Option<i32> {
    let digits = pod.strip_prefix(set)?.strip_prefix('-')?;
    let ordinal: i32 = digits.parse().ok().filter(|ordinal| *ordinal >= 0)?;
    (ordinal.to_string() == digits).then_some(ordinal)
}

/// Makes the pod of an ordinal, of the revision that it shall have.
pub(super) fn create(step: &Step<'_>, ordinal: i32) -> Write {
    let spec = &step.me.spec;
    let first_new = spec.ordinals.start.saturating_add(spec.update_strategy.rolling_update.partition);
    let keeps_old = spec.update_strategy.kind != "OnDelete" && ordinal < first_new;
    let revision = if keeps_old { step.current } else { step.update };
    let name = format!("{}-{ordinal}", step.me.key.name);
    let mut pod =
        pods::from_template(&revision.template, step.owner, &name, Some(&format!("{}-", step.me.key.name)));
    if let Some(labels) = pod.get_mut("metadata").and_then(|metadata| child(metadata, "labels")) {
        labels.insert(REVISION_HASH.into(), json!(revision.name));
        labels.insert(POD_NAME.into(), json!(name));
        labels.insert(POD_INDEX.into(), json!(ordinal.to_string()));
    }
    if let Some(fields) = child(&mut pod, "spec") {
        fields.insert("hostname".into(), json!(name));
        if !spec.service_name.is_empty() {
            fields.insert("subdomain".into(), json!(spec.service_name));
        }
        claims::mount(fields, step.me, ordinal);
    }
    pods::create(step.owner, &name, pod, &format!("ordinal {ordinal} has no pod"))
}

#[cfg(test)]
mod tests {
    use super::ordinal;

    #[test]
    fn ordinals_are_written_one_way_only() {
        assert_eq!(ordinal("web", "web-12"), Some(12));
        for other in ["web-01", "web-", "web--1", "web-a", "webs-1", "web-1-2"] {
            assert_eq!(ordinal("web", other), None, "{other}");
        }
    }
}
