//! Brings a value into the shape of its schema: unknown fields go, and defaults stand where nothing does.

use serde_json::{Map, Value};

use super::{Additional, Schema, below};
use crate::kinds::decode_metadata;

/// What every object has, whatever its schema says.
const OF_RESOURCES: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// What pruning found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The paths of what went, in the order of the fields.
    pub unknown: Vec<String>,
    /// What makes an object within this one none.
    pub wrong: Option<String>,
    /// What went from the metadata of objects within this one; told last.
    embedded: Vec<String>,
}

impl Schema {
    /// Removes what the schema does not know.
    pub fn prune(&self, object: &mut Value) -> Pruned {
        let mut pruned = Pruned::default();
        prune(self, object, "", &mut pruned);
        pruned.unknown.append(&mut pruned.embedded);
        pruned
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

fn prune(schema: &Schema, value: &mut Value, path: &str, pruned: &mut Pruned) {
    match value {
        Value::Object(fields) => {
            fields.retain(|key, value| {
                if schema.is_resource && OF_RESOURCES.contains(&key.as_str()) {
                    if !path.is_empty() {
                        of_resource(key, value, &below(path, key), pruned);
                    }
                    return true;
                }
                let path = || below(path, key);
                match (schema.field(key), &schema.additional) {
                    (Some(schema), _) => prune(schema, value, &path(), pruned),
                    (None, Some(Additional::Anything)) => {}
                    (None, _) if schema.preserves_unknown => {}
                    (None, _) => {
                        pruned.unknown.push(path());
                        return false;
                    }
                }
                true
            });
        }
        Value::Array(items) => {
            let Some(schema) = &schema.items else { return };
            for (index, item) in items.iter_mut().enumerate() {
                prune(schema, item, &format!("{path}[{index}]"), pruned);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A field that every object has, of one within another: it has the type that it has everywhere.
fn of_resource(key: &str, value: &mut Value, path: &str, pruned: &mut Pruned) {
    if key != "metadata" {
        if !value.is_string() {
            pruned.wrong.get_or_insert_with(|| format!("{path}: Invalid value: {value}: must be a string"));
        }
        return;
    }
    match decode_metadata(value.clone()) {
        Ok((metadata, unknown)) => {
            *value = metadata;
            let names = unknown.into_iter().map(|name| name.trim_start_matches("metadata.").to_owned());
            pruned.embedded.extend(names.map(|name| format!("{path}.{name}")));
        }
        Err(why) => {
            pruned.wrong.get_or_insert_with(|| format!("{path}: Invalid value: {value}: {why}"));
        }
    }
}
