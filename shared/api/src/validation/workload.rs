//! Rules of deployments, replica sets and replication controllers.

use serde_json::Value;

use super::errors::spelled;
use super::format::dns_subdomain;
use super::{Errors, meta, pod};
use crate::intstr::IntOrPercent;
use crate::json::{entries, given, int, items, text};
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
    errors.not_negative(spec, "spec", "minReadySeconds");
    let wanted: Vec<_> = entries(spec, "/selector").collect();
    if wanted.is_empty() {
        errors.required("spec.selector", "");
    }
    errors.not_negative(spec, "spec", "replicas");
    let Some(template) = given(spec, "/template") else {
        errors.required("spec.template", "");
        return errors.0;
    };
    let labels = template.pointer("/metadata/labels").unwrap_or(&Value::Null);
    if wanted.iter().any(|(key, value)| labels.get(key) != Some(value)) {
        let detail = "`selector` does not match template `labels`";
        errors.invalid("spec.template.metadata.labels", labels.clone(), detail);
    }
    runs_for_ever(&mut errors, template, "ReplicationController");
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
    /// Whether it complains of absent selectors, rather than of their selecting nothing alone.
    pub required: bool,
}

/// Kubernetes says so of replica sets too.
const DEPLOYMENT: Speech = Speech { selector: "deployment", deadline: "ReplicaSet", required: true };

/// A selector that selects something, and a template that it selects.
pub(super) fn replicated(errors: &mut Errors, spec: &Value, speech: &Speech) {
    let selector = spec.get("selector").unwrap_or(&Value::Null);
    let empty =
        |key: &str| selector.get(key).is_none_or(|value| value.as_object().is_none_or(|map| map.is_empty()));
    // An absent selector reads as an empty one.
    let nothing = selector.as_object().is_none_or(serde_json::Map::is_empty);
    if nothing && speech.required {
        errors.required("spec.selector", "");
    } else if !nothing {
        meta::selector(errors, selector, "spec.selector");
        if empty("matchLabels") && items(selector, "/matchExpressions").is_empty() {
            let detail = format!("empty selector is invalid for {}", speech.selector);
            errors.invalid("spec.selector", selector.clone(), &detail);
        }
    }
    let template = spec.get("template").unwrap_or(&Value::Null);
    let labels = template.pointer("/metadata/labels");
    match Selector::from_label_selector(selector).map(|selects| !nothing && selects.matches_map(labels)) {
        // Kubernetes looks no further.
        Err(_) if !nothing => {
            return errors.invalid("spec.selector", selector.clone(), "invalid label selector");
        }
        Ok(true) => {}
        Ok(false) | Err(_) => {
            let detail = "`selector` does not match template `labels`";
            errors.invalid("spec.template.metadata.labels", labels.cloned().unwrap_or_default(), detail);
        }
    }
    runs_for_ever(errors, template, speech.deadline);
}

/// A template whose pods are restarted whenever they end.
fn runs_for_ever(errors: &mut Errors, template: &Value, kind: &str) {
    pod::template(errors, template, "spec.template");
    let pod_spec = template.get("spec").unwrap_or(&Value::Null);
    let restart = text(pod_spec, "/restartPolicy");
    errors.one_of("spec.template.spec.restartPolicy".into(), restart, &["Always"], false);
    if given(pod_spec, "/activeDeadlineSeconds").is_some() {
        let detail = format!("activeDeadlineSeconds in {kind} is not Supported");
        errors.forbidden("spec.template.spec.activeDeadlineSeconds", &detail);
    }
}

fn strategy(errors: &mut Errors, strategy: &Value) {
    let rolling = given(strategy, "/rollingUpdate");
    match (text(strategy, "/type"), rolling) {
        ("Recreate", Some(_)) => errors.forbidden(
            "spec.strategy.rollingUpdate",
            "may not be specified when strategy `type` is 'Recreate'",
        ),
        ("Recreate", None) => {}
        ("RollingUpdate", None) => {
            errors.required("spec.strategy.rollingUpdate", "this should be defaulted and never be nil");
        }
        ("RollingUpdate", Some(rolling)) => rolling_update(errors, rolling),
        _ => errors.unsupported_as("spec.strategy", &shown(strategy), &["Recreate", "RollingUpdate"]),
    }
}

/// A strategy as Kubernetes' own type spells it.
pub(super) fn shown(strategy: &Value) -> String {
    let mut strategy = strategy.clone();
    if let Some(Value::Object(rolling)) = strategy.get_mut("rollingUpdate") {
        let named = std::mem::take(rolling).into_iter().map(|(key, value)| {
            let (first, rest) = key.split_at(1.min(key.len()));
            (format!("{}{rest}", first.to_uppercase()), value)
        });
        *rolling = named.collect();
    }
    spelled(&strategy, &["type", "rollingUpdate"])
}

fn rolling_update(errors: &mut Errors, rolling: &Value) {
    let path = "spec.strategy.rollingUpdate";
    let zero = ["maxUnavailable", "maxSurge"].map(|key| {
        share(errors, rolling, path, key);
        is_zero(rolling, key)
    });
    if zero == [true, true] {
        let unavailable = rolling.get("maxUnavailable").cloned().unwrap_or_default();
        errors.invalid(format!("{path}.maxUnavailable"), unavailable, "may not be 0 when `maxSurge` is 0");
    }
    at_most_all(errors, rolling, path, "maxUnavailable");
}

/// The number or percentage under `key`, if present, must be one.
pub(super) fn share(errors: &mut Errors, object: &Value, path: &str, key: &str) {
    let value = object.get(key).unwrap_or(&Value::Null);
    let path = || format!("{path}.{key}");
    match IntOrPercent::parse(value) {
        _ if value.is_null() => {}
        Some(IntOrPercent::Int(number)) if number < 0 => {
            errors.invalid(path(), number, "must be greater than or equal to 0");
        }
        Some(_) => {}
        None => errors.invalid(
            path(),
            value.clone(),
            "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
        ),
    }
}

/// The percentage under `key`, if it is one, must not be more than all.
pub(super) fn at_most_all(errors: &mut Errors, object: &Value, path: &str, key: &str) {
    let value = object.get(key).unwrap_or(&Value::Null);
    if matches!(IntOrPercent::parse(value), Some(IntOrPercent::Percent(percent)) if percent > 100) {
        errors.invalid(format!("{path}.{key}"), value.clone(), "must not be greater than 100%");
    }
}

/// The number or percentage under `key` is nothing.
pub(super) fn is_zero(object: &Value, key: &str) -> bool {
    match object.get(key) {
        Some(Value::String(text)) if !text.ends_with('%') => text.parse().unwrap_or(0) == 0,
        value => matches!(
            value.and_then(IntOrPercent::parse),
            None | Some(IntOrPercent::Int(0) | IntOrPercent::Percent(0))
        ),
    }
}
