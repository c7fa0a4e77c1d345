//! Sets fields of JSON objects that are being put together.

use serde_json::Value;

/// Sets a field. What is no object has no fields and stays as it is.
pub fn set(object: &mut Value, field: &str, value: impl Into<Value>) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(field.to_owned(), value.into());
    }
}
