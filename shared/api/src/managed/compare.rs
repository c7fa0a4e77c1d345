//! What differs between two states of an object, field by field.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::set::{FieldSet, field_step};
use super::types::{Form, TypeRef, fields_of};

/// The fields that differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Only the new state has them.
    pub added: FieldSet,
    /// Only the old state has them.
    pub removed: FieldSet,
    /// Both have them, with different values.
    pub modified: FieldSet,
}

impl Comparison {
    /// Nothing differs.
    pub fn is_same(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.modified.is_empty()
    }

    /// Leaves fields out.
    pub fn without(self, fields: &FieldSet) -> Self {
        Self {
            added: self.added.difference(fields),
            removed: self.removed.difference(fields),
            modified: self.modified.difference(fields),
        }
    }

    /// Fields that have a new value.
    pub fn written(&self) -> FieldSet {
        self.added.clone().union(&self.modified)
    }

    fn insert(&mut self, step: &str, inner: Self) {
        self.added.insert(step, inner.added);
        self.removed.insert(step, inner.removed);
        self.modified.insert(step, inner.modified);
    }

    fn modified() -> Self {
        Self { modified: FieldSet::place(), ..Self::default() }
    }
}

/// Compares two states of an object.
pub(super) fn compare(kind: TypeRef<'_>, old: &Value, new: &Value) -> Comparison {
    if old == new {
        return Comparison::default();
    }
    let (before, after) = (kind.form(old), kind.form(new));
    match (before, after) {
        // Null takes the other's form.
        (Form::Map, Form::Map) => maps(kind, old, new),
        (Form::List, Form::List) => lists(kind, old, new),
        (_, Form::Map) if old.is_null() => maps(kind, old, new),
        (Form::Map, _) if new.is_null() => maps(kind, old, new),
        (Form::Leaf, Form::Leaf) => Comparison::modified(),
        (_, _) => {
            let (mut added, mut removed) = (everything(kind, new), everything(kind, old));
            (added.here, removed.here) = (false, false);
            Comparison { added, removed, modified: FieldSet::place() }
        }
    }
}

fn one(kind: TypeRef<'_>, old: Option<&Value>, new: Option<&Value>) -> Comparison {
    match (old, new) {
        (None, None) => Comparison::default(),
        (None, Some(new)) => Comparison { added: everything(kind, new), ..Comparison::default() },
        (Some(old), None) => Comparison { removed: everything(kind, old), ..Comparison::default() },
        (Some(old), Some(new)) => compare(kind, old, new),
    }
}

fn maps(kind: TypeRef<'_>, old: &Value, new: &Value) -> Comparison {
    let nothing = Map::new();
    let (old, new) = (old.as_object().unwrap_or(&nothing), new.as_object().unwrap_or(&nothing));
    if old.is_empty() && new.is_empty() {
        return Comparison::modified();
    }
    let mut found = Comparison::default();
    for (name, value) in new {
        let inner = one(kind.child(name), old.get(name), Some(value));
        if !inner.is_same() {
            found.insert(&field_step(name), inner);
        }
    }
    for (name, value) in old.iter().filter(|(name, _)| !new.contains_key(*name)) {
        found.insert(&field_step(name), one(kind.child(name), Some(value), None));
    }
    found
}

fn lists(kind: TypeRef<'_>, old: &Value, new: &Value) -> Comparison {
    let items = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
    if items(old) && items(new) {
        return Comparison::modified();
    }
    let (Some(old), Some(new)) = (by_step(kind, old), by_step(kind, new)) else {
        return Comparison::modified();
    };
    let mut found = Comparison::default();
    for (step, now) in &new {
        let inner = match (old.get(step).map(Vec::as_slice), now.as_slice()) {
            (None, [item, ..]) => one(kind.element(), None, Some(item)),
            (Some([before]), [item]) => one(kind.element(), Some(before), Some(item)),
            // Twins are compared as a whole.
            (Some(before), now) if before == now => Comparison::default(),
            (_, _) => Comparison::modified(),
        };
        found.insert(step, inner);
    }
    for (step, before) in old.iter().filter(|(step, _)| !new.contains_key(*step)) {
        found.insert(step, one(kind.element(), before.first().copied(), None));
    }
    found
}

/// The elements of a list by their steps; `None` if one has no identity.
fn by_step<'v>(kind: TypeRef<'_>, list: &'v Value) -> Option<BTreeMap<String, Vec<&'v Value>>> {
    let mut found: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for item in list.as_array().into_iter().flatten() {
        found.entry(kind.step_to(item).ok()?).or_default().push(item);
    }
    Some(found)
}

/// A value that was not there before: it and everything in it.
fn everything(kind: TypeRef<'_>, value: &Value) -> FieldSet {
    let mut set = FieldSet::place();
    match (kind.form(value), value) {
        (Form::Map, Value::Object(fields)) => {
            for (step, value, inner) in fields_of(kind, fields) {
                set.insert(step, everything(inner, value));
            }
        }
        (Form::List, Value::Array(items)) => {
            for item in items {
                if let Ok(step) = kind.step_to(item) {
                    set.insert(step, everything(kind.element(), item));
                }
            }
        }
        (Form::Leaf | Form::Map | Form::List, _) => {}
    }
    set
}
