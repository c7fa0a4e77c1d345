//! Deployments and replica sets as `kubectl get` shows them.

use serde_json::{Value, json};

use super::{AGE, NAME, age, name, or_none, shown, wide};
use crate::Timestamp;
use crate::json::{entries, int, items, text};
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
    cells.extend(template(object));
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
    cells.extend(template(object));
    cells
}

fn number(object: &Value, pointer: &str) -> i64 {
    int(object, pointer).unwrap_or(0)
}

fn template(object: &Value) -> [Value; 3] {
    let containers = items(object, "/spec/template/spec/containers");
    let joined =
        |key: &str| containers.iter().map(|container| text(container, key)).collect::<Vec<_>>().join(",");
    [json!(joined("/name")), json!(joined("/image")), json!(selector(object.pointer("/spec/selector")))]
}

/// A label selector as a query string.
fn selector(selector: Option<&Value>) -> String {
    let selector = selector.unwrap_or(&Value::Null);
    let equal = entries(selector, "/matchLabels")
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
