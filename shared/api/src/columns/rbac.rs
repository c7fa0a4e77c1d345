//! Roles and bindings as `kubectl get` shows them.

use serde_json::{Value, json};

use super::{AGE, NAME, age, name, shown, wide};
use crate::Timestamp;
use crate::json::{items, text};
use crate::kinds::Column;

/// Columns of roles and cluster roles.
pub const ROLE: &[Column] = &[NAME, shown("Created At", "date", "When it was created.")];
/// Columns of both kinds of bindings.
pub const BINDING: &[Column] = &[
    NAME,
    shown("Role", "string", "The role that it gives."),
    AGE,
    wide("Users", "string", "Users that have the role."),
    wide("Groups", "string", "Groups that have the role."),
    wide("ServiceAccounts", "string", "Service accounts that have the role."),
];

/// Cells of a role or a cluster role.
pub fn role(object: &Value, _now: Timestamp) -> Vec<Value> {
    vec![name(object), json!(text(object, "/metadata/creationTimestamp"))]
}

/// Cells of a binding.
pub fn binding(object: &Value, now: Timestamp) -> Vec<Value> {
    let subjects = |kind: &str, show: fn(&Value) -> String| {
        let chosen = items(object, "/subjects").iter().filter(|subject| text(subject, "/kind") == kind);
        json!(chosen.map(show).collect::<Vec<_>>().join(", "))
    };
    let named = |subject: &Value| text(subject, "/name").to_owned();
    vec![
        name(object),
        json!(format!("{}/{}", text(object, "/roleRef/kind"), text(object, "/roleRef/name"))),
        age(object, now),
        subjects("User", named),
        subjects("Group", named),
        subjects("ServiceAccount", |subject| {
            format!("{}/{}", text(subject, "/namespace"), text(subject, "/name"))
        }),
    ]
}
