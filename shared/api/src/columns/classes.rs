//! Quotas, limits, priorities and runtimes as `kubectl get` shows them.

use serde_json::{Value, json};

use super::workload::layout;
use super::{AGE, NAME, age, name, or_none, shown};
use crate::Timestamp;
use crate::json::{entries, flag, int, items, text};
use crate::kinds::Column;

/// Columns of kinds for which Kubernetes has no table of its own.
pub const NAME_AND_TIME: &[Column] = &[NAME, shown("Created At", "date", "When the object was created.")];
/// Columns of pod templates.
pub const POD_TEMPLATE: &[Column] = &[
    NAME,
    shown("Containers", "string", "The containers' names."),
    shown("Images", "string", "The containers' images."),
    shown("Pod Labels", "string", "The labels of pods made from it."),
];
/// Columns of resource quotas.
pub const RESOURCE_QUOTA: &[Column] = &[
    NAME,
    shown("Request", "string", "What is requested, and how much may be."),
    shown("Limit", "string", "The sum of limits, and what it may be."),
    AGE,
];
/// Columns of priority classes.
pub const PRIORITY_CLASS: &[Column] = &[
    NAME,
    shown("Value", "integer", "The priority of pods of this class."),
    shown("Global-Default", "boolean", "Whether pods that name no class are of this one."),
    AGE,
    shown("PreemptionPolicy", "string", "Whether its pods drive others away."),
];
/// Columns of runtime classes.
pub const RUNTIME_CLASS: &[Column] = &[NAME, shown("Handler", "string", "What runs its pods."), AGE];

/// Cells of a kind for which Kubernetes has no table of its own.
pub fn name_and_time(object: &Value, _now: Timestamp) -> Vec<Value> {
    vec![name(object), json!(text(object, "/metadata/creationTimestamp"))]
}

/// Cells of a pod template.
pub fn pod_template(object: &Value, _now: Timestamp) -> Vec<Value> {
    let [names, images] = layout(items(object, "/template/spec/containers"));
    let pairs = entries(object, "/template/metadata/labels");
    let mut labels: Vec<String> =
        pairs.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    labels.sort();
    vec![name(object), json!(names), json!(images), json!(or_none(&labels.join(",")))]
}

/// Cells of a resource quota.
pub fn resource_quota(quota: &Value, now: Timestamp) -> Vec<Value> {
    let used = |resource: &str| {
        let found = quota.pointer("/status/used").and_then(|used| used.get(resource));
        found.and_then(Value::as_str).unwrap_or("0").to_owned()
    };
    let mut lines: Vec<(&str, String)> = entries(quota, "/status/hard")
        .map(|(resource, hard)| {
            (resource, format!("{resource}: {}/{}", used(resource), hard.as_str().unwrap_or_default()))
        })
        .collect();
    lines.sort();
    let (limits, requests): (Vec<_>, Vec<_>) =
        lines.into_iter().partition(|(resource, _)| resource.contains("limits"));
    let joined =
        |lines: Vec<(&str, String)>| lines.into_iter().map(|(_, line)| line).collect::<Vec<_>>().join(", ");
    vec![name(quota), json!(joined(requests)), json!(joined(limits)), age(quota, now)]
}

/// Cells of a priority class.
pub fn priority_class(class: &Value, now: Timestamp) -> Vec<Value> {
    vec![
        name(class),
        json!(int(class, "/value").unwrap_or(0)),
        json!(flag(class, "/globalDefault")),
        age(class, now),
        json!(text(class, "/preemptionPolicy")),
    ]
}

/// Cells of a runtime class.
pub fn runtime_class(class: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(class), json!(text(class, "/handler")), age(class, now)]
}
