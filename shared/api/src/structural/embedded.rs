//! `x-kubernetes-embedded-resource`: whole objects within a custom resource.

use serde_json::Value;

use super::Schema;
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
    schema.each_below(value, path, &mut |schema, value, path| check(errors, schema, value, path));
}
