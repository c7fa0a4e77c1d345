//! Rules of claims of volumes, also of those in templates.

use serde_json::{Map, Value, json};

use super::errors::same;
use super::format::{dns_label, dns_subdomain};
use super::{Errors, meta};
use crate::json::{given, items, text};
use crate::kinds::FieldError;
use crate::quantity::Quantity;

const ACCESS_MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
pub(super) const VOLUME_MODES: [&str; 2] = ["Block", "Filesystem"];
/// Where a class was named before claims had a field for it.
const OLD_CLASS: &str = "volume.beta.kubernetes.io/storage-class";
const CHANGEABLE: &str = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";

/// Checks a claim.
pub fn persistent_volume_claim(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    spec(&mut errors, object.get("spec").unwrap_or(&Value::Null), "spec");
    if let Some(old) = old {
        change(&mut errors, object, old);
    }
    errors.0
}

/// Checks the spec of a claim at `path`.
pub(super) fn spec(errors: &mut Errors, spec: &Value, path: &str) {
    if items(spec, "/accessModes").is_empty() {
        errors.required(format!("{path}.accessModes"), "at least 1 access mode is required");
    }
    if let Some(selector) = given(spec, "/selector") {
        meta::selector(errors, selector, &format!("{path}.selector"));
    }
    access_modes(errors, spec, path);
    storage(errors, spec, path);
    errors.formatted(spec, path, "storageClassName", dns_subdomain);
    errors.supports(spec, path, "volumeMode", &VOLUME_MODES);
    for key in ["dataSource", "dataSourceRef"] {
        if let Some(source) = spec.get(key).filter(|source| !source.is_null()) {
            data_source(errors, source, &format!("{path}.{key}"));
        }
    }
    same_source(errors, spec, path);
    errors.formatted(spec, path, "volumeAttributesClassName", dns_subdomain);
}

/// Checks how a volume may be used, by itself or together with others.
pub(super) fn access_modes(errors: &mut Errors, spec: &Value, path: &str) {
    let modes = || items(spec, "/accessModes").iter().filter_map(Value::as_str);
    for mode in modes().filter(|mode| !ACCESS_MODES.contains(mode)) {
        errors.unsupported(format!("{path}.accessModes"), mode, &ACCESS_MODES);
    }
    let alone = |mode: &str| mode == "ReadWriteOncePod";
    if modes().any(alone) && modes().any(|mode| ACCESS_MODES.contains(&mode) && !alone(mode)) {
        let detail = "may not use ReadWriteOncePod with other access modes";
        errors.forbidden(format!("{path}.accessModes"), detail);
    }
}

fn storage(errors: &mut Errors, spec: &Value, path: &str) {
    let path = format!("{path}.resources[storage]");
    match given(spec, "/resources/requests/storage").and_then(Value::as_str) {
        None => errors.required(path, ""),
        Some(amount) => super::resources::positive(errors, &path, amount),
    }
}

fn data_source(errors: &mut Errors, source: &Value, path: &str) {
    errors.needs(source, path, "name");
    errors.needs(source, path, "kind");
    let kind = text(source, "/kind");
    if text(source, "/apiGroup").is_empty() && kind != "PersistentVolumeClaim" {
        let detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
        errors.invalid(path, kind, detail);
    }
    errors.formatted(source, path, "apiGroup", dns_subdomain);
    errors.formatted(source, path, "namespace", dns_label);
}

/// The two ways to say where the data come from say the same.
fn same_source(errors: &mut Errors, spec: &Value, path: &str) {
    let (Some(source), Some(reference)) = (given(spec, "/dataSource"), given(spec, "/dataSourceRef")) else {
        return;
    };
    let differs = ["apiGroup", "kind", "name"].iter().any(|key| source.get(*key) != reference.get(*key));
    // Kubernetes prints the path, not the value.
    let shown = format!("{path}.dataSource");
    if !text(reference, "/namespace").is_empty() {
        errors.invalid(path, shown, "may not be specified when dataSourceRef.namespace is specified");
    } else if differs {
        errors.invalid(path, shown, "must match dataSourceRef");
    }
}

