//! Rules of autoscalers.

use serde_json::Value;

use super::format::{dns_label, dns_subdomain, path_segment};
use super::{Errors, meta};
use crate::json::{given, int, items, text};
use crate::kinds::FieldError;
use crate::quantity::Quantity;

/// Kubernetes looks no further back.
const LONGEST_WINDOW: i64 = 3600;
/// Kubernetes knows no longer period.
const LONGEST_PERIOD: i64 = 1800;

/// Metrics that there are in Kubernetes, as it lists them; only two of them have a source here.
const TYPES: [&str; 2] = ["ContainerResource", "Resource"];
const SOURCES: [&str; 5] = ["object", "external", "pods", "resource", "containerResource"];

/// Checks an autoscaler.
pub fn autoscaler(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::metadata(&mut errors, object, old, dns_subdomain);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let (least, most) = (int(spec, "/minReplicas").unwrap_or(1), int(spec, "/maxReplicas").unwrap_or(0));
    if least < 1 {
        errors.invalid("spec.minReplicas", least, "must be greater than or equal to 1");
    }
    if most < 1 {
        errors.invalid("spec.maxReplicas", most, "must be greater than 0");
    }
    if most < least {
        errors.invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`");
    }
    let target = spec.get("scaleTargetRef").unwrap_or(&Value::Null);
    for key in ["kind", "name"] {
        errors.named(target, "spec.scaleTargetRef", key, path_segment);
    }
    for (index, metric) in items(spec, "/metrics").iter().enumerate() {
        self::metric(&mut errors, metric, &format!("spec.metrics[{index}]"));
    }
    for direction in ["scaleUp", "scaleDown"] {
        let rules = spec.pointer("/behavior").and_then(|behavior| behavior.get(direction));
        if let Some(rules) = rules.filter(|rules| !rules.is_null()) {
            scaling_rules(&mut errors, rules, &format!("spec.behavior.{direction}"));
        }
    }
    errors.0
}

/// Metrics of other types would need a source of metrics, and there is none.
fn metric(errors: &mut Errors, metric: &Value, path: &str) {
    let kind = text(metric, "/type");
    if kind.is_empty() {
        errors.required(format!("{path}.type"), "must specify a metric source type");
    }
    if !TYPES.contains(&kind) {
        return errors.unsupported(format!("{path}.type"), kind, &TYPES);
    }
    let expected = if kind == "Resource" { "resource" } else { "containerResource" };
    let present: Vec<&str> = SOURCES
        .into_iter()
        .filter(|source| metric.get(*source).is_some_and(|source| !source.is_null()))
        .collect();
    if let Some(first) = present.first().filter(|first| first.to_lowercase().ends_with("resource")) {
        let source = metric.get(*first).unwrap_or(&Value::Null);
        resource(errors, source, &format!("{path}.{first}"), *first == "containerResource");
    }
    if !present.contains(&expected) {
        let detail = "must populate information for the given metric source";
        errors.required(format!("{path}.{expected}"), detail);
    }
    for other in present.iter().filter(|source| present.len() > 1 && **source != expected) {
        errors.forbidden(format!("{path}.{other}"), "must populate the given metric source only");
    }
}

fn resource(errors: &mut Errors, source: &Value, path: &str, of_container: bool) {
    match text(source, "/name") {
        "" => errors.required(format!("{path}.name"), "must specify a resource name"),
        name => errors.one_of(format!("{path}.name"), name, &["cpu", "memory"], false),
    }
    if of_container {
        match text(source, "/container") {
            "" => errors.required(format!("{path}.container"), "must specify a container"),
            name => errors.format(&format!("{path}.container"), name, dns_label(name)),
        }
    }
    let target = source.get("target").unwrap_or(&Value::Null);
    let path = format!("{path}.target");
    self::target(errors, target, &path);
    let (percent, amount) = (given(target, "/averageUtilization"), given(target, "/averageValue"));
    match (percent, amount) {
        (None, None) => errors.required(
            format!("{path}.averageUtilization"),
            "must set either a target raw value or a target utilization",
        ),
        (Some(_), Some(_)) => errors.forbidden(
            format!("{path}.averageValue"),
            "may not set both a target raw value and a target utilization",
        ),
        _ => {}
    }
}

fn target(errors: &mut Errors, target: &Value, path: &str) {
    let kind = text(target, "/type");
    if kind.is_empty() {
        errors.required(format!("{path}.type"), "must specify a metric target type");
    }
    if !["Utilization", "Value", "AverageValue"].contains(&kind) {
        errors.invalid(format!("{path}.type"), kind, "must be either Utilization, Value, or AverageValue");
    }
    for key in ["value", "averageValue"] {
        let amount = target.get(key).and_then(Value::as_str);
        if let Some(amount) = amount.filter(|amount| Quantity::parse(amount).is_none_or(|it| it.milli <= 0)) {
            errors.invalid(format!("{path}.{key}"), amount, "must be positive");
        }
    }
    if let Some(percent) = int(target, "/averageUtilization").filter(|percent| *percent < 1) {
        errors.invalid(format!("{path}.averageUtilization"), percent, "must be greater than 0");
    }
}

fn scaling_rules(errors: &mut Errors, rules: &Value, path: &str) {
    let field = format!("{path}.stabilizationWindowSeconds");
    match int(rules, "/stabilizationWindowSeconds") {
        Some(window) if window < 0 => {
            errors.invalid(field, window, "must be greater than or equal to zero");
        }
        Some(window) if window > LONGEST_WINDOW => {
            errors.invalid(field, window, &format!("must be less than or equal to {LONGEST_WINDOW}"));
        }
        _ => {}
    }
    errors.supports(rules, path, "selectPolicy", &["Disabled", "Max", "Min"]);
    let policies = items(rules, "/policies");
    if policies.is_empty() {
        errors.required(format!("{path}.policies"), "must specify at least one Policy");
    }
    for (index, policy) in policies.iter().enumerate() {
        let path = format!("{path}.policies[{index}]");
        let (kind, kinds) = (text(policy, "/type"), ["Percent", "Pods"]);
        if !kinds.contains(&kind) {
            errors.unsupported(format!("{path}.type"), kind, &kinds);
        }
        for key in ["value", "periodSeconds"] {
            let number = int(policy, &format!("/{key}")).unwrap_or(0);
            if number < 1 {
                errors.invalid(format!("{path}.{key}"), number, "must be greater than zero");
            }
        }
        if let Some(period) = int(policy, "/periodSeconds").filter(|period| *period > LONGEST_PERIOD) {
            let detail = format!("must be less than or equal to {LONGEST_PERIOD}");
            errors.invalid(format!("{path}.periodSeconds"), period, &detail);
        }
    }
}
