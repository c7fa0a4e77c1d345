//! What a registration makes of a Node object: the agent's own facts are taken over, the user's wishes stay.

use api::{ObjectKey, Timestamp, Uid};
use bus::Stored;
use serde_json::{Map, Value, json};

/// The lease epoch, kept where a keeper that takes over finds it.
pub const EPOCH: &str = "odeon.dev/lease-epoch";

/// The epoch that a Node object carries; 0 if none.
pub fn epoch_of(node: &Stored) -> u64 {
    node.metadata.annotations.get(EPOCH).and_then(|epoch| epoch.parse().ok()).unwrap_or(0)
}

/// The Node object to write. `offered` is the agent's; `existing` the stored one.
pub fn registered(
    existing: Option<&Value>,
    offered: Value,
    key: &ObjectKey,
    epoch: u64,
    uid: &Uid,
    now: Timestamp,
) -> Value {
    let labels = labels(&offered, &key.name);
    let mut node = match existing {
        Some(existing) => refreshed(existing.clone(), &offered),
        None => created(offered, key, uid, now),
    };
    edit(&mut node, &["metadata", "labels"], |own| own.extend(labels));
    edit(&mut node, &["metadata", "annotations"], |own| {
        own.insert(EPOCH.to_owned(), json!(epoch.to_string()));
    });
    node
}

fn created(mut offered: Value, key: &ObjectKey, uid: &Uid, now: Timestamp) -> Value {
    edit(&mut offered, &[], |object| {
        object.insert("apiVersion".to_owned(), json!("v1"));
        object.insert("kind".to_owned(), json!("Node"));
    });
    edit(&mut offered, &["spec"], |_| {});
    edit(&mut offered, &["metadata"], |metadata| {
        metadata.insert("name".to_owned(), json!(key.name));
    });
    if let Some(kind) = api::kinds::kind(key.resource) {
        api::lifecycle::prepare_create(&mut offered, kind, "", uid, now);
    }
    edit(&mut offered, &["status"], |status| {
        let conditions = others(status.get("conditions"));
        status.insert("conditions".to_owned(), Value::Array(conditions));
    });
    offered
}

/// The stored node with the agent's status; whether it is Ready is the keeper's to say.
fn refreshed(mut node: Value, offered: &Value) -> Value {
    let ready = items(node.pointer("/status/conditions")).into_iter().filter(is_ready);
    let conditions: Vec<Value> =
        others(offered.pointer("/status/conditions")).into_iter().chain(ready).collect();
    let mut status = offered.get("status").cloned().unwrap_or_default();
    edit(&mut status, &[], |status| {
        status.insert("conditions".to_owned(), Value::Array(conditions));
    });
    let annotations = offered.pointer("/metadata/annotations").and_then(Value::as_object).cloned();
    edit(&mut node, &["metadata", "annotations"], |own| own.extend(annotations.unwrap_or_default()));
    edit(&mut node, &["metadata"], |metadata| {
        metadata.remove("resourceVersion");
    });
    edit(&mut node, &[], |node| {
        node.insert("status".to_owned(), status);
    });
    let range = offered.pointer("/spec/podCIDR").cloned();
    edit(&mut node, &["spec"], |spec| {
        if let Some(range) = range {
            spec.entry("podCIDR").or_insert(range);
        }
    });
    node
}

/// The labels that every node has, and the agent's own.
fn labels(offered: &Value, name: &str) -> Map<String, Value> {
    let info = |field: &str| offered.pointer(&format!("/status/nodeInfo/{field}")).cloned();
    let mut labels = Map::new();
    labels.insert("kubernetes.io/hostname".to_owned(), json!(name));
    let system = info("operatingSystem").unwrap_or_else(|| json!("linux"));
    labels.insert("kubernetes.io/os".to_owned(), system);
    if let Some(architecture) = info("architecture") {
        labels.insert("kubernetes.io/arch".to_owned(), architecture);
    }
    labels
        .extend(offered.pointer("/metadata/labels").and_then(Value::as_object).cloned().unwrap_or_default());
    labels
}

fn others(conditions: Option<&Value>) -> Vec<Value> {
    items(conditions).into_iter().filter(|condition| !is_ready(condition)).collect()
}

fn items(list: Option<&Value>) -> Vec<Value> {
    list.and_then(Value::as_array).cloned().unwrap_or_default()
}

fn is_ready(condition: &Value) -> bool {
    condition.get("type").and_then(Value::as_str) == Some("Ready")
}

/// Changes the object at a path; whatever stands in the way becomes an object.
fn edit(value: &mut Value, path: &[&str], change: impl FnOnce(&mut Map<String, Value>)) {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Some(map) = value.as_object_mut() else { return };
    match path {
        [] => change(map),
        [field, rest @ ..] => edit(map.entry((*field).to_owned()).or_insert(Value::Null), rest, change),
    }
}
