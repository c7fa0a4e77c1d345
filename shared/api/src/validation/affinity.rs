//! Rules of what steers scheduling: tolerations, affinity, spreading.

use serde_json::{Value, json};

use super::format::{dns_label, dns_subdomain, label_value, qualified_name};
use super::{Errors, meta};
use crate::json::{entries, given, int, items, text};

const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// Checks the tolerations of a pod spec, or of what is added to one.
pub(super) fn tolerations(errors: &mut Errors, spec: &Value, path: &str) {
    for (index, toleration) in items(spec, "/tolerations").iter().enumerate() {
        let path = format!("{path}.tolerations[{index}]");
        let (key, operator, value, effect) = (
            text(toleration, "/key"),
            text(toleration, "/operator"),
            text(toleration, "/value"),
            text(toleration, "/effect"),
        );
        if !key.is_empty() {
            errors.format(&format!("{path}.key"), key, qualified_name(key));
        } else if operator != "Exists" {
            let detail =
                "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.invalid(format!("{path}.operator"), operator, detail);
        }
        if given(toleration, "/tolerationSeconds").is_some() && effect != "NoExecute" {
            let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            errors.invalid(format!("{path}.effect"), effect, detail);
        }
        match operator {
            "Exists" if !value.is_empty() => {
                let detail = "value must be empty when `operator` is 'Exists'";
                errors.invalid(format!("{path}.operator"), value, detail);
            }
            "Equal" | "" => joined(errors, &format!("{path}.operator"), value),
            "Exists" => {}
            other => errors.unsupported(format!("{path}.operator"), other, &["Equal", "Exists"]),
        }
        errors.one_of(format!("{path}.effect"), effect, &EFFECTS, false);
    }
}

/// A label's value, whose violations make one sentence here.
fn joined(errors: &mut Errors, path: &str, value: &str) {
    let violations = label_value(value);
    if !violations.is_empty() {
        errors.invalid(path, value, &violations.join(";"));
    }
}

/// Checks the taints of a node's spec at `path`.
pub(super) fn taints(errors: &mut Errors, spec: &Value, path: &str) {
    let mut seen = std::collections::HashSet::new();
    for (index, taint) in items(spec, "/taints").iter().enumerate() {
        let path = format!("{path}.taints[{index}]");
        let (key, value, effect) = (text(taint, "/key"), text(taint, "/value"), text(taint, "/effect"));
        errors.format(&format!("{path}.key"), key, qualified_name(key));
        joined(errors, &format!("{path}.value"), value);
        errors.one_of(format!("{path}.effect"), effect, &EFFECTS, true);
        if !seen.insert((key, effect)) {
            let own =
                json!({"key": key, "value": value, "effect": effect, "timeAdded": taint.get("timeAdded")});
            let shown = super::errors::spelled(&own, &["key", "value", "effect", "timeAdded"]);
            errors.duplicate_as(path, &format!("{shown}: taints must be unique by key and effect pair"));
        }
    }
}

/// Checks node affinity and pod (anti-)affinity.
pub(super) fn affinity(errors: &mut Errors, spec: &Value, path: &str) {
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
    let Some(affinity) = spec.get("affinity") else { return };
    let path = format!("{path}.affinity");
    if let Some(selector) = given(affinity, &format!("/nodeAffinity/{required}")) {
        node_selector(errors, selector, &format!("{path}.nodeAffinity.{required}"));
    }
    for (index, term) in items(affinity, &format!("/nodeAffinity/{preferred}")).iter().enumerate() {
        let path = format!("{path}.nodeAffinity.{preferred}[{index}]");
        weight(errors, term, &path);
        let preference = term.get("preference").unwrap_or(&Value::Null);
        node_term(errors, preference, &format!("{path}.preference"), false);
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        for (index, term) in items(affinity, &format!("/{kind}/{required}")).iter().enumerate() {
            pod_term(errors, term, &format!("{path}.{kind}.{required}[{index}]"));
        }
        for (index, term) in items(affinity, &format!("/{kind}/{preferred}")).iter().enumerate() {
            let path = format!("{path}.{kind}.{preferred}[{index}]");
            weight(errors, term, &path);
            let term = term.get("podAffinityTerm").unwrap_or(&Value::Null);
            pod_term(errors, term, &format!("{path}.podAffinityTerm"));
        }
    }
}

