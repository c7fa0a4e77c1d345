//! Rules of quotas, limits, priorities, runtimes and pod templates.

use std::collections::HashSet;

use serde_json::Value;

use super::format::{dns_label, qualified_name};
use super::resources::amount_of;
use super::{Errors, meta, pod};
use crate::json::{entries, int, items, text};
use crate::kinds::FieldError;
use crate::quantity::Quantity;

/// The highest priority that users can give.
const HIGHEST_PRIORITY: i64 = 1_000_000_000;
/// What a quota can be about without naming a group.
const QUOTA_RESOURCES: [&str; 16] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
];
const MORE_QUOTA_RESOURCES: [&str; 3] = ["configmaps", "services.nodeports", "services.loadbalancers"];
const SCOPES: [&str; 7] = [
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
];

/// Checks a pod template.
pub fn pod_template(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    let template = object.get("template").unwrap_or(&Value::Null);
    meta::labels(&mut errors, template, "/metadata/labels", "template.labels");
    pod::spec(&mut errors, template.get("spec").unwrap_or(&Value::Null), "template.spec");
    errors.0
}

/// Checks a resource quota.
pub fn resource_quota(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    for (resource, amount) in entries(object, "/spec/hard") {
        let path = format!("spec.hard[{resource}]");
        quota_resource(&mut errors, &path, resource);
        let amount = amount.as_str().unwrap_or_default();
        amount_of(&mut errors, &path, amount);
        let counted = !["cpu", "memory", "storage"].iter().any(|measured| resource.ends_with(measured));
        if counted && Quantity::parse(amount).is_some_and(|amount| amount.milli % 1000 != 0) {
            errors.invalid(path, amount, "must be an integer");
        }
    }
    let scopes = items(object, "/spec/scopes");
    let mut seen = HashSet::new();
    for scope in scopes.iter().filter_map(Value::as_str) {
        if !SCOPES.contains(&scope) {
            errors.invalid("spec.scopes", Value::Array(scopes.to_vec()), "unsupported scope");
        } else if !seen.insert(scope) {
            errors.duplicate("spec.scopes", scope);
        }
    }
    if let Some(old) = old {
        errors.immutable("spec.scopes", object.pointer("/spec/scopes"), old.pointer("/spec/scopes"));
    }
    errors.0
}

fn quota_resource(errors: &mut Errors, path: &str, resource: &str) {
    let violations = qualified_name(resource);
    let well_formed = violations.is_empty();
    errors.format(path, resource, violations);
    let standard = QUOTA_RESOURCES.contains(&resource)
        || MORE_QUOTA_RESOURCES.contains(&resource)
        || resource.contains('/')
        || ["hugepages-", "requests.hugepages-"].iter().any(|prefix| resource.starts_with(prefix));
    if well_formed && !standard {
        errors.invalid(path, resource, "must be a standard resource type or fully qualified");
        errors.invalid(path, resource, "must be a standard resource for quota");
    }
}

/// Checks a limit range.
pub fn limit_range(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    let mut kinds = HashSet::new();
    for (index, item) in items(object, "/spec/limits").iter().enumerate() {
        let path = format!("spec.limits[{index}]");
        let kind = text(item, "/type");
        let known = matches!(kind, "Pod" | "Container" | "PersistentVolumeClaim");
        if !known && !kind.contains('/') {
            errors.invalid(format!("{path}.type"), kind, "must be a standard limit type or fully qualified");
        }
        if !kinds.insert(kind) {
            errors.duplicate(format!("{path}.type"), kind);
        }
        limits_of_kind(&mut errors, item, kind, &path);
        amounts(&mut errors, item, &path);
    }
    errors.0
}

