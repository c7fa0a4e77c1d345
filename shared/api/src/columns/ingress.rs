//! Ingresses and network policies as `kubectl get` shows them.

use serde_json::{Value, json};

use super::workload::selector;
use super::{AGE, NAME, age, name, or_none, shown};
use crate::Timestamp;
use crate::json::{items, text};
use crate::kinds::Column;

/// More hosts than these are only counted.
const MOST_HOSTS: usize = 3;

/// Columns of ingresses.
pub const INGRESS: &[Column] = &[
    NAME,
    shown("Class", "string", "The class that says who serves it."),
    shown("Hosts", "string", "The hosts that its rules are about."),
    shown("Address", "string", "Where it is served."),
    shown("Ports", "string", "The ports that it opens."),
    AGE,
];
/// Columns of ingress classes.
pub const INGRESS_CLASS: &[Column] = &[
    NAME,
    shown("Controller", "string", "Who serves ingresses of this class."),
    shown("Parameters", "string", "An object with more configuration."),
    AGE,
];
/// Columns of network policies.
pub const NETWORK_POLICY: &[Column] =
    &[NAME, shown("Pod-Selector", "string", "The pods that it is about."), AGE];

/// Cells of an ingress.
pub fn ingress(ingress: &Value, now: Timestamp) -> Vec<Value> {
    let mut addresses: Vec<&str> = items(ingress, "/status/loadBalancer/ingress")
        .iter()
        .filter_map(|point| {
            [text(point, "/ip"), text(point, "/hostname")].into_iter().find(|text| !text.is_empty())
        })
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    vec![
        name(ingress),
        json!(or_none(text(ingress, "/spec/ingressClassName"))),
        json!(hosts(items(ingress, "/spec/rules"))),
        json!(addresses.join(",")),
        json!(if items(ingress, "/spec/tls").is_empty() { "80" } else { "80, 443" }),
        age(ingress, now),
    ]
}

fn hosts(rules: &[Value]) -> String {
    let all = rules.iter().map(|rule| text(rule, "/host")).filter(|host| !host.is_empty());
    let first: Vec<&str> = all.take(MOST_HOSTS).collect();
    match (first.is_empty(), rules.len().saturating_sub(MOST_HOSTS)) {
        (true, _) => "*".into(),
        (false, 0) => first.join(","),
        (false, more) => format!("{} + {more} more...", first.join(",")),
    }
}

/// Cells of an ingress class.
pub fn ingress_class(class: &Value, now: Timestamp) -> Vec<Value> {
    let parameters = class.pointer("/spec/parameters").map(|parameters| {
        let (group, kind) = (text(parameters, "/apiGroup"), text(parameters, "/kind"));
        let kind = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        format!("{kind}/{}", text(parameters, "/name"))
    });
    vec![
        name(class),
        json!(text(class, "/spec/controller")),
        json!(or_none(&parameters.unwrap_or_default())),
        age(class, now),
    ]
}

/// Cells of a network policy.
pub fn network_policy(policy: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(policy), json!(selector(policy.pointer("/spec/podSelector"))), age(policy, now)]
}