/// Checks a node selector.
pub(super) fn node_selector(errors: &mut Errors, selector: &Value, path: &str) {
    let path = format!("{path}.nodeSelectorTerms");
    let terms = items(selector, "/nodeSelectorTerms");
    if terms.is_empty() {
        errors.required(path.as_str(), "must have at least one node selector term");
    }
    for (index, term) in terms.iter().enumerate() {
        node_term(errors, term, &format!("{path}[{index}]"), true);
    }
}

fn weight(errors: &mut Errors, term: &Value, path: &str) {
    let weight = int(term, "/weight").unwrap_or(0);
    if !(1..=100).contains(&weight) {
        errors.invalid(format!("{path}.weight"), weight, "must be in the range 1-100");
    }
}

fn pod_term(errors: &mut Errors, term: &Value, path: &str) {
    for key in ["labelSelector", "namespaceSelector"] {
        if let Some(selector) = term.get(key).filter(|selector| !selector.is_null()) {
            meta::selector(errors, selector, &format!("{path}.{key}"));
        }
    }
    for namespace in items(term, "/namespaces").iter().filter_map(Value::as_str) {
        errors.format(&format!("{path}.namespace"), namespace, dns_label(namespace));
    }
    label_keys(errors, term, path);
    let key = text(term, "/topologyKey");
    if key.is_empty() {
        errors.required(format!("{path}.topologyKey"), "can not be empty");
    }
    errors.format(&format!("{path}.topologyKey"), key, qualified_name(key));
}

/// Labels whose values the pod's own become part of the selector.
fn label_keys(errors: &mut Errors, term: &Value, path: &str) {
    let selector = given(term, "/labelSelector");
    let keys = |list: &str| items(term, list).iter().filter_map(Value::as_str).enumerate();
    for list in ["matchLabelKeys", "mismatchLabelKeys"] {
        let path = format!("{path}.{list}");
        if selector.is_none() && keys(&format!("/{list}")).next().is_some() {
            errors.forbidden(path, "must not be specified when labelSelector is not set");
            continue;
        }
        for (index, key) in keys(&format!("/{list}")) {
            errors.format(&format!("{path}[{index}]"), key, qualified_name(key));
        }
    }
    for (index, key) in selected_twice(term) {
        errors.invalid(format!("{path}[{index}]"), key, "exists in both matchLabelKeys and labelSelector");
    }
    for (index, key) in keys("/matchLabelKeys") {
        if keys("/mismatchLabelKeys").any(|(_, other)| other == key) {
            let detail = "exists in both matchLabelKeys and mismatchLabelKeys";
            errors.invalid(format!("{path}.matchLabelKeys[{index}]"), key, detail);
        }
    }
}

/// Keys of `matchLabelKeys` that the selector names besides: when it is looked at, what they stand for has joined it already
/// (`lifecycle::complete`).
fn selected_twice(term: &Value) -> impl Iterator<Item = (usize, &str)> {
    let mut seen: Vec<&str> = entries(term, "/labelSelector/matchLabels").map(|(key, _)| key).collect();
    let keys = items(term, "/matchLabelKeys");
    items(term, "/labelSelector/matchExpressions").iter().filter_map(move |expression| {
        let key = text(expression, "/key");
        let is_second = seen.contains(&key);
        seen.push(key);
        keys.iter().position(|named| named == key).filter(|_| is_second).map(|index| (index, key))
    })
}

