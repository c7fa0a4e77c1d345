//! `x-kubernetes-list-type`: what makes the elements of a list distinct, and which of them continue others.

use std::collections::HashMap;

use serde_json::Value;

use super::{List, Schema};
use crate::validation::errors::Errors;

/// Sets and maps have each element once.
pub(super) fn check(errors: &mut Errors, schema: &Schema, value: &Value, path: &str) {
    if !schema.has_distinct {
        return;
    }
    if let Value::Array(items) = value {
        distinct(errors, &schema.list, items, path);
    }
    schema.each_below(value, path, &mut |schema, value, path| check(errors, schema, value, path));
}

/// Nothing is there twice: what was before the rule is not held against an object.
pub(super) fn are_distinct(schema: &Schema, value: &Value) -> bool {
    let mut errors = Errors::default();
    check(&mut errors, schema, value, "");
    errors.0.is_empty()
}

/// The element of a list before that an element continues: in an atomic list none does.
pub(super) fn twin<'a>(list: &List, value: &Value, before: &'a [Value]) -> Option<&'a Value> {
    match list {
        List::Atomic => None,
        List::Set => before.iter().find(|old| *old == value),
        List::Map(keys) => before.iter().find(|old| keys.iter().all(|key| old.get(key) == value.get(key))),
    }
}

/// Each value is told once, where it is there for the second time.
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
    for (index, identity) in
        items.iter().enumerate().filter_map(|(index, item)| Some((index, identity(item)?)))
    {
        let times = seen.entry(identity.to_string()).or_default();
        *times += 1;
        if *times == 2 {
            errors.duplicate(format!("{path}[{index}]"), identity);
        }
    }
}
