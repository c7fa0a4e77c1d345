//! Defaults of namespaces, nodes and configuration.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::set_nonzero;
use crate::json::{child, set_default};

/// Nothing to fill in.
pub fn none(_: &mut Value) {}

/// The finalizer that keeps a namespace until its contents are gone, and the label that selectors know it by.
pub fn namespace(object: &mut Value) {
    let deleted = object.pointer("/metadata/deletionTimestamp").is_some();
    if !deleted && let Some(spec) = child(object, "spec") {
        set_default(spec, "finalizers", json!(["kubernetes"]));
    }
    namespace_label(object);
}

/// `kubernetes.io/metadata.name` is always the namespace's name.
pub fn namespace_label(object: &mut Value) {
    let name = crate::json::text(object, "/metadata/name").to_owned();
    if name.is_empty() {
        return;
    }
    if let Some(metadata) = object.get_mut("metadata")
        && let Some(labels) = child(metadata, "labels")
    {
        labels.insert("kubernetes.io/metadata.name".into(), json!(name));
    }
}

/// What a node has is what pods may use, unless it says otherwise.
pub fn node(object: &mut Value) {
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut)
        && let Some(capacity) = status.get("capacity").cloned()
    {
        set_default(status, "allocatable", capacity);
    }
}

/// Opaque, with `stringData` encoded into `data`.
pub fn secret(object: &mut Value) {
    let Some(secret) = object.as_object_mut() else { return };
    set_nonzero(secret, "type", "Opaque");
    let Some(Value::Object(texts)) = secret.remove("stringData") else { return };
    if let Some(data) = child(object, "data") {
        for (key, text) in texts {
            if let Value::String(text) = text {
                data.insert(key, Value::String(STANDARD.encode(text)));
            }
        }
    }
}