fn limits_of_kind(errors: &mut Errors, item: &Value, kind: &str, path: &str) {
    let there = |key: &str| entries(item, &format!("/{key}")).next().is_some();
    if kind == "Pod" {
        for key in ["default", "defaultRequest"].into_iter().filter(|key| there(key)) {
            errors.forbidden(format!("{path}.{key}"), "may not be specified when `type` is 'Pod'");
        }
    }
    let storage = |key: &str| item.get(key).and_then(|amounts| amounts.get("storage")).is_some();
    if kind == "PersistentVolumeClaim" && !storage("min") && !storage("max") {
        let detail = "either minimum or maximum storage value is required, but neither was provided";
        errors.required(path, detail);
    }
}

/// Amounts are no amounts if they contradict each other.
fn amounts(errors: &mut Errors, item: &Value, path: &str) {
    // What the second is called, and what may not be less than what.
    const ORDERED: [(&str, &str, &str); 6] = [
        ("min", "max", "min value {} is greater than max value {}"),
        ("min", "defaultRequest", "min value {} is greater than default request value {}"),
        ("defaultRequest", "max", "default request value {} is greater than max value {}"),
        ("defaultRequest", "default", "default request value {} is greater than default limit value {}"),
        ("min", "default", "min value {} is greater than default value {}"),
        ("default", "max", "default value {} is greater than max value {}"),
    ];
    for key in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
        for (resource, amount) in entries(item, &format!("/{key}")) {
            amount_of(errors, &format!("{path}.{key}[{resource}]"), amount.as_str().unwrap_or_default());
        }
    }
    for (less, more, words) in ORDERED {
        for (resource, amount) in entries(item, &format!("/{less}")) {
            let other = item.get(more).and_then(|amounts| amounts.get(resource)).and_then(Value::as_str);
            let (amount, other) = (amount.as_str().unwrap_or_default(), other.unwrap_or_default());
            if let (Some(small), Some(large)) = (Quantity::parse(amount), Quantity::parse(other))
                && small > large
            {
                let at = if less == "min" && more != "max" { more } else { less };
                let at_value = if at == less { amount } else { other };
                let detail = words.replacen("{}", amount, 1).replacen("{}", other, 1);
                errors.invalid(format!("{path}.{at}[{resource}]"), at_value, &detail);
            }
        }
    }
    for (resource, ratio) in entries(item, "/maxLimitRequestRatio") {
        let ratio = ratio.as_str().unwrap_or_default();
        if Quantity::parse(ratio).is_some_and(|ratio| ratio < Quantity::units(1)) {
            let detail = format!("ratio {ratio} is less than 1");
            errors.invalid(format!("{path}.maxLimitRequestRatio[{resource}]"), ratio, &detail);
        }
    }
}

/// Checks a priority class.
pub fn priority_class(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    let (name, value) = (text(object, "/metadata/name"), int(object, "/value").unwrap_or(0));
    match name.starts_with("system-") {
        true if crate::admission::system_priority(name) != Some(value) => {
            let why = match crate::admission::system_priority(name) {
                Some(own) => format!("value of {name} PriorityClass must be {own}"),
                None => format!("{name} is not a known system priority class"),
            };
            let detail = format!(
                "priority class names with 'system-' prefix are reserved for system use only. error: {why}"
            );
            errors.forbidden("metadata.name", &detail);
        }
        false if value > HIGHEST_PRIORITY => {
            let detail = format!("maximum allowed value of a user defined priority is {HIGHEST_PRIORITY}");
            errors.forbidden("value", &detail);
        }
        true | false => {}
    }
    let policies = ["PreemptLowerPriority", "Never"];
    errors.one_of("preemptionPolicy".into(), text(object, "/preemptionPolicy"), &policies, false);
    if let Some(old) = old {
        if value != int(old, "/value").unwrap_or(0) {
            errors.forbidden("value", "may not be changed in an update.");
        }
        let policy = "preemptionPolicy";
        errors.immutable(policy, object.get(policy), old.get(policy));
    }
    errors.0
}

/// Checks a runtime class.
pub fn runtime_class(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    let handler = text(object, "/handler");
    errors.format("handler", handler, dns_label(handler));
    if let Some(old) = old {
        errors.immutable("handler", object.get("handler"), old.get("handler"));
    }
    errors.0
}
