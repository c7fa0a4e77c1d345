//! Rules of autoscalers.

use serde_json::Value;

use super::format::dns_subdomain;
use super::{Errors, meta};
use crate::json::{int, items, text};
use crate::kinds::FieldError;

/// Kubernetes looks no further back.
const LONGEST_WINDOW: i64 = 3600;
/// Kubernetes knows no longer period.
const LONGEST_PERIOD: i64 = 1800;

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
    errors.needs(target, "spec.scaleTargetRef", "kind");
    errors.needs(target, "spec.scaleTargetRef", "name");
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
    let (field, source) = match text(metric, "/type") {
        "Resource" => ("resource", metric.get("resource")),
        "ContainerResource" => ("containerResource", metric.get("containerResource")),
        "" => return errors.required(format!("{path}.type"), "must specify a metric source type"),
        other => {
            return errors.unsupported(format!("{path}.type"), other, &["ContainerResource", "Resource"]);
        }
    };
    let path = format!("{path}.{field}");
    let Some(source) = source.filter(|source| !source.is_null()) else {
        return errors.required(path, "must populate information for the given metric source");
    };
    errors.needs(source, &path, "name");
    if field == "containerResource" {
        errors.needs(source, &path, "container");
    }
    let name = text(source, "/name");
    errors.one_of(format!("{path}.name"), name, &["cpu", "memory"], false);
    let target = source.get("target").unwrap_or(&Value::Null);
    let path = format!("{path}.target");
    match (int(target, "/averageUtilization"), text(target, "/averageValue")) {
        (None, "") => errors.required(
            format!("{path}.averageUtilization"),
            "must set either a target raw value or a target utilization",
        ),
        (Some(_), value) if !value.is_empty() => errors.forbidden(
            format!("{path}.averageValue"),
            "may not set both a target raw value and a target utilization",
        ),
        (Some(percent), _) if percent < 1 => {
            errors.invalid(format!("{path}.averageUtilization"), percent, "must be greater than 0");
        }
        _ => {}
    }
}

fn scaling_rules(errors: &mut Errors, rules: &Value, path: &str) {
    errors.not_negative(rules, path, "stabilizationWindowSeconds");
    if let Some(window) = int(rules, "/stabilizationWindowSeconds").filter(|window| *window > LONGEST_WINDOW)
    {
        let detail = "must be less than or equal to 3600";
        errors.invalid(format!("{path}.stabilizationWindowSeconds"), window, detail);
    }
    let choices = ["Disabled", "Max", "Min"];
    errors.one_of(format!("{path}.selectPolicy"), text(rules, "/selectPolicy"), &choices, false);
    for (index, policy) in items(rules, "/policies").iter().enumerate() {
        let path = format!("{path}.policies[{index}]");
        errors.one_of(format!("{path}.type"), text(policy, "/type"), &["Percent", "Pods"], true);
        for key in ["value", "periodSeconds"] {
            if let Some(number) = int(policy, &format!("/{key}")).filter(|number| *number < 1) {
                errors.invalid(format!("{path}.{key}"), number, "must be greater than zero");
            }
        }
        if let Some(period) = int(policy, "/periodSeconds").filter(|period| *period > LONGEST_PERIOD) {
            errors.invalid(format!("{path}.periodSeconds"), period, "must be less than or equal to 1800");
        }
    }
}
