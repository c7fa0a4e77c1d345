//! Rules of changes of pods, and of the annotations that mean something to a pod.

use serde_json::{Value, json};

use super::Errors;
use super::errors::same;
use crate::json::{entries, given, int, items, text};

const FIXED: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
const MIRROR: &str = "kubernetes.io/config.mirror";
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const SELECTOR: &str = "requiredDuringSchedulingIgnoredDuringExecution";

/// Checks the annotations of a pod or of a template, in `metadata`.
pub(super) fn annotations(errors: &mut Errors, metadata: Option<&Value>, spec: &Value, path: &str) {
    let Some(metadata) = metadata else { return };
    for (key, value) in entries(metadata, "/annotations") {
        let value = value.as_str().unwrap_or_default();
        let field = || format!("{path}[{key}]");
        if key == MIRROR && text(spec, "/nodeName").is_empty() {
            errors.invalid(field(), value, "must set spec.nodeName if mirror pod annotation is set");
        }
        if key == DELETION_COST && !is_cost(value) {
            errors.invalid(field(), value, "must be a 32bit integer");
        }
        if let Some(name) = key.strip_prefix(APP_ARMOR) {
            let lists = ["/containers", "/initContainers", "/ephemeralContainers"];
            if !lists.iter().any(|list| items(spec, list).iter().any(|one| text(one, "/name") == name)) {
                errors.invalid(field(), name, "container not found");
            }
            let known = matches!(value, "" | "runtime/default" | "unconfined");
            if !known && !value.starts_with("localhost/") {
                errors.invalid(field(), value, &format!("invalid AppArmor profile name: {value:?}"));
            }
        }
    }
}

/// Kubernetes takes numbers without superfluous signs and zeros.
fn is_cost(value: &str) -> bool {
    value.parse::<i32>().is_ok_and(|number| value == "0" || !value.starts_with(['+', '0']) && number != 0)
}

/// A pod stays what it is but for images, the deadline, added tolerations and gates that go.
pub(super) fn change(errors: &mut Errors, new: &Value, old: &Value) {
    annotation_changes(errors, new, old);
    let (new, old) = (new.get("spec").unwrap_or(&Value::Null), old.get("spec").unwrap_or(&Value::Null));
    for list in ["containers", "initContainers"] {
        let pointer = format!("/{list}");
        if items(new, &pointer).len() != items(old, &pointer).len() {
            return errors.forbidden(format!("spec.{list}"), "pod updates may not add or remove containers");
        }
    }
    if !deadline(errors, new, old) {
        return;
    }
    tolerations(errors, new, old);
    let known = items(old, "/schedulingGates");
    for (index, gate) in items(new, "/schedulingGates").iter().enumerate() {
        if !known.iter().any(|known| known.get("name") == gate.get("name")) {
            let name = text(gate, "/name");
            let detail = format!("only deletion is allowed, but found new scheduling gate '{name}'");
            errors.forbidden(format!("spec.schedulingGates[{index}].name"), &detail);
        }
    }
    let mut kept = new.clone();
    keep_changeable(&mut kept, old);
    if !known.is_empty() {
        gated(errors, &mut kept, old);
    }
    if !same(&kept, old) {
        errors.forbidden("spec", FIXED);
    }
}

fn annotation_changes(errors: &mut Errors, new: &Value, old: &Value) {
    let all = |pod: &Value| pod.pointer("/metadata/annotations").cloned().unwrap_or_default();
    let (now, before) = (all(new), all(old));
    let what = |key: &str| match key {
        MIRROR => Some("mirror pod annotation"),
        key if key.starts_with(APP_ARMOR) => Some("AppArmor annotations"),
        _ => None,
    };
    for (key, value) in entries(&before, "") {
        if let Some(what) = what(key).filter(|_| now.get(key) != Some(value)) {
            errors.forbidden(
                format!("metadata.annotations[{key}]"),
                &format!("may not remove or update {what}"),
            );
        }
    }
    for (key, _) in entries(&now, "").filter(|(key, _)| before.get(*key).is_none()) {
        if let Some(what) = what(key) {
            errors.forbidden(format!("metadata.annotations[{key}]"), &format!("may not add {what}"));
        }
    }
}

