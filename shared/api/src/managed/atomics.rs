//! Finds what would be replaced whole.

use serde_json::Value;

use super::types::{Form, TypeRef};

/// Paths (`.spec.tolerations`) of lists and maps within what is applied that are replaced whole.
pub fn atomics(kind: TypeRef<'_>, applied: &Value) -> Vec<String> {
    let mut found = Vec::new();
    find(kind, applied, &mut String::new(), &mut found);
    found
}

fn find(kind: TypeRef<'_>, value: &Value, path: &mut String, found: &mut Vec<String>) {
    if matches!(value, Value::Array(_) | Value::Object(_)) && kind.form(value) == Form::Leaf {
        found.push(path.clone());
    }
    let length = path.len();
    let below: Vec<(String, TypeRef<'_>, &Value)> = match value {
        Value::Object(fields) => fields
            .iter()
            .filter_map(|(name, value)| Some((format!(".{name}"), kind.field(name)?, value)))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| (format!("[{index}]"), kind.element(), item))
            .collect(),
        _ => Vec::new(),
    };
    for (step, kind, value) in below {
        path.push_str(&step);
        find(kind, value, path, found);
        path.truncate(length);
    }
}
