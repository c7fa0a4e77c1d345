//! Rules of quotas, priorities, runtimes and pod templates.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Value, json};

use super::format::dns_label;
use super::resources::{self, Asker, name, value};
use super::{Errors, affinity, meta, pod};
use crate::json::{entries, given, int, items, text};
use crate::kinds::FieldError;

/// The highest priority that users can give.
const HIGHEST_PRIORITY: i64 = 1_000_000_000;
/// What a quota can be about without naming a group, besides huge pages.
const QUOTA_RESOURCES: [&str; 19] = [
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
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
];
/// What pods without requests can be counted as, and what is counted of claims.
const OF_BEST_EFFORT: [&str; 1] = ["pods"];
const OF_PODS: [&str; 7] =
    ["pods", "cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];
const OF_CLAIMS: [&str; 2] = ["persistentvolumeclaims", "requests.storage"];
const SCOPES: [&str; 7] = [
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
];
/// Scopes that exclude each other.
const CONFLICTS: [[&str; 2]; 2] = [["BestEffort", "NotBestEffort"], ["Terminating", "NotTerminating"]];

/// Checks a pod template.
pub fn pod_template(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    let template = object.get("template").unwrap_or(&Value::Null);
    pod::template(&mut errors, template, "template");
    errors.0
}

/// Checks a resource quota.
pub fn resource_quota(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    quota_amounts(&mut errors, object.get("spec").unwrap_or(&Value::Null), "spec", "hard");
    scopes(&mut errors, object);
    scope_selector(&mut errors, object);
    if let Some(old) = old {
        let set = |quota: &Value| -> BTreeSet<String> {
            items(quota, "/spec/scopes").iter().map(Value::to_string).collect()
        };
        if set(object) != set(old) {
            let scopes = object.pointer("/spec/scopes").cloned().unwrap_or_default();
            errors.invalid("spec.scopes", scopes, "field is immutable");
        }
    }
    errors.0
}

/// Checks a list of what a quota limits or counts.
pub(super) fn quota_amounts(errors: &mut Errors, part: &Value, base: &str, list: &str) {
    for (resource, amount) in entries(part, &format!("/{list}")) {
        let path = format!("{base}.{list}[{resource}]");
        let huge = ["hugepages-", "requests.hugepages-"].iter().any(|prefix| resource.starts_with(prefix));
        name(errors, &path, resource);
        if !resource.contains('/') && !huge && !QUOTA_RESOURCES.contains(&resource) {
            errors.invalid(path.as_str(), resource, "must be a standard resource for quota");
        }
        value(errors, &path, resource, amount.as_str().unwrap_or_default());
    }
}

/// A scope that what is counted does not have.
fn is_beside_the_point(quota: &Value, scope: &str) -> usize {
    let fits = |resource: &str| match scope {
        "BestEffort" => OF_BEST_EFFORT.contains(&resource),
        "VolumeAttributesClass" => OF_CLAIMS.contains(&resource),
        "CrossNamespacePodAffinity"
        | "NotBestEffort"
        | "NotTerminating"
        | "PriorityClass"
        | "Terminating" => OF_PODS.contains(&resource),
        _ => true,
    };
    let counted = entries(quota, "/spec/hard").map(|(resource, _)| resource);
    counted.filter(|resource| QUOTA_RESOURCES.contains(resource) && !fits(resource)).count()
}

fn scopes(errors: &mut Errors, object: &Value) {
    let path = "spec.scopes";
    let scopes = items(object, "/spec/scopes");
    let mut refuse = |why: &str| errors.invalid(path, scopes.to_vec(), why);
    for scope in scopes.iter().filter_map(Value::as_str) {
        if !SCOPES.contains(&scope) {
            refuse("unsupported scope");
        }
        (0..is_beside_the_point(object, scope)).for_each(|_| refuse("unsupported scope applied to resource"));
    }
    for pair in CONFLICTS {
        if pair.iter().all(|one| scopes.iter().any(|scope| scope == one)) {
            refuse("conflicting scopes");
        }
    }
}

fn scope_selector(errors: &mut Errors, object: &Value) {
    let path = "spec.scopeSelector.matchExpressions";
    let expressions = items(object, "/spec/scopeSelector/matchExpressions");
    for expression in expressions {
        let (scope, operator) = (text(expression, "/scopeName"), text(expression, "/operator"));
        if !SCOPES.contains(&scope) {
            errors.invalid(format!("{path}.scopeName"), scope, "unsupported scope");
        }
        let shown = object.pointer("/spec/scopeSelector").cloned().unwrap_or_default();
        for _ in 0..is_beside_the_point(object, scope) {
            errors.invalid(path, shown.clone(), "unsupported scope applied to resource");
        }
        let classed = matches!(scope, "PriorityClass" | "VolumeAttributesClass");
        if !classed && SCOPES.contains(&scope) && operator != "Exists" {
            let detail = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
            errors.invalid(format!("{path}.operator"), operator, detail);
        }
        let values = items(expression, "/values");
        match operator {
            "In" | "NotIn" if values.is_empty() => {
                let detail =
                    "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
                errors.required(format!("{path}.values"), detail);
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let detail =
                    "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
                errors.invalid(format!("{path}.values"), values.to_vec(), detail);
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => errors.invalid(format!("{path}.operator"), other, "not a valid selector operator"),
        }
    }
    for pair in CONFLICTS {
        if pair.iter().all(|one| expressions.iter().any(|expression| text(expression, "/scopeName") == *one))
        {
            errors.invalid("spec.scopes", items(object, "/spec/scopes").to_vec(), "conflicting scopes");
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
    meta::loose(&mut errors, object, old);
    if let Some(old) = old {
        errors.immutable("handler", object.get("handler"), old.get("handler"));
        return errors.0;
    }
    let handler = text(object, "/handler");
    errors.format("handler", handler, dns_label(handler));
    if let Some(amounts) = given(object, "/overhead/podFixed") {
        resources::amounts(&mut errors, &json!({"limits": amounts}), "overhead", Asker::Container);
    }
    if let Some(scheduling) = given(object, "/scheduling") {
        meta::labels(&mut errors, scheduling, "/nodeSelector", "scheduling.nodeSelector");
        affinity::tolerations(&mut errors, scheduling, "scheduling");
        let mut seen = HashSet::new();
        for (index, toleration) in items(scheduling, "/tolerations").iter().enumerate() {
            if !seen.insert(["key", "operator", "value", "effect"].map(|key| toleration.get(key))) {
                errors.duplicate(format!("scheduling.tolerations[{index}]"), toleration.clone());
            }
        }
    }
    errors.0
}
