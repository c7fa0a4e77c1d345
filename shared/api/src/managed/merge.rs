//! Lays what is applied over what is stored: maps merge by key, lists by their elements' identity, all else is replaced.

use serde_json::{Map, Value};

use super::types::{Form, TypeRef};

/// What is stored, with what is applied laid over it.
pub(super) fn merge(kind: TypeRef<'_>, live: &Value, applied: &Value) -> Value {
    match (live, applied) {
        (Value::Object(ours), Value::Object(theirs))
            if kind.form(live) == Form::Map && !(ours.is_empty() && theirs.is_empty()) =>
        {
            maps(kind, ours, theirs)
        }
        (Value::Array(ours), Value::Array(theirs))
            if kind.form(live) == Form::List && !(ours.is_empty() && theirs.is_empty()) =>
        {
            lists(kind, ours, theirs)
        }
        (Value::Object(_), Value::Null) if kind.form(live) == Form::Map => live.clone(),
        (Value::Array(_), Value::Null) if kind.form(live) == Form::List => live.clone(),
        (_, applied) => applied.clone(),
    }
}

fn maps(kind: TypeRef<'_>, live: &Map<String, Value>, applied: &Map<String, Value>) -> Value {
    let mut merged = Map::new();
    for (name, value) in live {
        let value = match applied.get(name) {
            Some(wanted) => merge(kind.child(name), value, wanted),
            None => value.clone(),
        };
        merged.insert(name.clone(), value);
    }
    for (name, value) in applied.iter().filter(|(name, _)| !live.contains_key(*name)) {
        merged.insert(name.clone(), value.clone());
    }
    Value::Object(merged)
}

/// Elements that are applied come in the order in which they are applied; others keep their places among those that were there.
fn lists(kind: TypeRef<'_>, live: &[Value], applied: &[Value]) -> Value {
    let (Some(ours), Some(theirs)) = (steps(kind, live), steps(kind, applied)) else {
        return Value::Array(applied.to_vec());
    };
    let mut merged = Vec::with_capacity(live.len().max(applied.len()));
    let mut shared = theirs.iter().filter(|step| ours.contains(step));
    let mut next_shared = shared.next();
    let mut others = ours.iter().zip(live).peekable();
    for (step, wanted) in theirs.iter().zip(applied) {
        // What stands before the next element that both have, and is not applied, stays there.
        while let Some((other, item)) = others.peek().copied() {
            let applied_too = theirs.contains(other);
            if applied_too && Some(other) == next_shared {
                break;
            }
            if !applied_too {
                merged.push(item.clone());
            }
            others.next();
        }
        let known = ours.iter().position(|ours| ours == step).and_then(|index| live.get(index));
        merged.push(known.map_or_else(|| wanted.clone(), |item| merge(kind.element(), item, wanted)));
        if next_shared == Some(step) {
            next_shared = shared.next();
            if others.peek().is_some_and(|(other, _)| *other == step) {
                others.next();
            }
        }
    }
    merged.extend(others.filter(|(step, _)| !theirs.contains(step)).map(|(_, item)| item.clone()));
    Value::Array(merged)
}

fn steps(kind: TypeRef<'_>, list: &[Value]) -> Option<Vec<String>> {
    list.iter().map(|item| kind.step_to(item).ok()).collect()
}
