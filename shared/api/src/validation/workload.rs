//! Rules of deployments and replica sets.

use serde_json::Value;

use super::format::dns_subdomain;
use super::{Errors, meta, pod};
use crate::intstr::IntOrPercent;
use crate::json::{int, items, text};
use crate::kinds::FieldError;
use crate::selector::Selector;

/// Checks a deployment.
pub fn deployment(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::metadata(&mut errors, object, old, dns_subdomain);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    for key in ["replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"] {
        errors.not_negative(spec, "spec", key);
    }
    replicated(&mut errors, spec);
    strategy(&mut errors, spec.get("strategy").unwrap_or(&Value::Null));
    if let Some(deadline) = int(spec, "/progressDeadlineSeconds")
        && deadline <= int(spec, "/minReadySeconds").unwrap_or(0)
    {
        errors.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds");
    }
    keep_selector(&mut errors, spec, old);
    errors.0
}

/// Checks a replica set.
pub fn replica_set(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::metadata(&mut errors, object, old, dns_subdomain);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    errors.not_negative(spec, "spec", "replicas");
    errors.not_negative(spec, "spec", "minReadySeconds");
    replicated(&mut errors, spec);
    keep_selector(&mut errors, spec, old);
    errors.0
}

fn keep_selector(errors: &mut Errors, spec: &Value, old: Option<&Value>) {
    if let Some(old) = old {
        errors.immutable("spec.selector", spec.get("selector"), old.pointer("/spec/selector"));
    }
}

/// A selector that selects something, and a template that it selects.
fn replicated(errors: &mut Errors, spec: &Value) {
    let selector = spec.get("selector").unwrap_or(&Value::Null);
    let empty =
        |key: &str| selector.get(key).is_none_or(|value| value.as_object().is_none_or(|map| map.is_empty()));
    match selector {
        // An absent selector reads as an empty one.
        Value::Null => errors.required("spec.selector", ""),
        Value::Object(map) if map.is_empty() => errors.required("spec.selector", ""),
        selector => {
            meta::selector(errors, selector, "spec.selector");
            if empty("matchLabels") && items(selector, "/matchExpressions").is_empty() {
                // Kubernetes says so of replica sets too.
                errors.invalid("spec.selector", selector.clone(), "empty selector is invalid for deployment");
            }
        }
    }
    let template = spec.get("template").unwrap_or(&Value::Null);
    let selects = Selector::from_label_selector(selector);
    let nothing = selector.as_object().is_none_or(serde_json::Map::is_empty);
    if nothing || selects.is_ok_and(|selects| !selects.matches_map(template.pointer("/metadata/labels"))) {
        let labels = template.pointer("/metadata/labels").cloned().unwrap_or_default();
        errors.invalid(
            "spec.template.metadata.labels",
            labels,
            "`selector` does not match template `labels`",
        );
    }
    meta::labels(errors, template, "/metadata/labels", "spec.template.labels");
    let pod_spec = template.get("spec").unwrap_or(&Value::Null);
    pod::spec(errors, pod_spec, "spec.template.spec");
    errors.one_of(
        "spec.template.spec.restartPolicy".into(),
        text(pod_spec, "/restartPolicy"),
        &["Always"],
        false,
    );
    if pod_spec.get("activeDeadlineSeconds").is_some() {
        let detail = "activeDeadlineSeconds in ReplicaSet is not Supported";
        errors.forbidden("spec.template.spec.activeDeadlineSeconds", detail);
    }
}

fn strategy(errors: &mut Errors, strategy: &Value) {
    let kind = text(strategy, "/type");
    errors.one_of("spec.strategy.type".into(), kind, &["Recreate", "RollingUpdate"], true);
    let rolling = strategy.get("rollingUpdate").filter(|rolling| !rolling.is_null());
    match (kind, rolling) {
        ("Recreate", Some(_)) => errors.forbidden(
            "spec.strategy.rollingUpdate",
            "may not be specified when strategy `type` is 'Recreate'",
        ),
        ("RollingUpdate", None) => {
            errors.required("spec.strategy.rollingUpdate", "this should be defaulted and never be nil");
        }
        ("RollingUpdate", Some(rolling)) => rolling_update(errors, rolling),
        _ => {}
    }
}

fn rolling_update(errors: &mut Errors, rolling: &Value) {
    let mut zero = Vec::new();
    for key in ["maxUnavailable", "maxSurge"] {
        let value = rolling.get(key).unwrap_or(&Value::Null);
        let path = format!("spec.strategy.rollingUpdate.{key}");
        match IntOrPercent::parse(value) {
            Some(IntOrPercent::Int(number)) if number < 0 => {
                errors.invalid(path, number, "must be greater than or equal to 0");
            }
            Some(IntOrPercent::Percent(percent)) if percent > 100 && key == "maxUnavailable" => {
                errors.invalid(path, value.clone(), "must not be greater than 100%");
            }
            Some(IntOrPercent::Int(0) | IntOrPercent::Percent(0)) => zero.push(value.clone()),
            Some(_) => {}
            None => errors.invalid(
                path,
                value.clone(),
                "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
            ),
        }
    }
    if let [unavailable, _] = zero.as_slice() {
        let path = "spec.strategy.rollingUpdate.maxUnavailable";
        errors.invalid(path, unavailable.clone(), "may not be 0 when `maxSurge` is 0");
    }
}
