//! Pods as workloads make and end them: from a template, under an owner, with Kubernetes' events.

use std::time::Duration;

use actor::{Propagation, Write};
use api::views::Pod;
use api::{Object, ObjectKey, Resource, Timestamp};
use serde_json::{Map, Value, json};

use super::normal;
use super::ownership::{Owner, references_json};

/// The pod as a template wants it, owned by `owner`. `base` is what its name was made from, if it was made.
pub(super) fn from_template(template: &Value, owner: &Owner<'_>, name: &str, base: Option<&str>) -> Value {
    let mut metadata = Map::new();
    for field in ["labels", "annotations", "finalizers"] {
        if let Some(value) =
            template.pointer("/metadata").and_then(|of| of.get(field)).filter(|of| !of.is_null())
        {
            metadata.insert(field.into(), value.clone());
        }
    }
    if let Some(base) = base {
        metadata.insert("generateName".into(), json!(base));
    }
    metadata.insert("name".into(), json!(name));
    metadata.insert("namespace".into(), json!(owner.metadata.namespace));
    metadata.insert("ownerReferences".into(), references_json(&[owner.reference()]));
    let spec = template.get("spec").cloned().unwrap_or_default();
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
}

/// Where a pod of this name lives among those of `owner`.
pub(super) fn key(owner: &Owner<'_>, name: &str) -> ObjectKey {
    ObjectKey::namespaced(Pod::ID, &owner.metadata.namespace, name)
}

/// Makes a pod.
pub(super) fn create(owner: &Owner<'_>, name: &str, pod: Value, because: &str) -> Write {
    Write::Create {
        key: key(owner, name),
        object: pod,
        because: because.to_owned(),
        event: normal("SuccessfulCreate", format!("Created pod: {name}")),
    }
}

/// Ends a pod within its own grace period.
pub(super) fn delete(pod: &Object<Pod>, because: &str) -> Write {
    Write::Delete {
        key: pod.key.clone(),
        uid: pod.metadata.uid.clone(),
        grace: None,
        propagation: Propagation::Background,
        because: because.to_owned(),
        event: normal("SuccessfulDelete", format!("Deleted pod: {}", pod.key.name)),
    }
}

/// How long a ready pod still has to stay ready to count as available; `None` while it is not ready.
pub(super) fn available_in(pod: &Pod, settle: Duration, now: Timestamp) -> Option<Duration> {
    if settle.is_zero() {
        return pod.is_ready().then_some(Duration::ZERO);
    }
    pod.ready_since().map(|since| settle.saturating_sub(now.since(since)))
}

/// Seconds of a spec, as a time.
pub(super) fn seconds(seconds: i32) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}
