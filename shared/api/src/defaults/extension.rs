//! Defaults of CustomResourceDefinitions.

use serde_json::{Value, json};

use super::each;
use crate::json::{child, set_default, text};

/// Names that follow from the kind, and no conversion between versions.
pub fn custom_resource_definition(object: &mut Value) {
    let Some(spec) = object.get_mut("spec") else { return };
    let kind = text(spec, "/names/kind").to_owned();
    if let Some(names) = child(spec, "names").filter(|_| !kind.is_empty()) {
        set_default(names, "singular", kind.to_lowercase());
        set_default(names, "listKind", format!("{kind}List"));
    }
    if let Some(spec) = spec.as_object_mut() {
        set_default(spec, "conversion", json!({"strategy": "None"}));
    }
    if let Some(service) =
        spec.pointer_mut("/conversion/webhook/clientConfig/service").and_then(Value::as_object_mut)
    {
        set_default(service, "port", 443);
    }
    for schema in each(spec, "/versions").filter_map(|version| version.get_mut("schema")) {
        whole_bounds(schema);
    }
}

/// Bounds are floating-point numbers, and those are written without a fraction that is zero.
fn whole_bounds(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 1e15) {
                    Some(number) if matches!(key.as_str(), "minimum" | "maximum" | "multipleOf") => {
                        *value = json!(number as i64);
                    }
                    _ => whole_bounds(value),
                }
            }
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(whole_bounds),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
