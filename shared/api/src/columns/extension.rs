//! What `kubectl get` shows of CustomResourceDefinitions.

use serde_json::{Value, json};

use super::{NAME, column, name};
use crate::Timestamp;
use crate::json::text;
use crate::kinds::Column;

/// Columns of CustomResourceDefinitions.
pub const CUSTOM_RESOURCE_DEFINITION: &[Column] =
    &[NAME, column(["Created At", "date", "", "When the definition was created."], 0)];

/// Cells of a CustomResourceDefinition.
pub fn custom_resource_definition(object: &Value, _: Timestamp) -> Vec<Value> {
    vec![name(object), json!(text(object, "/metadata/creationTimestamp"))]
}
