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

/// The schema of an object, with the fields that all objects have, also those that stand within it.
pub fn definition(schema: &Value, common: &Map<String, Value>, flavour: Flavour) -> Value {
    let mut definition = schema.clone();
    match flavour {
        Flavour::V2 => simplify(&mut definition),
        Flavour::V3 => spell_out(&mut definition, common),
    }
    if let Some(fields) = definition.as_object_mut() {
        add_common(fields, common);
    }
    definition
}

fn add_common(fields: &mut Map<String, Value>, common: &Map<String, Value>) {
    let properties = fields.entry("properties").or_insert_with(|| Map::new().into());
    if let Some(properties) = properties.as_object_mut() {
        properties.extend(common.clone());
    }
}

/// Says what Kubernetes' own words for schemas imply.
fn spell_out(schema: &mut Value, common: &Map<String, Value>) {
    let Some(fields) = schema.as_object_mut() else { return };
    let is = |fields: &Map<String, Value>, key: &str| fields.get(key) == Some(&json!(true));
    if is(fields, "x-kubernetes-int-or-string")
        && !["anyOf", "allOf"].iter().any(|key| fields.contains_key(*key))
    {
        fields.insert("anyOf".into(), json!([{"type": "integer"}, {"type": "string"}]));
    }
    if is(fields, "x-kubernetes-embedded-resource") {
        add_common(fields, common);
        let required = fields.entry("required").or_insert_with(|| json!([]));
        if let Some(required) = required.as_array_mut() {
            required.extend([json!("kind"), json!("apiVersion")]);
        }
    }
    below(fields, |inner| spell_out(inner, common));
}

/// Does something with each schema right below.
fn below(fields: &mut Map<String, Value>, mut act: impl FnMut(&mut Value)) {
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = fields.get_mut(key) {
            act(inner);
        }
    }
    for inner in fields.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        act(inner.1);
    }
}

/// Leaves out what version 2 cannot say. What may be null has no type there, or clients would refuse it.
fn simplify(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    if fields.get("nullable") == Some(&json!(true)) {
        fields.remove("type");
    }
    fields.retain(|key, _| !ONLY_V3.contains(&key.as_str()));
    below(fields, simplify);
}
