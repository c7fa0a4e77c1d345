//! `x-kubernetes-embedded-resource`: whole objects within a custom resource.

use serde_json::{Value, json};

use super::{Schema, below};
use crate::json::text;
use crate::validation::custom_resource;
use crate::validation::dns_1035_label;
use crate::validation::errors::Errors;

/// What every object has is checked in those that stand within another, too.
pub(super) fn check(errors: &mut Errors, schema: &Schema, value: &Value, path: &str) {
    match value {
        Value::Object(fields) => {
            if schema.is_resource && !path.is_empty() {
                one(errors, value, path);
            }
            for (key, value) in fields {
                if let Some(schema) = schema.field(key) {
                    check(errors, schema, value, &below(path, key));
                }
            }
        }
        Value::Array(items) => {
            let Some(schema) = &schema.items else { return };
            for (index, item) in items.iter().enumerate() {
                check(errors, schema, item, &format!("{path}[{index}]"));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn one(errors: &mut Errors, object: &Value, path: &str) {
    let (api_version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
    for key in ["apiVersion", "kind"] {
        let field = format!("{path}.{key}");
        match object.get(key).map(Value::as_str) {
            None => errors.required(field, ""),
            Some(Some("")) => errors.invalid(field, "", "must not be empty"),
            Some(_) => {}
        }
    }
    if api_version.split('/').count() > 2 {
        let detail = format!("unexpected GroupVersion string: {api_version}");
        errors.invalid(format!("{path}.apiVersion"), api_version, &detail);
    }
    let wrong = dns_1035_label(&kind.to_lowercase());
    if !kind.is_empty() && !wrong.is_empty() {
        let detail = format!("may have mixed case, but should otherwise match: {}", wrong.join(","));
        errors.invalid(format!("{path}.kind"), kind, &detail);
    }
    let mut metadata = object.get("metadata").cloned().unwrap_or_default();
    if let Some(metadata) = metadata.as_object_mut() {
        // It may go without a name, and have one that is no subdomain.
        metadata.insert("name".into(), "name".into());
        metadata.remove("generateName");
        let found = custom_resource(&json!({"metadata": metadata}), None).into_iter();
        errors.0.extend(found.map(|mut error| {
            error.field = format!("{path}.{}", error.field);
            error
        }));
    }
}
