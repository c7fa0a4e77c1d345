//! Rules of deployments and replica sets.

use serde_json::Value;

use super::format::dns_subdomain;
use super::{Errors, meta, pod};
use crate::intstr::IntOrPercent;
use crate::json::{entries, int, items, text};
use crate::kinds::FieldError;
use crate::selector::Selector;

/// Checks a deployment.
pub fn deployment(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::metadata(&mut errors, object, old, dns_subdomain);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    errors.not_negative(spec, "spec", "replicas");
    replicated(&mut errors, spec, &DEPLOYMENT);
    strategy(&mut errors, spec.get("strategy").unwrap_or(&Value::Null));
    for key in ["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"] {
        errors.not_negative(spec, "spec", key);
    }
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
    replicated(&mut errors, spec, &DEPLOYMENT);
    keep_selector(&mut errors, spec, old);
    errors.0
}

/// Checks a replication controller.
pub fn replication_controller(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::metadata(&mut errors, object, old, dns_subdomain);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    errors.not_negative(spec, "spec", "replicas");
    errors.not_negative(spec, "spec", "minReadySeconds");
    let template = spec.get("template").unwrap_or(&Value::Null);
    let wanted: Vec<_> = entries(spec, "/selector").collect();
    match (wanted.is_empty(), template.is_null()) {
        (true, _) => errors.required("spec.selector", ""),
        (false, true) => errors.required("spec.template", ""),
        (false, false) => {
            let labels = template.pointer("/metadata/labels").unwrap_or(&Value::Null);
            if wanted.iter().any(|(key, value)| labels.get(key) != Some(value)) {
                let detail = "`selector` does not match template `labels`";
                errors.invalid("spec.template.metadata.labels", labels.clone(), detail);
            }
            runs_for_ever(&mut errors, template, "ReplicationController");
        }
    }
    errors.0
}

pub(super) fn keep_selector(errors: &mut Errors, spec: &Value, old: Option<&Value>) {
    if let Some(old) = old {
        errors.immutable("spec.selector", spec.get("selector"), old.pointer("/spec/selector"));
    }
}

/// How Kubernetes speaks of a kind that runs pods for ever.
pub(super) struct Speech {
    /// In the complaint about empty selectors.
    pub selector: &'static str,
    /// In the complaint about deadlines.
    pub deadline: &'static str,
}

/// Kubernetes says so of replica sets too.
const DEPLOYMENT: Speech = Speech { selector: "deployment", deadline: "ReplicaSet" };

/// A selector that selects something, and a template that it selects.
pub(super) fn replicated(errors: &mut Errors, spec: &Value, speech: &Speech) {
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
                let detail = format!("empty selector is invalid for {}", speech.selector);
                errors.invalid("spec.selector", selector.clone(), &detail);
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
    runs_for_ever(errors, template, speech.deadline);
}

/// A template whose pods are restarted whenever they end.
fn runs_for_ever(errors: &mut Errors, template: &Value, kind: &str) {
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
        let detail = format!("activeDeadlineSeconds in {kind} is not Supported");
        errors.forbidden("spec.template.spec.activeDeadlineSeconds", &detail);
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
    let path = "spec.strategy.rollingUpdate";
    let zero = ["maxUnavailable", "maxSurge"].map(|key| is_zero(errors, rolling, path, key));
    if zero == [true, true] {
        let unavailable = rolling.get("maxUnavailable").cloned().unwrap_or_default();
        errors.invalid(format!("{path}.maxUnavailable"), unavailable, "may not be 0 when `maxSurge` is 0");
    }
}

/// Checks a number or percentage of pods; true if it is nothing.
pub(super) fn is_zero(errors: &mut Errors, rolling: &Value, path: &str, key: &str) -> bool {
    let value = rolling.get(key).unwrap_or(&Value::Null);
    let path = format!("{path}.{key}");
    match IntOrPercent::parse(value) {
        Some(IntOrPercent::Int(number)) if number < 0 => {
            errors.invalid(path, number, "must be greater than or equal to 0");
        }
        Some(IntOrPercent::Percent(percent)) if percent > 100 && key == "maxUnavailable" => {
            errors.invalid(path, value.clone(), "must not be greater than 100%");
        }
        Some(IntOrPercent::Int(0) | IntOrPercent::Percent(0)) => return true,
        Some(_) => {}
        None => errors.invalid(
            path,
            value.clone(),
            "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
        ),
    }
    false
}