/// A claim may be given a volume once, and may grow when it has one.
fn change(errors: &mut Errors, object: &Value, old: &Value) {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let known = old.get("spec").unwrap_or(&Value::Null);
    let annotation = |claim: &Value| {
        let annotations = claim.pointer("/metadata/annotations");
        annotations.and_then(|all| all.get(OLD_CLASS)).and_then(Value::as_str).map(str::to_owned)
    };
    let (class, class_before) = (annotation(object), annotation(old));
    let (now, before) = (given(spec, "/storageClassName"), given(known, "/storageClassName"));
    let named_anew = before.is_none() && now.is_some();
    let as_annotated = class_before.as_deref() == now.and_then(Value::as_str);
    let upgraded =
        named_anew && class_before.is_some() && as_annotated && (class.is_none() || class == class_before);
    if !upgraded && class != class_before {
        let field = format!("metadata.annotations.{OLD_CLASS}");
        errors.invalid(field, class.as_deref().unwrap_or_default(), "field is immutable");
    }
    let bound = text(old, "/status/phase") == "Bound";
    let mut kept = spec.clone();
    if let Some(kept) = kept.as_object_mut() {
        if text(known, "/volumeName").is_empty() {
            copy(kept, "volumeName", spec);
        }
        if upgraded || named_anew && (class_before.is_none() || as_annotated) {
            copy(kept, "storageClassName", known);
        }
        if bound {
            keep_what_grows(kept, known);
        }
    }
    let mut known_kept = known.clone();
    if let Some(known_kept) = known_kept.as_object_mut().filter(|_| text(known, "/volumeName").is_empty()) {
        copy(known_kept, "volumeName", spec);
    }
    // No class is a class of its own here.
    let class = |spec: &Value| spec.get("storageClassName").cloned();
    if !same(&kept, &known_kept) || class(&kept) != class(&known_kept) {
        errors.forbidden("spec", CHANGEABLE);
    }
    shrinks(errors, spec, known, old);
    errors.immutable("volumeMode", spec.get("volumeMode"), known.get("volumeMode"));
    attributes(errors, spec, known);
}

fn copy(spec: &mut Map<String, Value>, key: &str, from: &Value) {
    match from.get(key) {
        Some(value) => spec.insert(key.to_owned(), value.clone()),
        None => spec.remove(key),
    };
}

fn keep_what_grows(kept: &mut Map<String, Value>, known: &Value) {
    let requests = kept.get_mut("resources").and_then(|resources| resources.get_mut("requests"));
    if let Some(requests) = requests.and_then(Value::as_object_mut) {
        let storage = known.pointer("/resources/requests/storage").cloned();
        requests.insert("storage".into(), storage.unwrap_or_else(|| json!("0")));
    }
    if kept.contains_key("volumeAttributesClassName") {
        copy(kept, "volumeAttributesClassName", known);
    }
}

fn shrinks(errors: &mut Errors, spec: &Value, known: &Value, old: &Value) {
    let amount = |object: &Value, pointer: &str| Quantity::parse(text(object, pointer)).unwrap_or_default();
    let (now, before) =
        (amount(spec, "/resources/requests/storage"), amount(known, "/resources/requests/storage"));
    // Less than before is fine while the volume has not grown: that takes back a growth that failed.
    if now < before && now <= amount(old, "/status/capacity/storage") {
        let detail = "field can not be less than status.capacity";
        errors.forbidden("spec.resources.requests.storage", detail);
    }
}

fn attributes(errors: &mut Errors, spec: &Value, known: &Value) {
    const KEY: &str = "volumeAttributesClassName";
    let path = format!("spec.{KEY}");
    match (known.get(KEY), spec.get(KEY).map(|class| class.as_str().unwrap_or_default())) {
        (Some(_), None) => errors.forbidden(path, "update from non-nil value to nil is forbidden"),
        (Some(before), Some("")) if before != "" => {
            errors.forbidden(path, "update from non-nil value to an empty string is forbidden");
        }
        _ => {}
    }
}
