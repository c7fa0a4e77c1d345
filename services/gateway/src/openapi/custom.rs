//! The definitions of custom kinds, out of their structural schemas.

use serde_json::{Map, Value, json};

use super::model::Kind;
use super::schemas::Flavour;

/// What version 2 has no words for.
const ONLY_V3: [&str; 5] = ["allOf", "anyOf", "oneOf", "not", "nullable"];

/// `com.example.stable.v1.CronTab`.
pub fn name(kind: &Kind) -> String {
    let mut words: Vec<&str> = kind.version.group.split('.').rev().collect();
    words.extend([kind.version.version, kind.name]);
    words.join(".")
}

/// The schema of an object, with the fields that all objects have.
pub fn definition(schema: &Value, common: impl Iterator<Item = (String, Value)>, flavour: Flavour) -> Value {
    let mut definition = schema.clone();
    if flavour == Flavour::V2 {
        simplify(&mut definition);
    }
    if let Some(fields) = definition.as_object_mut() {
        let properties = fields.entry("properties").or_insert_with(|| Map::new().into());
        if let Some(properties) = properties.as_object_mut() {
            properties.extend(common);
        }
    }
    definition
}

/// Leaves out what version 2 cannot say. What may be null has no type there, or clients would refuse it.
fn simplify(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    if fields.get("nullable") == Some(&json!(true)) {
        fields.remove("type");
    }
    fields.retain(|key, _| !ONLY_V3.contains(&key.as_str()));
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = fields.get_mut(key) {
            simplify(inner);
        }
    }
    for inner in fields.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        simplify(inner.1);
    }
}
