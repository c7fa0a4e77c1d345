//! Policies and webhooks as `kubectl get` shows them.

use serde_json::{Value, json};

use super::{AGE, NAME, age, name, or, shown};
use crate::Timestamp;
use crate::json::{items, text};
use crate::kinds::Column;

/// Columns of webhook configurations.
pub const WEBHOOK_CONFIGURATION: &[Column] =
    &[NAME, shown("Webhooks", "integer", "How many webhooks it has."), AGE];
/// Columns of admission policies.
pub const ADMISSION_POLICY: &[Column] = &[
    NAME,
    shown("Validations", "integer", "How many things it asks for."),
    shown("ParamKind", "string", "What its parameters are."),
    AGE,
];
/// Columns of policies that change objects.
pub const MUTATING_POLICY: &[Column] = &[
    NAME,
    shown("Mutations", "integer", "How many changes it makes."),
    shown("ParamKind", "string", "What its parameters are."),
    AGE,
];
/// Columns of bindings of admission policies.
pub const ADMISSION_POLICY_BINDING: &[Column] = &[
    NAME,
    shown("PolicyName", "string", "The policy that it puts in force."),
    shown("ParamRef", "string", "The parameters that the policy has."),
    AGE,
];

/// Cells of a webhook configuration.
pub fn webhook_configuration(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), json!(items(object, "/webhooks").len()), age(object, now)]
}

/// Cells of an admission policy.
pub fn admission_policy(object: &Value, now: Timestamp) -> Vec<Value> {
    policy(object, "/spec/validations", now)
}

/// Cells of a policy that changes objects.
pub fn mutating_policy(object: &Value, now: Timestamp) -> Vec<Value> {
    policy(object, "/spec/mutations", now)
}

fn policy(object: &Value, parts: &str, now: Timestamp) -> Vec<Value> {
    let (version, kind) = (text(object, "/spec/paramKind/apiVersion"), text(object, "/spec/paramKind/kind"));
    let params = if kind.is_empty() { "<unset>".to_owned() } else { format!("{version}/{kind}") };
    vec![name(object), json!(items(object, parts).len()), json!(params), age(object, now)]
}

/// Cells of a binding of an admission policy.
pub fn admission_policy_binding(object: &Value, now: Timestamp) -> Vec<Value> {
    let place = text(object, "/spec/paramRef/namespace");
    let params = match (place, text(object, "/spec/paramRef/name")) {
        (_, "") if object.pointer("/spec/paramRef/selector").is_some() => "*".to_owned(),
        (_, "") => String::new(),
        ("", name) => name.to_owned(),
        (place, name) => format!("{place}/{name}"),
    };
    vec![
        name(object),
        json!(text(object, "/spec/policyName")),
        json!(or("<unset>", &params)),
        age(object, now),
    ]
}
