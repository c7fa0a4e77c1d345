//! What an event shows even if nobody set it.

use serde_json::{Value, json};

use crate::json::set_default;

/// Fills in what Go writes of an event although it is empty.
pub fn event(object: &mut Value) {
    let Some(fields) = object.as_object_mut() else { return };
    set_default(fields, "involvedObject", json!({}));
    set_default(fields, "source", json!({}));
    for key in ["reportingComponent", "reportingInstance"] {
        set_default(fields, key, "");
    }
    for key in ["firstTimestamp", "lastTimestamp", "eventTime"] {
        fields.entry(key).or_insert(Value::Null);
    }
}
