//! Rules of limit ranges: amounts are no amounts if they contradict each other.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use super::format::qualified_name;
use super::resources::{name, of_container};
use super::{Errors, meta};
use crate::json::{entries, items, text};
use crate::kinds::FieldError;
use crate::quantity::Quantity;

/// Checks a limit range.
pub fn limit_range(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    let mut kinds = HashSet::new();
    for (index, item) in items(object, "/spec/limits").iter().enumerate() {
        let path = format!("spec.limits[{index}]");
        let kind = text(item, "/type");
        let violations = qualified_name(kind);
        let known = matches!(kind, "Pod" | "Container" | "PersistentVolumeClaim") || kind.contains('/');
        if violations.is_empty() && !known {
            errors.invalid(format!("{path}.type"), kind, "must be a standard limit type or fully qualified");
        }
        errors.format(&format!("{path}.type"), kind, violations);
        if !kinds.insert(kind) {
            errors.duplicate(format!("{path}.type"), kind);
        }
        names(&mut errors, item, kind, &path);
        let resources: BTreeSet<&str> = ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"]
            .iter()
            .flat_map(|list| entries(item, &format!("/{list}")).map(|(resource, _)| resource))
            .collect();
        resources.into_iter().for_each(|resource| amounts(&mut errors, item, resource, &path));
    }
    errors.0
}

fn names(errors: &mut Errors, item: &Value, kind: &str, path: &str) {
    let mut each = |list: &str| {
        for (resource, _) in entries(item, &format!("/{list}")) {
            let path = format!("{path}.{list}[{resource}]");
            match kind {
                "Pod" | "Container" => of_container(errors, &path, resource),
                _ => drop(name(errors, &path, resource)),
            }
        }
    };
    each("max");
    each("min");
    let there = |list: &str| entries(item, &format!("/{list}")).next().is_some();
    if kind != "Pod" {
        each("default");
        each("defaultRequest");
    }
    for list in ["default", "defaultRequest"].into_iter().filter(|list| kind == "Pod" && there(list)) {
        errors.forbidden(format!("{path}.{list}"), "may not be specified when `type` is 'Pod'");
    }
    let storage = |list: &str| item.get(list).and_then(|amounts| amounts.get("storage")).is_some();
    if kind == "PersistentVolumeClaim" && !storage("min") && !storage("max") {
        let detail = "either minimum or maximum storage value is required, but neither was provided";
        errors.required(format!("{path}.limits"), detail);
    }
    for (resource, _) in entries(item, "/maxLimitRequestRatio") {
        let path = format!("{path}.maxLimitRequestRatio[{resource}]");
        match kind {
            "Pod" | "Container" => of_container(errors, &path, resource),
            _ => drop(name(errors, &path, resource)),
        }
    }
}

/// Which two amounts are in a wrong order, what is said then, where, and which of them is shown.
const ORDERED: [(&str, &str, &str, &str, &str); 6] = [
    ("min", "max", "min value {} is greater than max value {}", "min", "min"),
    (
        "min",
        "defaultRequest",
        "min value {} is greater than default request value {}",
        "defaultRequest",
        "defaultRequest",
    ),
    (
        "defaultRequest",
        "max",
        "default request value {} is greater than max value {}",
        "defaultRequest",
        "defaultRequest",
    ),
    (
        "defaultRequest",
        "default",
        "default request value {} is greater than default limit value {}",
        "defaultRequest",
        "defaultRequest",
    ),
    ("min", "default", "min value {} is greater than default value {}", "default", "min"),
    ("default", "max", "default value {} is greater than max value {}", "default", "max"),
];

fn amounts(errors: &mut Errors, item: &Value, resource: &str, path: &str) {
    let amount = |list: &str| {
        item.get(list).and_then(|amounts| amounts.get(resource)).and_then(Value::as_str).unwrap_or_default()
    };
    let parsed = |list: &str| Quantity::parse(amount(list));
    for (less, more, words, at, shown) in ORDERED {
        if let (Some(small), Some(large)) = (parsed(less), parsed(more))
            && small > large
        {
            let detail = words.replacen("{}", amount(less), 1).replacen("{}", amount(more), 1);
            errors.invalid(format!("{path}.{at}[{resource}]"), amount(shown), &detail);
        }
    }
    let field = format!("{path}.maxLimitRequestRatio[{resource}]");
    let Some(ratio) = parsed("maxLimitRequestRatio") else { return };
    let shown = amount("maxLimitRequestRatio");
    if ratio < Quantity::units(1) {
        errors.invalid(field.as_str(), shown, &format!("ratio {shown} is less than 1"));
    }
    if let (Some(min), Some(max)) = (parsed("min"), parsed("max"))
        && min.milli > 0
        && ratio.milli * min.milli > max.milli * 1000
    {
        let millionths = (max.milli * 1_000_000 + min.milli / 2) / min.milli;
        let most = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
        errors.invalid(field, shown, &format!("ratio {shown} is greater than max/min = {most}"));
    }
}
