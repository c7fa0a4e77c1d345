//! Rules of what steers scheduling: tolerations, affinity, spreading.

use serde_json::Value;

use super::format::{label_value, qualified_name};
use super::{Errors, meta};
use crate::json::{int, items, text};

const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// Checks a pod spec's tolerations.
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
        match operator {
            "Exists" if !value.is_empty() => {
                errors.invalid(
                    format!("{path}.operator"),
                    value,
                    "value must be empty when `operator` is 'Exists'",
                );
            }
            "Equal" | "" => errors.format(&format!("{path}.operator"), value, label_value(value)),
            "Exists" => {}
            other => errors.unsupported(format!("{path}.operator"), other, &["Equal", "Exists"]),
        }
        if toleration.get("tolerationSeconds").is_some() && effect != "NoExecute" {
            let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            errors.invalid(format!("{path}.effect"), effect, detail);
        }
        errors.one_of(format!("{path}.effect"), effect, &EFFECTS, false);
    }
}

/// Checks a list of taints.
pub(super) fn taints(errors: &mut Errors, spec: &Value, path: &str) {
    let mut seen = std::collections::HashSet::new();
    for (index, taint) in items(spec, "/taints").iter().enumerate() {
        let path = format!("{path}.taints[{index}]");
        let (key, value, effect) = (text(taint, "/key"), text(taint, "/value"), text(taint, "/effect"));
        errors.format(&format!("{path}.key"), key, qualified_name(key));
        errors.format(&format!("{path}.value"), value, label_value(value));
        errors.one_of(format!("{path}.effect"), effect, &EFFECTS, true);
        if !seen.insert((key, effect)) {
            errors.duplicate(path, taint.clone());
        }
    }
}

/// Checks node affinity and pod (anti-)affinity.
pub(super) fn affinity(errors: &mut Errors, spec: &Value, path: &str) {
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
    let Some(affinity) = spec.get("affinity") else { return };
    let path = format!("{path}.affinity");
    if let Some(selector) = affinity.pointer(&format!("/nodeAffinity/{required}")) {
        node_selector(errors, selector, &format!("{path}.nodeAffinity.{required}"));
    }
    for (index, term) in items(affinity, &format!("/nodeAffinity/{preferred}")).iter().enumerate() {
        let path = format!("{path}.nodeAffinity.{preferred}[{index}]");
        weight(errors, term, &path);
        node_term(errors, term.get("preference").unwrap_or(&Value::Null), &format!("{path}.preference"));
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        for (index, term) in items(affinity, &format!("/{kind}/{required}")).iter().enumerate() {
            pod_term(errors, term, &format!("{path}.{kind}.{required}[{index}]"));
        }
        for (index, term) in items(affinity, &format!("/{kind}/{preferred}")).iter().enumerate() {
            let path = format!("{path}.{kind}.{preferred}[{index}]");
            weight(errors, term, &path);
            pod_term(
                errors,
                term.get("podAffinityTerm").unwrap_or(&Value::Null),
                &format!("{path}.podAffinityTerm"),
            );
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
        node_term(errors, term, &format!("{path}[{index}]"));
    }
}

fn weight(errors: &mut Errors, term: &Value, path: &str) {
    let weight = int(term, "/weight").unwrap_or(0);
    if !(1..=100).contains(&weight) {
        errors.invalid(format!("{path}.weight"), weight, "must be in the range 1-100");
    }
}

fn pod_term(errors: &mut Errors, term: &Value, path: &str) {
    if let Some(selector) = term.get("labelSelector") {
        meta::selector(errors, selector, &format!("{path}.labelSelector"));
    }
    match text(term, "/topologyKey") {
        "" => errors.required(format!("{path}.topologyKey"), "can not be empty"),
        key => errors.format(&format!("{path}.topologyKey"), key, qualified_name(key)),
    }
}

fn node_term(errors: &mut Errors, term: &Value, path: &str) {
    for (list, labels) in [("matchExpressions", true), ("matchFields", false)] {
        for (index, requirement) in items(term, &format!("/{list}")).iter().enumerate() {
            let path = format!("{path}.{list}[{index}]");
            let (key, values) = (text(requirement, "/key"), items(requirement, "/values"));
            match text(requirement, "/operator") {
                "In" | "NotIn" if values.is_empty() => {
                    errors.required(
                        format!("{path}.values"),
                        "must be specified when `operator` is 'In' or 'NotIn'",
                    );
                }
                "Exists" | "DoesNotExist" if !values.is_empty() => {
                    errors.forbidden(
                        format!("{path}.values"),
                        "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
                    );
                }
                "Gt" | "Lt" if values.len() != 1 => {
                    let detail = "must be specified single value when `operator` is 'Lt' or 'Gt'";
                    errors.required(format!("{path}.values"), detail);
                }
                "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
                other => errors.invalid(format!("{path}.operator"), other, "not a valid selector operator"),
            }
            match labels {
                true => errors.format(&format!("{path}.key"), key, qualified_name(key)),
                false if key != "metadata.name" => {
                    errors.invalid(format!("{path}.key"), key, "not a valid field selector key");
                }
                false => {}
            }
        }
    }
}

/// Checks topology spread constraints.
pub(super) fn spread(errors: &mut Errors, spec: &Value, path: &str) {
    for (index, constraint) in items(spec, "/topologySpreadConstraints").iter().enumerate() {
        let path = format!("{path}.topologySpreadConstraints[{index}]");
        let skew = int(constraint, "/maxSkew").unwrap_or(0);
        if skew <= 0 {
            errors.invalid(format!("{path}.maxSkew"), skew, "must be greater than zero");
        }
        match text(constraint, "/topologyKey") {
            "" => errors.required(format!("{path}.topologyKey"), "can not be empty"),
            key => errors.format(&format!("{path}.topologyKey"), key, qualified_name(key)),
        }
        let actions = ["DoNotSchedule", "ScheduleAnyway"];
        let action = text(constraint, "/whenUnsatisfiable");
        errors.one_of(format!("{path}.whenUnsatisfiable"), action, &actions, true);
        if let Some(selector) = constraint.get("labelSelector") {
            meta::selector(errors, selector, &format!("{path}.labelSelector"));
        }
    }
}
