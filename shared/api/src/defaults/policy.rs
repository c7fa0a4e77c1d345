//! Defaults of limits, priorities, network policies and ingress classes.

use serde_json::{Map, Value, json};

use super::{each, each_in, existing, set_nonzero};
use crate::json::{child, set_default};

/// What a container may have at most is what it gets, and what it gets is what it asks for, unless said otherwise.
pub fn limit_range(object: &mut Value) {
    for item in each(object, "/spec/limits") {
        if item.get("type").and_then(Value::as_str) != Some("Container") {
            continue;
        }
        fill_from(item, "default", "max");
        fill_from(item, "defaultRequest", "default");
        fill_from(item, "defaultRequest", "min");
    }
}

fn fill_from(item: &mut Map<String, Value>, list: &str, source: &str) {
    let Some(amounts) = item.get(source).and_then(Value::as_object).cloned() else { return };
    let slot = item.entry(list).or_insert_with(|| json!({}));
    if let Some(slot) = slot.as_object_mut() {
        for (resource, amount) in amounts {
            slot.entry(resource).or_insert(amount);
        }
    }
}

/// Its pods drive others away.
pub fn priority_class(object: &mut Value) {
    if let Some(class) = object.as_object_mut() {
        set_default(class, "preemptionPolicy", "PreemptLowerPriority");
    }
}

/// Ingress always, egress if there are rules about it; ports speak TCP.
pub fn network_policy(object: &mut Value) {
    let Some(spec) = child(object, "spec") else { return };
    // The selector of all pods is no absence.
    set_default(spec, "podSelector", json!({}));
    for direction in ["ingress", "egress"] {
        for rule in each_in(spec, direction) {
            each_in(rule, "ports").for_each(|port| set_default(port, "protocol", "TCP"));
        }
    }
    let listed = |spec: &Map<String, Value>, key: &str| {
        spec.get(key).and_then(Value::as_array).is_some_and(|list| !list.is_empty())
    };
    if !listed(spec, "policyTypes") {
        let types = if listed(spec, "egress") { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
        spec.insert("policyTypes".into(), types);
    }
}

/// Parameters are cluster-scoped.
pub fn ingress_class(object: &mut Value) {
    if let Some(parameters) = child(object, "spec").and_then(|spec| existing(spec, "parameters")) {
        set_nonzero(parameters, "scope", "Cluster");
    }
}
