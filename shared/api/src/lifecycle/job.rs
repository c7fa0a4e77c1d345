//! A job's selector and its pods' labels, made from its uid: no two jobs share a pod.

use serde_json::{Map, Value, json};

use crate::json::{child, flag, text};
use crate::{Uid, merge_patch};

/// The label that alone makes the selector.
const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";

/// Labels the pods of a new job, and selects them, unless its maker wants to do that by hand. A job without labels has those of its
/// pods.
pub(super) fn tell_apart(object: &mut Value, uid: &Uid) {
    if !flag(object, "/spec/manualSelector") {
        let name = text(object, "/metadata/name").to_owned();
        let own = [
            (CONTROLLER_UID, uid.as_str()),
            ("controller-uid", uid.as_str()),
            ("batch.kubernetes.io/job-name", &name),
            ("job-name", &name),
        ];
        let labels: Map<String, Value> =
            own.into_iter().map(|(key, value)| (key.to_owned(), json!(value))).collect();
        let wanted = json!({"spec": {
            "selector": {"matchLabels": {CONTROLLER_UID: uid}},
            "template": {"metadata": {"labels": labels}},
        }});
        merge_patch::apply(object, &wanted);
    }
    let labels = object.pointer("/spec/template/metadata/labels").cloned();
    let has_none = object.pointer("/metadata/labels").and_then(Value::as_object).is_none_or(Map::is_empty);
    if let (Some(labels), true) = (labels, has_none)
        && let Some(metadata) = child(object, "metadata")
    {
        metadata.insert("labels".into(), labels);
    }
}
