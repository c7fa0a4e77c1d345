//! Brings a value into the shape of its schema: unknown fields go, and defaults stand where nothing does.

use serde_json::{Map, Value};

use super::{Additional, Schema, below};

/// What every object has, whatever its schema says.
const OF_RESOURCES: [&str; 3] = ["apiVersion", "kind", "metadata"];

impl Schema {
    /// Removes what the schema does not know; returns the paths of what went, in the order of the fields.
    pub fn prune(&self, object: &mut Value) -> Vec<String> {
        let mut unknown = Vec::new();
        prune(self, object, "", &mut unknown);
        unknown
    }

    /// Fills in defaults. `null` counts as nothing where the schema does not allow it.
    pub fn fill_in(&self, object: &mut Value) {
        match object {
            Value::Object(fields) => self.fill_in_fields(fields),
            Value::Array(items) => {
                let Some(schema) = &self.items else { return };
                for item in items {
                    if let (Value::Null, false, Some(default)) = (&*item, schema.nullable, &schema.default) {
                        *item = default.clone();
                    }
                    schema.fill_in(item);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn fill_in_fields(&self, fields: &mut Map<String, Value>) {
        fields.retain(|key, value| {
            !value.is_null()
                || self.field(key).is_none_or(|schema| schema.nullable || schema.default.is_some())
        });
        for (key, schema) in &self.properties {
            if let Some(default) = &schema.default
                && fields.get(key).is_none_or(|value| value.is_null() && !schema.nullable)
            {
                fields.insert(key.clone(), default.clone());
            }
        }
        for (key, value) in fields {
            let Some(schema) = self.field(key) else { continue };
            if let (Value::Null, false, Some(default)) = (&*value, schema.nullable, &schema.default) {
                *value = default.clone();
            }
            schema.fill_in(value);
        }
    }
}

fn prune(schema: &Schema, value: &mut Value, path: &str, unknown: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.retain(|key, value| {
                if schema.is_resource && OF_RESOURCES.contains(&key.as_str()) {
                    return true;
                }
                let path = || below(path, key);
                match (schema.field(key), &schema.additional) {
                    (Some(schema), _) => prune(schema, value, &path(), unknown),
                    (None, Some(Additional::Anything)) => {}
                    (None, _) if schema.preserves_unknown => {}
                    (None, _) => {
                        unknown.push(path());
                        return false;
                    }
                }
                true
            });
        }
        Value::Array(items) => {
            let Some(schema) = &schema.items else { return };
            for (index, item) in items.iter_mut().enumerate() {
                prune(schema, item, &format!("{path}[{index}]"), unknown);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
