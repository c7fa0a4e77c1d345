//! Workloads that run for ever as `kubectl get` shows them.

use serde_json::{Value, json};

use super::{AGE, NAME, age, name, or_none, shown, wide};
use crate::Timestamp;
use crate::json::{entries, flag, int, items, text};
use crate::kinds::Column;

/// Columns of deployments.
pub const DEPLOYMENT: &[Column] = &[
    NAME,
    shown("Ready", "string", "Pods that are ready, of those that are wanted."),
    shown("Up-to-date", "integer", "Pods of the newest template."),
    shown("Available", "integer", "Pods that have been ready long enough."),
    AGE,
    wide("Containers", "string", "Names of the template's containers."),
    wide("Images", "string", "Their images."),
    wide("Selector", "string", "Which pods it counts as its own."),
];

/// Columns of replica sets.
pub const REPLICA_SET: &[Column] = &[
    NAME,
    shown("Desired", "integer", "Pods that are wanted."),
    shown("Current", "integer", "Pods that there are."),
    shown("Ready", "integer", "Pods that are ready."),
    AGE,
    wide("Containers", "string", "Names of the template's containers."),
    wide("Images", "string", "Their images."),
    wide("Selector", "string", "Which pods it counts as its own."),
];

/// Columns of stateful sets.
pub const STATEFUL_SET: &[Column] = &[
    NAME,
    shown("Ready", "string", "Pods that are ready, of those that are wanted."),
    AGE,
    wide("Containers", "string", "Names of the template's containers."),
    wide("Images", "string", "Their images."),
];

/// Columns of daemon sets.
pub const DAEMON_SET: &[Column] = &[
    NAME,
    shown("Desired", "integer", "Nodes that shall have a pod."),
    shown("Current", "integer", "Those that have one."),
    shown("Ready", "integer", "Those whose pod is ready."),
    shown("Up-to-date", "integer", "Those whose pod is of the newest template."),
    shown("Available", "integer", "Those whose pod has been ready long enough."),
    shown("Node Selector", "string", "Which nodes fit."),
    AGE,
    wide("Containers", "string", "Names of the template's containers."),
    wide("Images", "string", "Their images."),
    wide("Selector", "string", "Which pods it counts as its own."),
];

/// Columns of controller revisions.
pub const CONTROLLER_REVISION: &[Column] = &[
    NAME,
    shown("Controller", "string", "Whose revision it is."),
    shown("Revision", "integer", "Its number."),
    AGE,
];

/// Cells of a deployment.
pub fn deployment(object: &Value, now: Timestamp) -> Vec<Value> {
    let ready = format!("{}/{}", number(object, "/status/readyReplicas"), number(object, "/spec/replicas"));
    let mut cells = vec![
        name(object),
        json!(ready),
        json!(number(object, "/status/updatedReplicas")),
        json!(number(object, "/status/availableReplicas")),
        age(object, now),
    ];
    cells.extend(template_at(object, "/spec"));
    cells
}

/// Cells of a replica set.
pub fn replica_set(object: &Value, now: Timestamp) -> Vec<Value> {
    let mut cells = vec![
        name(object),
        json!(number(object, "/spec/replicas")),
        json!(number(object, "/status/replicas")),
        json!(number(object, "/status/readyReplicas")),
        age(object, now),
    ];
    cells.extend(template_at(object, "/spec"));
    cells
}

/// Cells of a stateful set.
pub fn stateful_set(object: &Value, now: Timestamp) -> Vec<Value> {
    let ready = format!("{}/{}", number(object, "/status/readyReplicas"), number(object, "/spec/replicas"));
    let [containers, images, _] = template_at(object, "/spec");
    vec![name(object), json!(ready), age(object, now), containers, images]
}

/// Cells of a daemon set.
pub fn daemon_set(object: &Value, now: Timestamp) -> Vec<Value> {
    let count = |field: &str| json!(number(object, &format!("/status/{field}")));
    let nodes = entries(object, "/spec/template/spec/nodeSelector")
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    let nodes: Vec<String> = nodes.collect();
    let mut cells = vec![
        name(object),
        count("desiredNumberScheduled"),
        count("currentNumberScheduled"),
        count("numberReady"),
        count("updatedNumberScheduled"),
        count("numberAvailable"),
        json!(or_none(&nodes.join(","))),
        age(object, now),
    ];
    cells.extend(template_at(object, "/spec"));
    cells
}

/// Cells of a controller revision.
pub fn controller_revision(object: &Value, now: Timestamp) -> Vec<Value> {
    let owners = items(object, "/metadata/ownerReferences");
    let controller = owners.iter().find(|owner| flag(owner, "/controller")).map(|owner| {
        let group = text(owner, "/apiVersion").split_once('/').map(|(group, _)| format!(".{group}"));
        let kind = text(owner, "/kind").to_lowercase();
        format!("{kind}{}/{}", group.unwrap_or_default(), text(owner, "/name"))
    });
    let controller = controller.unwrap_or_default();
    vec![name(object), json!(or_none(&controller)), json!(number(object, "/revision")), age(object, now)]
}

fn number(object: &Value, pointer: &str) -> i64 {
    int(object, pointer).unwrap_or(0)
}

/// Containers, images and selector of the workload whose spec is at `pointer`.
pub(super) fn template_at(object: &Value, pointer: &str) -> [Value; 3] {
    let spec = object.pointer(pointer).unwrap_or(&Value::Null);
    let [names, images] = layout(items(spec, "/template/spec/containers"));
    [json!(names), json!(images), json!(selector(spec.get("selector")))]
}

/// The names and the images of containers.
pub(super) fn layout(containers: &[Value]) -> [String; 2] {
    ["/name", "/image"]
        .map(|key| containers.iter().map(|container| text(container, key)).collect::<Vec<_>>().join(","))
}

/// A label selector, or the plain map of a replication controller, as a query string.
pub(super) fn selector(selector: Option<&Value>) -> String {
    let selector = selector.unwrap_or(&Value::Null);
    let plain = selector.as_object().is_some_and(|map| map.values().all(Value::is_string));
    let equal = entries(selector, if plain { "" } else { "/matchLabels" })
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    let mut terms: Vec<String> = equal.collect();
    for expression in items(selector, "/matchExpressions") {
        let key = text(expression, "/key");
        let values: Vec<&str> = items(expression, "/values").iter().filter_map(Value::as_str).collect();
        terms.push(match text(expression, "/operator") {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    terms.sort();
    or_none(&terms.join(",")).to_owned()
}
