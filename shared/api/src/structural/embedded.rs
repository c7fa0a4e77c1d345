//! `x-kubernetes-embedded-resource`: whole objects within a custom resource.

use serde_json::Value;

use super::{Schema, below};
use crate::validation::embedded_resource;
use crate::validation::errors::Errors;

/// What every object has is checked in those that stand within another, too.
pub(super) fn check(errors: &mut Errors, schema: &Schema, value: &Value, path: &str) {
    if schema.is_resource && value.is_object() && !path.is_empty() {
        errors.0.extend(embedded_resource(value, path));
    }
    if !schema.has_resources {
        return;
    }
    match value {
        Value::Object(fields) => {
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
