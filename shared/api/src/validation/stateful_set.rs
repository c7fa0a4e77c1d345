//! Rules of stateful sets, daemon sets and their revisions.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::format::dns_subdomain;
use super::workload::{Speech, is_zero, keep_selector, replicated};
use super::{Errors, meta};
use crate::json::{int, items, text};
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

/// Checks a stateful set.
pub fn stateful_set(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::metadata(&mut errors, object, old, dns_subdomain);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    for key in ["replicas", "minReadySeconds", "revisionHistoryLimit"] {
        errors.not_negative(spec, "spec", key);
    }
    errors.not_negative(spec.get("ordinals").unwrap_or(&Value::Null), "spec.ordinals", "start");
    match text(spec, "/podManagementPolicy") {
        "" => errors.required("spec.podManagementPolicy", ""),
        "OrderedReady" | "Parallel" => {}
        other => errors.invalid("spec.podManagementPolicy", other, "must be 'OrderedReady' or 'Parallel'"),
    }
    stateful_update(&mut errors, spec.get("updateStrategy").unwrap_or(&Value::Null));
    let retention = spec.get("persistentVolumeClaimRetentionPolicy").unwrap_or(&Value::Null);
    for key in ["whenDeleted", "whenScaled"] {
        let path = format!("spec.persistentVolumeClaimRetentionPolicy.{key}");
        errors.one_of(path, text(retention, &format!("/{key}")), &["Retain", "Delete"], false);
    }
    replicated(&mut errors, &with_claims(spec), &Speech { selector: "statefulset", deadline: "StatefulSet" });
    if let Some(old) = old {
        stateful_change(&mut errors, spec, old.get("spec").unwrap_or(&Value::Null));
    }
    errors.0
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
    for key in ["minReadySeconds", "revisionHistoryLimit"] {
        errors.not_negative(spec, "spec", key);
    }
    replicated(&mut errors, spec, &Speech { selector: "daemonset", deadline: "DaemonSet" });
    daemon_update(&mut errors, spec.get("updateStrategy").unwrap_or(&Value::Null));
    keep_selector(&mut errors, spec, old);
    errors.0
}

/// Checks a revision: it is what it was.
pub fn controller_revision(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::metadata(&mut errors, object, old, dns_subdomain);
    if object.get("data").is_none_or(Value::is_null) {
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
    let rolling = strategy.get("rollingUpdate").filter(|rolling| !rolling.is_null());
    match (text(strategy, "/type"), rolling) {
        ("", _) => errors.required("spec.updateStrategy", ""),
        ("OnDelete", Some(rolling)) => {
            let detail = "only allowed for updateStrategy 'RollingUpdate'";
            errors.invalid("spec.updateStrategy.rollingUpdate", rolling.clone(), detail);
        }
        ("RollingUpdate", Some(rolling)) => {
            let path = "spec.updateStrategy.rollingUpdate";
            errors.not_negative(rolling, path, "partition");
            let stated = rolling.get("maxUnavailable").is_some_and(|stated| !stated.is_null());
            if stated && is_zero(errors, rolling, path, "maxUnavailable") {
                let value = rolling.get("maxUnavailable").cloned().unwrap_or_default();
                errors.invalid(format!("{path}.maxUnavailable"), value, "cannot be 0");
            }
        }
        ("OnDelete" | "RollingUpdate", None) => {}
        _ => {
            let detail = "must be 'RollingUpdate' or 'OnDelete'";
            errors.invalid("spec.updateStrategy", strategy.clone(), detail);
        }
    }
}

fn stateful_change(errors: &mut Errors, new: &Value, old: &Value) {
    let mut fixed = [new.clone(), old.clone()];
    for spec in fixed.iter_mut().filter_map(Value::as_object_mut) {
        spec.retain(|key, _| !CHANGEABLE.contains(&key.as_str()));
    }
    let [new, old] = fixed;
    if new != old {
        errors.forbidden("spec", FIXED);
    }
}

fn daemon_update(errors: &mut Errors, strategy: &Value) {
    let path = "spec.updateStrategy.rollingUpdate";
    errors.one_of(
        "spec.updateStrategy.type".into(),
        text(strategy, "/type"),
        &["RollingUpdate", "OnDelete"],
        true,
    );
    if text(strategy, "/type") != "RollingUpdate" {
        return;
    }
    let Some(rolling) = strategy.get("rollingUpdate").filter(|rolling| !rolling.is_null()) else {
        return errors.required(path, "");
    };
    let value = |key: &str| rolling.get(key).cloned().unwrap_or_default();
    match ["maxUnavailable", "maxSurge"].map(|key| is_zero(errors, rolling, path, key)) {
        [true, true] => errors.invalid(
            format!("{path}.maxUnavailable"),
            value("maxUnavailable"),
            "cannot be 0 when maxSurge is 0",
        ),
        [false, false] => errors.invalid(
            format!("{path}.maxSurge"),
            value("maxSurge"),
            "may not be set when maxUnavailable is non-zero",
        ),
        [true, false] | [false, true] => {}
    }
}
