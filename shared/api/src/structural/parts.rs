//! Looks at a value part by part, with what stood there before: at what is repeated in lists, at embedded resources, at rules.

use std::collections::HashMap;

use serde_json::Value;

use super::validate::Place;
use super::{Additional, List, Schema, below, rules};
use crate::cel::Budget;
use crate::kinds::FieldError;
use crate::validation;
use crate::validation::errors::Errors;

/// Visits the fields of an object or the elements of a list that have a schema.
pub(super) fn each<'a>(schema: &'a Schema, place: Place<'_>, visit: &mut dyn FnMut(&'a Schema, Place<'_>)) {
    let Place { value, old, path } = place;
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let Some(schema) = schema.field(key) else { continue };
                let old = old.and_then(|old| old.get(key));
                visit(schema, Place { value, old, path: &below(path, key) });
            }
        }
        Value::Array(items) => {
            let Some(of_items) = &schema.items else { return };
            let before = old.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            for (index, value) in items.iter().enumerate() {
                let old = twin(&schema.list, value, before);
                visit(of_items, Place { value, old, path: &format!("{path}[{index}]") });
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The element of a list before that an element continues: in an atomic list none does.
fn twin<'a>(list: &List, value: &Value, before: &'a [Value]) -> Option<&'a Value> {
    match list {
        List::Atomic => None,
        List::Set => before.iter().find(|old| *old == value),
        List::Map(keys) => before.iter().find(|old| keys.iter().all(|key| old.get(key) == value.get(key))),
    }
}

/// Elements that are in a set or a map twice.
pub(super) fn repeated(schema: &Schema, value: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    look_for_repeated(&mut errors, schema, Place { value, old: None, path: "" });
    errors.0
}

fn look_for_repeated(errors: &mut Errors, schema: &Schema, place: Place<'_>) {
    if let Value::Array(items) = place.value {
        distinct(errors, &schema.list, items, place.path);
    }
    each(schema, place, &mut |schema, place| look_for_repeated(errors, schema, place));
}

fn distinct(errors: &mut Errors, list: &List, items: &[Value], path: &str) {
    let identity = |item: &Value| match list {
        List::Atomic => None,
        List::Set => Some(item.clone()),
        List::Map(keys) => {
            let pairs = keys.iter().filter_map(|key| Some((key.clone(), item.get(key)?.clone())));
            Some(Value::Object(pairs.collect()))
        }
    };
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        let Some(identity) = identity(item) else { continue };
        let times = seen.entry(identity.to_string()).or_default();
        *times += 1;
        // As in Kubernetes, the first repetition is told.
        if *times == 2 {
            errors.duplicate(format!("{path}[{index}]"), identity);
        }
    }
}

/// What is wrong with the kinds and the metadata of resources within an object.
pub(super) fn resources(errors: &mut Errors, schema: &Schema, place: Place<'_>) {
    each(schema, place, &mut |schema, place| {
        if schema.is_resource && place.value.is_object() {
            errors.0.extend(validation::embedded_resource(place.value, place.path));
        }
        resources(errors, schema, place);
    });
}

/// Whether there is any rule in a schema.
pub(super) fn have_rules(schema: &Schema) -> bool {
    let additional = match &schema.additional {
        Some(Additional::Of(schema)) => Some(&**schema),
        Some(Additional::Anything) | None => None,
    };
    !schema.rules.is_empty()
        || schema.properties.values().chain(additional).chain(schema.items.as_deref()).any(have_rules)
}

/// Evaluates rules, those of a whole before those of its parts. What has not changed was good enough before.
pub(super) fn rules(errors: &mut Errors, budget: &mut Budget, schema: &Schema, place: Place<'_>) {
    let Place { value, old, path } = place;
    if old == Some(value) || value.is_null() && schema.nullable {
        return;
    }
    rules::check(errors, budget, schema, (value, old), path);
    each(schema, place, &mut |schema, place| rules(errors, budget, schema, place));
}
