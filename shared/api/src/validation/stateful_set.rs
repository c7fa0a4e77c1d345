//! Rules of stateful sets, daemon sets and their revisions.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::errors::same;
use super::format::{dns_label, dns_subdomain};
use super::workload::{Speech, at_most_all, is_zero, keep_selector, replicated, share, shown};
use super::{Errors, claim, meta};
use crate::json::{given, int, items, text};
use crate::kinds::FieldError;

/// What may change in the spec of a stateful set, as Kubernetes lists it.
const CHANGEABLE: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];
const FIXED: &str = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
const STATEFUL: Speech = Speech { selector: "statefulset", deadline: "StatefulSet", required: true };
const DAEMON: Speech = Speech { selector: "daemonset", deadline: "DaemonSet", required: false };

/// Checks a stateful set.
pub fn stateful_set(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::metadata(&mut errors, object, old, dns_label);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    match text(spec, "/podManagementPolicy") {
        "" => errors.required("spec.podManagementPolicy", ""),
        "OrderedReady" | "Parallel" => {}
        other => errors.invalid("spec.podManagementPolicy", other, "must be 'OrderedReady' or 'Parallel'"),
    }
    stateful_update(&mut errors, spec.get("updateStrategy").unwrap_or(&Value::Null));
    if let Some(retention) = given(spec, "/persistentVolumeClaimRetentionPolicy") {
        for key in ["whenDeleted", "whenScaled"] {
            let (value, policies) = (text(retention, &format!("/{key}")), ["Retain", "Delete"]);
            if !policies.contains(&value) {
                errors.unsupported(
                    format!("spec.persistentVolumeClaimRetentionPolicy.{key}"),
                    value,
                    &policies,
                );
            }
        }
    }
    for key in ["replicas", "minReadySeconds"] {
        errors.not_negative(spec, "spec", key);
    }
    errors.not_negative(spec.get("ordinals").unwrap_or(&Value::Null), "spec.ordinals", "start");
    errors.not_negative(spec, "spec", "revisionHistoryLimit");
    if old.is_none() {
        errors.formatted(spec, "spec", "serviceName", dns_label);
        claims(&mut errors, spec);
    }
    replicated(&mut errors, &with_claims(spec), &STATEFUL);
    if let Some(old) = old {
        stateful_change(&mut errors, spec, old.get("spec").unwrap_or(&Value::Null));
    }
    errors.0
}

/// Claims of templates become claims: they do not change later.
fn claims(errors: &mut Errors, spec: &Value) {
    for (index, template) in items(spec, "/volumeClaimTemplates").iter().enumerate() {
        let path = format!("spec.volumeClaimTemplates[{index}]");
        claim::spec(errors, template.get("spec").unwrap_or(&Value::Null), &format!("{path}.spec"));
    }
}

/// The spec with its claims among the volumes of the template, as its pods will have them.
fn with_claims(spec: &Value) -> Cow<'_, Value> {
    let names = items(spec, "/volumeClaimTemplates").iter().map(|claim| text(claim, "/metadata/name"));
    let known = items(spec, "/template/spec/volumes");
    let claims: Vec<Value> = names
        .filter(|name| known.iter().all(|volume| text(volume, "/name") != *name))
        .map(|name| json!({"name": name, "persistentVolumeClaim": {"claimName": name}}))
        .collect();
    let mut spec = Cow::Borrowed(spec);
    if !claims.is_empty()
        && let Some(template) = spec.to_mut().pointer_mut("/template/spec").and_then(Value::as_object_mut)
    {
        let volumes = template.entry("volumes").or_insert_with(|| json!([]));
        if let Some(volumes) = volumes.as_array_mut() {
            volumes.extend(claims);
        }
    }
    spec
}

/// Checks a daemon set.
pub fn daemon_set(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::metadata(&mut errors, object, old, dns_subdomain);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    replicated(&mut errors, spec, &DAEMON);
    errors.not_negative(spec, "spec", "minReadySeconds");
    daemon_update(&mut errors, spec.get("updateStrategy").unwrap_or(&Value::Null));
    errors.not_negative(spec, "spec", "revisionHistoryLimit");
    keep_selector(&mut errors, spec, old);
    errors.0
}

/// Checks a revision: it is what it was.
pub fn controller_revision(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::metadata(&mut errors, object, old, dns_subdomain);
    if given(object, "/data").is_none() {
        errors.required("data", "data is mandatory");
    }
    if let Some(number) = int(object, "/revision").filter(|number| *number < 0) {
        errors.invalid("revision", number, "must be greater than or equal to 0");
    }
    if let Some(old) = old {
        errors.immutable("data", object.get("data"), old.get("data"));
    }
    errors.0
}

fn stateful_update(errors: &mut Errors, strategy: &Value) {
    let path = "spec.updateStrategy.rollingUpdate";
    match (text(strategy, "/type"), given(strategy, "/rollingUpdate")) {
        ("", _) => errors.required("spec.updateStrategy", ""),
        ("OnDelete", Some(rolling)) => {
            let shown = super::errors::spelled(rolling, &["partition", "maxUnavailable"]);
            errors.invalid_as(path, &shown, "only allowed for updateStrategy 'RollingUpdate'");
        }
        ("RollingUpdate", Some(rolling)) => {
            errors.not_negative(rolling, path, "partition");
            share(errors, rolling, path, "maxUnavailable");
            if given(rolling, "/maxUnavailable").is_some() && is_zero(rolling, "maxUnavailable") {
                let value = rolling.get("maxUnavailable").cloned().unwrap_or_default();
                errors.invalid(format!("{path}.maxUnavailable"), value, "cannot be 0");
            }
            at_most_all(errors, rolling, path, "maxUnavailable");
        }
        ("OnDelete" | "RollingUpdate", None) => {}
        _ => errors.invalid_as(
            "spec.updateStrategy",
            &shown(strategy),
            "must be 'RollingUpdate' or 'OnDelete'",
        ),
    }
}

fn stateful_change(errors: &mut Errors, new: &Value, old: &Value) {
    let mut fixed = [new.clone(), old.clone()];
    for spec in fixed.iter_mut().filter_map(Value::as_object_mut) {
        spec.retain(|key, _| !CHANGEABLE.contains(&key.as_str()));
    }
    let [new, old] = fixed;
    if !same(&new, &old) {
        errors.forbidden("spec", FIXED);
    }
}

fn daemon_update(errors: &mut Errors, strategy: &Value) {
    let path = "spec.updateStrategy.rollingUpdate";
    match text(strategy, "/type") {
        "OnDelete" => return,
        "RollingUpdate" => {}
        _ => {
            let supported = ["RollingUpdate", "OnDelete"];
            return errors.unsupported_as("spec.updateStrategy", &shown(strategy), &supported);
        }
    }
    let Some(rolling) = given(strategy, "/rollingUpdate") else {
        return errors.required(path, "");
    };
    for key in ["maxUnavailable", "maxSurge"] {
        share(errors, rolling, path, key);
    }
    for key in ["maxUnavailable", "maxSurge"] {
        at_most_all(errors, rolling, path, key);
    }
    match ["maxUnavailable", "maxSurge"].map(|key| is_zero(rolling, key)) {
        [true, true] => {
            errors.required(format!("{path}.maxUnavailable"), "cannot be 0 when maxSurge is 0");
        }
        [false, false] => errors.invalid(
            format!("{path}.maxSurge"),
            rolling.get("maxSurge").cloned().unwrap_or_default(),
            "may not be set when maxUnavailable is non-zero",
        ),
        [true, false] | [false, true] => {}
    }
}