/// Checks a term; what is only preferred may name values that no label has.
fn node_term(errors: &mut Errors, term: &Value, path: &str, strict: bool) {
    for (index, requirement) in items(term, "/matchExpressions").iter().enumerate() {
        let path = format!("{path}.matchExpressions[{index}]");
        let (key, values) = (text(requirement, "/key"), items(requirement, "/values"));
        operator(errors, requirement, &path);
        errors.format(&format!("{path}.key"), key, qualified_name(key));
        for (index, value) in values.iter().filter_map(Value::as_str).enumerate().filter(|_| strict) {
            errors.format(&format!("{path}.values[{index}]"), value, label_value(value));
        }
    }
    for (index, requirement) in items(term, "/matchFields").iter().enumerate() {
        let path = format!("{path}.matchFields[{index}]");
        let (key, values) = (text(requirement, "/key"), items(requirement, "/values"));
        match text(requirement, "/operator") {
            "In" | "NotIn" if values.len() != 1 => {
                let detail =
                    "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
                errors.required(format!("{path}.values"), detail);
            }
            "In" | "NotIn" => {}
            other => errors.invalid(format!("{path}.operator"), other, "not a valid selector operator"),
        }
        if key != "metadata.name" {
            errors.invalid(format!("{path}.key"), key, "not a valid field selector key");
            continue;
        }
        for (index, value) in values.iter().filter_map(Value::as_str).enumerate() {
            errors.format(&format!("{path}.values[{index}]"), value, dns_subdomain(value));
        }
    }
}

fn operator(errors: &mut Errors, requirement: &Value, path: &str) {
    let values = items(requirement, "/values");
    match text(requirement, "/operator") {
        "In" | "NotIn" if values.is_empty() => {
            let detail = "must be specified when `operator` is 'In' or 'NotIn'";
            errors.required(format!("{path}.values"), detail);
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.forbidden(format!("{path}.values"), detail);
        }
        "Gt" | "Lt" if values.len() != 1 => {
            let detail = "must be specified single value when `operator` is 'Lt' or 'Gt'";
            errors.required(format!("{path}.values"), detail);
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
        other => errors.invalid(format!("{path}.operator"), other, "not a valid selector operator"),
    }
}

/// Checks topology spread constraints.
pub(super) fn spread(errors: &mut Errors, spec: &Value, path: &str) {
    let constraints = items(spec, "/topologySpreadConstraints");
    for (index, constraint) in constraints.iter().enumerate() {
        let path = format!("{path}.topologySpreadConstraints[{index}]");
        let skew = int(constraint, "/maxSkew").unwrap_or(0);
        if skew <= 0 {
            errors.invalid(format!("{path}.maxSkew"), skew, "must be greater than zero");
        }
        let (key, action) = (text(constraint, "/topologyKey"), text(constraint, "/whenUnsatisfiable"));
        if key.is_empty() {
            errors.required(format!("{path}.topologyKey"), "can not be empty");
        }
        let actions = ["DoNotSchedule", "ScheduleAnyway"];
        if !actions.contains(&action) {
            errors.unsupported(format!("{path}.whenUnsatisfiable"), action, &actions);
        }
        let same =
            |other: &Value| text(other, "/topologyKey") == key && text(other, "/whenUnsatisfiable") == action;
        if constraints.iter().skip(index + 1).any(same) {
            let field = format!("{path}.{{topologyKey, whenUnsatisfiable}}");
            errors.duplicate(field, format!("{{{key}, {action}}}"));
        }
        domains(errors, constraint, &path, action);
        for key in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            errors.supports(constraint, &path, key, &["Honor", "Ignore"]);
        }
        spread_keys(errors, constraint, &format!("{path}.matchLabelKeys"));
        if let Some(selector) = given(constraint, "/labelSelector") {
            meta::selector(errors, selector, &format!("{path}.labelSelector"));
        }
    }
}

fn domains(errors: &mut Errors, constraint: &Value, path: &str, action: &str) {
    let Some(least) = int(constraint, "/minDomains") else { return };
    let path = format!("{path}.minDomains");
    if least <= 0 {
        errors.invalid(path.as_str(), least, "must be greater than zero");
    }
    if action != "DoNotSchedule" {
        let detail = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}");
        errors.invalid(path, least, &detail);
    }
}

fn spread_keys(errors: &mut Errors, constraint: &Value, path: &str) {
    let keys = items(constraint, "/matchLabelKeys");
    let selector = given(constraint, "/labelSelector");
    if selector.is_none() && !keys.is_empty() {
        errors.forbidden(path, "must not be specified when labelSelector is not set");
    }
    for (index, key) in keys.iter().filter_map(Value::as_str).enumerate() {
        errors.format(&format!("{path}[{index}]"), key, qualified_name(key));
    }
    for (index, key) in selected_twice(constraint) {
        errors.invalid(format!("{path}[{index}]"), key, "exists in both matchLabelKeys and labelSelector");
    }
}
