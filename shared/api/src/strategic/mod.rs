//! Strategic merge patch: lists merge by their keys, as the schema's table says, and directives steer it.

mod lists;

use serde_json::{Map, Value};

use crate::schema::{Field, Merge, Message, Shape};

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const SET_ORDER: &str = "$setElementOrder/";

/// A patch that says nothing sensible. `Display` is Kubernetes' sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatchError(pub String);

/// Applies a strategic merge patch to an object of the message (see [`crate::schema::root`]).
pub fn apply(object: &mut Value, patch: &Value, message: Option<&'static Message>) -> Result<(), PatchError> {
    let Value::Object(patch) = patch else {
        let found = match patch {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let message =
            format!("json: cannot unmarshal {found} into Go value of type map[string]interface {{}}");
        return Err(PatchError(message));
    };
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    match object {
        Value::Object(object) => merge(object, patch, message),
        _ => Ok(()),
    }
}

fn merge(
    object: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    message: Option<&'static Message>,
) -> Result<(), PatchError> {
    match patch.get(PATCH).map(|directive| directive.as_str().unwrap_or_default()) {
        None | Some("merge") => {}
        Some("replace") => object.clear(),
        Some("delete") => {
            object.clear();
            return Ok(());
        }
        Some(other) => return Err(PatchError(format!("unknown patch type found: {other}"))),
    }
    retain_keys(object, patch)?;
    let before = object.clone();
    for (key, change) in patch {
        if key == PATCH || key == RETAIN_KEYS || key.starts_with(SET_ORDER) {
            continue;
        }
        if let Some(list) = key.strip_prefix(DELETE_FROM) {
            lists::remove_scalars(object.get_mut(list), change);
            continue;
        }
        merge_field(object, key, change, message.and_then(|message| message.field(key)))?;
    }
    for (key, order) in patch {
        if let Some(list) = key.strip_prefix(SET_ORDER) {
            let field = message.and_then(|message| message.field(list));
            lists::order(object.get_mut(list), before.get(list), order, field.and_then(|field| field.merge));
        }
    }
    Ok(())
}

fn merge_field(
    object: &mut Map<String, Value>,
    key: &str,
    change: &Value,
    field: Option<&'static Field>,
) -> Result<(), PatchError> {
    // A map's own keys are not fields: below it, only the values' message counts.
    let message = field.filter(|field| field.shape != Shape::Map).and_then(Field::message);
    match (change, field.and_then(|field| field.merge)) {
        (Value::Null, _) => {
            object.remove(key);
        }
        (Value::Object(change), _) => {
            let slot = object.entry(key).or_insert_with(|| Value::Object(Map::new()));
            if !slot.is_object() {
                *slot = Value::Object(Map::new());
            }
            if let Value::Object(slot) = slot {
                merge(slot, change, message)?;
            }
        }
        (Value::Array(changes), Some(strategy)) => {
            let slot = object.entry(key).or_insert_with(|| Value::Array(Vec::new()));
            if !slot.is_array() {
                *slot = Value::Array(Vec::new());
            }
            match (slot, strategy) {
                (Value::Array(list), Merge::By(merge_key)) => {
                    lists::merge(list, changes, merge_key, message)?
                }
                (Value::Array(list), Merge::Set) => lists::unite(list, changes),
                _ => {}
            }
        }
        (change, _) => {
            object.insert(key.to_owned(), change.clone());
        }
    }
    Ok(())
}

fn retain_keys(object: &mut Map<String, Value>, patch: &Map<String, Value>) -> Result<(), PatchError> {
    let Some(keep) = patch.get(RETAIN_KEYS) else { return Ok(()) };
    let Value::Array(keep) = keep else {
        return Err(PatchError(format!("invalid patch format of {RETAIN_KEYS}: it is not a list")));
    };
    object.retain(|key, _| keep.iter().any(|kept| kept.as_str() == Some(key)));
    Ok(())
}

#[cfg(test)]
mod tests;
