//! Defaults of role bindings.

use serde_json::Value;

use super::{each, existing, set_nonzero};
use crate::rbac::GROUP;

/// Roles, users and groups are of RBAC's own API group.
pub fn binding(object: &mut Value) {
    if let Some(reference) = object.as_object_mut().and_then(|object| existing(object, "roleRef")) {
        set_nonzero(reference, "apiGroup", GROUP);
    }
    for subject in each(object, "/subjects") {
        if matches!(subject.get("kind").and_then(Value::as_str), Some("User" | "Group")) {
            set_nonzero(subject, "apiGroup", GROUP);
        }
    }
}
