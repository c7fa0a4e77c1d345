//! Rules of custom resources that do not follow from their schema.

use serde_json::{Value, json};

use crate::json::text;
use crate::kinds::{FieldError, ScalePaths, decode_metadata};
use crate::validation::format::{dns_1035_label, path_segment};
use crate::validation::{Errors, meta};

/// Checks a custom resource, as far as every object is alike.
pub fn custom_resource(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::loose(&mut errors, object, old);
    errors.0
}

/// Checks the `labels` or `annotations` that a conversion webhook has changed.
pub fn converted_metadata(field: &str, texts: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    match field {
        "labels" => meta::labels(&mut errors, texts, "", "metadata.labels"),
        // Kubernetes' own path.
        _ => meta::annotations(&mut errors, texts, "", "metadata.annotation"),
    }
    errors.0
}

/// Checks what `/scale` shows of a custom resource.
pub fn scale_of_custom_resource(object: &Value, paths: &ScalePaths) -> Vec<FieldError> {
    let mut errors = Errors::default();
    for path in [&paths.replicas, &paths.current] {
        let field = path.replace('/', ".");
        match found(object, path, "int64", Value::is_i64) {
            Err(why) => errors.invalid(field, 0, &why),
            Ok(None) => {}
            Ok(Some(number)) => match number.as_i64().unwrap_or_default() {
                number @ ..0 => errors.invalid(field, number, "should be a non-negative integer"),
                number if number > i64::from(i32::MAX) => {
                    errors.invalid(field, number, "should be less than or equal to 2147483647");
                }
                _ => {}
            },
        }
    }
    if let Err(why) = found(object, &paths.selector, "string", Value::is_string) {
        errors.invalid(paths.selector.replace('/', "."), "", &why);
    }
    errors.0
}

/// What stands at a pointer of fields; else how Kubernetes' accessors complain.
fn found<'o>(
    object: &'o Value,
    pointer: &str,
    wanted: &str,
    is_wanted: fn(&Value) -> bool,
) -> Result<Option<&'o Value>, String> {
    let fields: Vec<&str> = pointer.split('/').filter(|field| !field.is_empty()).collect();
    if fields.is_empty() {
        return Ok(None);
    }
    let strange = |depth: usize, value: &Value, wanted: &str| {
        let path = fields.get(..depth).unwrap_or_default().join(".");
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let found = crate::json::go_type(value);
        format!(".{path} accessor error: {shown} is of the type {found}, expected {wanted}")
    };
    let mut value = object;
    for (depth, field) in fields.iter().enumerate() {
        let Some(within) = value.as_object() else {
            return Err(strange(depth, value, "map[string]interface{}"));
        };
        match within.get(*field) {
            None => return Ok(None),
            Some(next) => value = next,
        }
    }
    match is_wanted(value) {
        true => Ok(Some(value)),
        false => Err(strange(fields.len(), value, wanted)),
    }
}

/// Checks a resource within a resource, which stands at `path`: it has a version and a kind; its metadata is like all metadata.
pub fn embedded_resource(object: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Errors::default();
    for key in ["apiVersion", "kind"] {
        let field = format!("{path}.{key}");
        match object.get(key) {
            None => errors.required(field, ""),
            Some(Value::String(word)) if word.is_empty() => errors.invalid(field, "", "must not be empty"),
            Some(Value::String(word)) if key == "kind" => {
                let wrong = dns_1035_label(&word.to_lowercase()).join(",");
                if !wrong.is_empty() {
                    let why = format!("may have mixed case, but should otherwise match: {wrong}");
                    errors.invalid(field, word.as_str(), &why);
                }
            }
            Some(Value::String(word)) => {
                if word.matches('/').count() > 1 {
                    let why = format!("unexpected GroupVersion string: {word}");
                    errors.invalid(field, word.as_str(), &why);
                }
            }
            Some(other) => errors.invalid(field, other.clone(), "must be a string"),
        }
    }
    let Some(metadata) = object.get("metadata") else { return errors.0 };
    match decode_metadata(metadata.clone()) {
        Err(why) => errors.invalid(format!("{path}.metadata"), metadata.clone(), &why),
        Ok((mut metadata, _)) => {
            if text(&metadata, "/name").is_empty()
                && let Some(fields) = metadata.as_object_mut()
            {
                // It need not have one.
                fields.insert("name".into(), "fakename".into());
            }
            let mut found = Errors::default();
            meta::general(&mut found, &json!({"metadata": metadata}), None, path_segment);
            errors.0.extend(
                found
                    .0
                    .into_iter()
                    .map(|error| FieldError { field: format!("{path}.{}", error.field), ..error }),
            );
        }
    }
    errors.0
}
