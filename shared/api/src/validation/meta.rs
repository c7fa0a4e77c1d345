//! Rules of `metadata` and of label selectors.

use serde_json::Value;

use super::Errors;
use super::format::{Format, dns_subdomain, label_value, qualified_name};
use crate::json::{entries, items, text};

/// Annotations of one object may take this many bytes together.
const ANNOTATION_BYTES: usize = 256 * 1024;

/// Checks `metadata` of a new object, or of a change of `old`.
pub(super) fn metadata(errors: &mut Errors, object: &Value, old: Option<&Value>, name_format: Format) {
    let name = text(object, "/metadata/name");
    let base = text(object, "/metadata/generateName");
    if !base.is_empty() {
        // The suffix follows: a trailing dash or dot is fine there.
        errors.format(
            "metadata.generateName",
            base,
            name_format(&format!("{}0", base.trim_end_matches(['-', '.']))),
        );
    }
    match name {
        "" if base.is_empty() => errors.required("metadata.name", "name or generateName is required"),
        "" => {}
        name => errors.format("metadata.name", name, name_format(name)),
    }
    labels(errors, object, "/metadata/labels", "metadata.labels");
    annotations(errors, object, "/metadata/annotations", "metadata.annotations");
    for finalizer in items(object, "/metadata/finalizers").iter().filter_map(Value::as_str) {
        errors.format("metadata.finalizers", finalizer, qualified_name(finalizer));
    }
    owners(errors, object);
    if let Some(old) = old {
        change(errors, object, old);
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

fn annotations(errors: &mut Errors, object: &Value, pointer: &str, path: &str) {
    let mut bytes = 0;
    for (key, value) in entries(object, pointer) {
        errors.format(path, key, qualified_name(&key.to_lowercase()));
        bytes += key.len() + value.as_str().map_or(0, str::len);
    }
    if bytes > ANNOTATION_BYTES {
        errors.too_long(path, ANNOTATION_BYTES);
    }
}

fn owners(errors: &mut Errors, object: &Value) {
    let owners = items(object, "/metadata/ownerReferences");
    for (index, owner) in owners.iter().enumerate() {
        for key in ["apiVersion", "kind", "name", "uid"] {
            if text(owner, &format!("/{key}")).is_empty() {
                let path = format!("metadata.ownerReferences[{index}].{key}");
                errors.invalid(
                    path,
                    "",
                    &format!("{} must not be empty", if key == "apiVersion" { "version" } else { key }),
                );
            }
        }
    }
    let controllers: Vec<&Value> =
        owners.iter().filter(|owner| crate::json::flag(owner, "/controller")).collect();
    if let [first, second, ..] = controllers.as_slice() {
        let detail = format!(
            "Only one reference can have Controller set to true. Found \"true\" in references for {}/{} and {}/{}",
            text(first, "/kind"),
            text(first, "/name"),
            text(second, "/kind"),
            text(second, "/name")
        );
        errors.invalid("metadata.ownerReferences", Value::Array(owners.to_vec()), &detail);
    }
}

fn change(errors: &mut Errors, object: &Value, old: &Value) {
    for key in ["name", "namespace"] {
        let pointer = format!("/metadata/{key}");
        errors.immutable(&format!("metadata.{key}"), object.pointer(&pointer), old.pointer(&pointer));
    }
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
