//! Merges lists: objects by a key, scalars as a set, and puts them in the order that a patch asks for.

use serde_json::{Map, Value};

use super::{PATCH, PatchError};
use crate::schema::{Merge, Message};

/// Merges objects into a list; `key` tells which ones are the same.
pub(super) fn merge(
    list: &mut Vec<Value>,
    changes: &[Value],
    key: &str,
    message: Option<&'static Message>,
) -> Result<(), PatchError> {
    let directive = |change: &Value| change.get(PATCH).and_then(Value::as_str).map(str::to_owned);
    if changes.iter().any(|change| directive(change).as_deref() == Some("replace")) {
        list.clear();
    }
    for change in changes {
        let Value::Object(fields) = change else {
            return Err(PatchError(format!("expected a map in a list that merges by {key}, found {change}")));
        };
        let identity = match (directive(change).as_deref(), fields.get(key)) {
            (Some("replace"), None) => continue,
            (_, Some(identity)) => identity,
            (_, None) => {
                return Err(PatchError(format!("map: {change} does not contain declared merge key: {key}")));
            }
        };
        match directive(change).as_deref() {
            Some("delete") => list.retain(|item| item.get(key) != Some(identity)),
            None | Some("merge" | "replace") => {
                let known = list.iter().position(|item| item.get(key) == Some(identity));
                match known.and_then(|index| list.get_mut(index)) {
                    Some(Value::Object(item)) => super::merge(item, fields, message)?,
                    _ => {
                        let mut item = Map::new();
                        super::merge(&mut item, fields, message)?;
                        list.push(Value::Object(item));
                    }
                }
            }
            Some(other) => return Err(PatchError(format!("unknown patch type found: {other}"))),
        }
    }
    Ok(())
}

/// Adds scalars that are not there yet.
pub(super) fn unite(list: &mut Vec<Value>, changes: &[Value]) {
    for change in changes {
        if !list.contains(change) {
            list.push(change.clone());
        }
    }
}

/// Takes scalars out.
pub(super) fn remove_scalars(list: Option<&mut Value>, removed: &Value) {
    if let (Some(Value::Array(list)), Value::Array(removed)) = (list, removed) {
        list.retain(|item| !removed.contains(item));
    }
}

/// Puts the items that `order` names in its order; others keep their places relative to what was there `before`.
pub(super) fn order(
    list: Option<&mut Value>,
    before: Option<&Value>,
    order: &Value,
    strategy: Option<Merge>,
) {
    let (Some(Value::Array(list)), Value::Array(order)) = (list, order) else { return };
    let identity = |item: &Value| match strategy {
        Some(Merge::By(key)) => item.get(key).cloned().unwrap_or_default(),
        _ => item.clone(),
    };
    let wanted: Vec<Value> = order.iter().map(identity).collect();
    let previous: Vec<Value> = before.and_then(Value::as_array).into_iter().flatten().map(identity).collect();
    let place = |item: &Value| previous.iter().position(|known| *known == identity(item));
    let (mut named, others): (Vec<Value>, Vec<Value>) =
        std::mem::take(list).into_iter().partition(|item| wanted.contains(&identity(item)));
    named.sort_by_key(|item| wanted.iter().position(|name| *name == identity(item)));
    let mut others = others.into_iter().peekable();
    for item in named {
        while others.peek().is_some_and(|other| comes_before(place(other), place(&item))) {
            list.extend(others.next());
        }
        list.push(item);
    }
    list.extend(others);
}

/// Items that were not both there before have no order; then the named one goes first.
fn comes_before(other: Option<usize>, named: Option<usize>) -> bool {
    matches!((other, named), (Some(other), Some(named)) if other < named)
}
