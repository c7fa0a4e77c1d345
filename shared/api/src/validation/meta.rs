//! Rules of `metadata` and of label selectors.

use serde_json::Value;

use super::Errors;
use super::format::{Format, dns_subdomain, label_value, qualified_name};
use crate::json::{entries, items, text};

/// Annotations of one object may take this many bytes together.
const ANNOTATION_BYTES: usize = 256 * 1024;
/// Finalizers of Kubernetes' own kinds that need no domain.
const STANDARD_FINALIZERS: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];

/// Checks `metadata` of a new object of a kind that Kubernetes builds in, or of a change of `old`.
pub(super) fn metadata(errors: &mut Errors, object: &Value, old: Option<&Value>, name_format: Format) {
    general(errors, object, old, name_format);
    // What is there already may be older than the rule.
    let known = old.map(|old| items(old, "/metadata/finalizers")).unwrap_or_default();
    for (index, value) in items(object, "/metadata/finalizers").iter().enumerate() {
        let name = value.as_str().unwrap_or_default();
        if !name.contains('/') && !STANDARD_FINALIZERS.contains(&name) && !known.contains(value) {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            errors.invalid(format!("metadata.finalizers[{index}]"), name, detail);
        }
    }
}

/// Checks `metadata` of a new object of any kind, or of a change of `old`.
pub(super) fn general(errors: &mut Errors, object: &Value, old: Option<&Value>, name_format: Format) {
    match old {
        Some(old) => change(errors, object, old),
        None => name(errors, object, name_format),
    }
    labels(errors, object, "/metadata/labels", "metadata.labels");
    annotations(errors, object, "/metadata/annotations", "metadata.annotations");
    owners(errors, object);
    finalizers(errors, object);
}

fn name(errors: &mut Errors, object: &Value, name_format: Format) {
    let name = text(object, "/metadata/name");
    let base = text(object, "/metadata/generateName");
    if !base.is_empty() {
        errors.format("metadata.generateName", base, name_format(&masked(base)));
    }
    match name {
        "" if base.is_empty() => errors.required("metadata.name", "name or generateName is required"),
        "" => {}
        name => errors.format("metadata.name", name, name_format(name)),
    }
}

/// The base of a name that is generated, whose suffix follows: a trailing dash is fine there.
fn masked(base: &str) -> String {
    match base.strip_suffix('-').filter(|rest| !rest.is_empty()) {
        Some(rest) => {
            let mut masked = rest.to_owned();
            masked.pop();
            masked + "a"
        }
        None => base.to_owned(),
    }
}

fn finalizers(errors: &mut Errors, object: &Value) {
    let finalizers = items(object, "/metadata/finalizers");
    for finalizer in finalizers.iter().filter_map(Value::as_str) {
        errors.format("metadata.finalizers", finalizer, qualified_name(finalizer));
    }
    if ["orphan", "foregroundDeletion"].iter().all(|one| finalizers.iter().any(|name| name == one)) {
        let detail = "finalizer orphan and foregroundDeletion cannot be both set";
        errors.invalid("metadata.finalizers", finalizers.to_vec(), detail);
    }
}

/// Checks a map of labels at `pointer`.
pub(super) fn labels(errors: &mut Errors, object: &Value, pointer: &str, path: &str) {
    for (key, value) in entries(object, pointer) {
        let value = value.as_str().unwrap_or_default();
        errors.format(path, key, qualified_name(key));
        errors.format(path, value, label_value(value));
    }
}

/// Checks a map of annotations at `pointer`.
pub(super) fn annotations(errors: &mut Errors, object: &Value, pointer: &str, path: &str) {
    let mut bytes = 0;
    for (key, value) in entries(object, pointer) {
        errors.format(path, key, qualified_name(&key.to_lowercase()));
        bytes += key.len() + value.as_str().map_or(0, str::len);
    }
    if bytes > ANNOTATION_BYTES {
        errors.too_long(path, ANNOTATION_BYTES);
    }
}