/// A deadline may come nearer. False if nothing else matters.
fn deadline(errors: &mut Errors, new: &Value, old: &Value) -> bool {
    let path = "spec.activeDeadlineSeconds";
    match (int(new, "/activeDeadlineSeconds"), int(old, "/activeDeadlineSeconds")) {
        (Some(new), _) if !(0..=2_147_483_647).contains(&new) => {
            errors.invalid(path, new, "must be between 0 and 2147483647, inclusive");
            return false;
        }
        (Some(new), Some(old)) if new > old => {
            errors.invalid(path, new, "must be less than or equal to previous value");
            return false;
        }
        (None, Some(_)) => {
            errors.invalid(path, Value::Null, "must not update from a positive integer to nil value");
        }
        _ => {}
    }
    true
}

fn tolerations(errors: &mut Errors, new: &Value, old: &Value) {
    let lasting = |toleration: &Value| {
        let mut toleration = toleration.clone();
        if let Some(toleration) = toleration.as_object_mut() {
            toleration.remove("tolerationSeconds");
        }
        toleration
    };
    let now: Vec<Value> = items(new, "/tolerations").iter().map(lasting).collect();
    if items(old, "/tolerations").iter().any(|known| !now.contains(&lasting(known))) {
        let detail = "existing toleration can not be modified except its tolerationSeconds";
        errors.forbidden("spec.tolerations", detail);
    }
}

/// Puts back what may change.
fn keep_changeable(kept: &mut Value, old: &Value) {
    for list in ["containers", "initContainers"] {
        let known = items(old, &format!("/{list}"));
        let containers = kept.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        for (container, known) in containers.zip(known) {
            put(container, "image", known.get("image"));
        }
    }
    for key in ["activeDeadlineSeconds", "tolerations", "schedulingGates"] {
        put(kept, key, old.get(key));
    }
    let negative = int(old, "/terminationGracePeriodSeconds").is_some_and(|seconds| seconds < 0);
    if negative && int(kept, "/terminationGracePeriodSeconds") == Some(1) {
        put(kept, "terminationGracePeriodSeconds", old.get("terminationGracePeriodSeconds"));
    }
}

fn put(object: &mut Value, key: &str, value: Option<&Value>) {
    let Some(object) = object.as_object_mut() else { return };
    match value {
        Some(value) => object.insert(key.to_owned(), value.clone()),
        None => object.remove(key),
    };
}

/// While a pod waits to be scheduled, the nodes that it may run on may become fewer.
fn gated(errors: &mut Errors, kept: &mut Value, old: &Value) {
    let (now, before) = (kept.get("nodeSelector").cloned().unwrap_or_default(), old.get("nodeSelector"));
    if before.is_some_and(|before| entries(before, "").any(|(key, value)| now.get(key) != Some(value))) {
        let detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
        errors.invalid("spec.nodeSelector", now, detail);
    }
    put(kept, "nodeSelector", before);
    let known = given(old, "/affinity/nodeAffinity");
    if given(kept, "/affinity/nodeAffinity") != known {
        node_affinity(errors, given(kept, "/affinity/nodeAffinity"), known);
    }
    match (known, kept.get_mut("affinity")) {
        (None, None) => {}
        (Some(known), None) => put(kept, "affinity", Some(&json!({"nodeAffinity": known}))),
        (known, Some(affinity)) => {
            put(affinity, "nodeAffinity", known);
            if given(old, "/affinity").is_none()
                && affinity.as_object().is_some_and(serde_json::Map::is_empty)
            {
                put(kept, "affinity", None);
            }
        }
    }
}

fn node_affinity(errors: &mut Errors, new: Option<&Value>, old: Option<&Value>) {
    let terms = |affinity: Option<&Value>| -> Vec<Value> {
        let pointer = format!("/{SELECTOR}/nodeSelectorTerms");
        affinity.map(|affinity| items(affinity, &pointer).to_vec()).unwrap_or_default()
    };
    let (now, before) = (terms(new), terms(old));
    let path = format!("spec.affinity.nodeAffinity.{SELECTOR}.nodeSelectorTerms");
    if before.is_empty() {
        return;
    }
    if now.len() != before.len() {
        let detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        return errors.invalid(path, now, detail);
    }
    let grows = |now: &Value, before: &Value| {
        let lists = ["/matchExpressions", "/matchFields"];
        let was_empty = lists.iter().all(|list| items(before, list).is_empty());
        match was_empty {
            true => lists.iter().all(|list| items(now, list).is_empty()),
            false => lists.iter().all(|list| items(now, list).starts_with(items(before, list))),
        }
    };
    for (index, (now, before)) in now.iter().zip(&before).enumerate() {
        if !grows(now, before) {
            let detail = "only additions are allowed (no mutations or deletions)";
            errors.invalid(format!("{path}[{index}]"), now.clone(), detail);
        }
    }
}