/// Checks the metadata of a template that is made into objects of other names: only labels and annotations may be set.
pub(super) fn template(errors: &mut Errors, metadata: &Value, path: &str) {
    annotations(errors, metadata, "/annotations", &format!("{path}.annotations"));
    labels(errors, metadata, "/labels", &format!("{path}.labels"));
    for (key, _) in entries(metadata, "").filter(|(key, _)| !matches!(*key, "annotations" | "labels")) {
        errors.forbidden(format!("{path}.{key}"), "cannot be set");
    }
}

fn owners(errors: &mut Errors, object: &Value) {
    const PATH: &str = "metadata.ownerReferences";
    let owners = items(object, "/metadata/ownerReferences");
    let mut controller: Option<String> = None;
    for owner in owners {
        let version = text(owner, "/apiVersion");
        // What cannot be read as a group and a version is none.
        if version.is_empty() || version.matches('/').count() > 1 || version.ends_with('/') {
            errors.invalid(format!("{PATH}.apiVersion"), version, "version must not be empty");
        }
        for key in ["kind", "name", "uid"] {
            if text(owner, &format!("/{key}")).is_empty() {
                errors.invalid(format!("{PATH}.{key}"), "", "must not be empty");
            }
        }
        if text(owner, "/apiVersion") == "v1" && text(owner, "/kind") == "Event" {
            let detail = "/v1, Kind=Event is disallowed from being an owner";
            errors.invalid(PATH, owner.clone(), detail);
        }
        if crate::json::flag(owner, "/controller") {
            let own = format!("{}/{}", text(owner, "/kind"), text(owner, "/name"));
            if let Some(first) = &controller {
                let detail = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {own}"
                );
                errors.invalid(PATH, owners.to_vec(), &detail);
            }
            controller.get_or_insert(own);
        }
    }
}

fn change(errors: &mut Errors, object: &Value, old: &Value) {
    if old.pointer("/metadata/deletionTimestamp").is_some() {
        let known = items(old, "/metadata/finalizers");
        let added = items(object, "/metadata/finalizers").iter().filter(|name| !known.contains(name));
        let added: Vec<String> = added.map(Value::to_string).collect();
        if !added.is_empty() {
            let detail = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                added.join(", ")
            );
            errors.forbidden("metadata.finalizers", &detail);
        }
    }
    for key in ["name", "namespace"] {
        let pointer = format!("/metadata/{key}");
        errors.immutable(&format!("metadata.{key}"), object.pointer(&pointer), old.pointer(&pointer));
    }
}

/// Checks a `metav1.LabelSelector`.
pub(super) fn selector(errors: &mut Errors, selector: &Value, path: &str) {
    labels(errors, selector, "/matchLabels", &format!("{path}.matchLabels"));
    for (index, expression) in items(selector, "/matchExpressions").iter().enumerate() {
        let path = format!("{path}.matchExpressions[{index}]");
        let values = items(expression, "/values");
        match text(expression, "/operator") {
            "In" | "NotIn" if values.is_empty() => errors
                .required(format!("{path}.values"), "must be specified when `operator` is 'In' or 'NotIn'"),
            "Exists" | "DoesNotExist" if !values.is_empty() => errors.forbidden(
                format!("{path}.values"),
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            ),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => errors.invalid(format!("{path}.operator"), other, "not a valid selector operator"),
        }
        let key = text(expression, "/key");
        errors.format(&format!("{path}.key"), key, qualified_name(key));
        for (index, value) in values.iter().filter_map(Value::as_str).enumerate() {
            errors.format(&format!("{path}.values[{index}]"), value, label_value(value));
        }
    }
}

/// Subdomain names, the rule of most kinds.
pub(super) fn standard(errors: &mut Errors, object: &Value, old: Option<&Value>) {
    metadata(errors, object, old, dns_subdomain);
}

/// As [`standard`], of kinds whose finalizers need no domain.
pub(super) fn loose(errors: &mut Errors, object: &Value, old: Option<&Value>) {
    general(errors, object, old, dns_subdomain);
}
