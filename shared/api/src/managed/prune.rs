//! Takes out of a merged object what its manager applied before, applies no more, and nobody else owns.

use serde_json::Value;

use super::extract::present;
use super::set::{FieldSet, field_of, field_step};
use super::types::{Form, TypeRef};

/// `merged` without what only `last` holds: `owned` is what any manager owns now, the applying one included.
pub(super) fn prune(kind: TypeRef<'_>, merged: Value, last: &FieldSet, owned: &FieldSet) -> Value {
    if last.is_empty() {
        return merged;
    }
    let last = with_named_parents(kind, last.clone());
    let everything = with_named_parents(kind, present(kind, &merged));
    let left = |value: &Value| with_named_parents(kind, present(kind, value));
    let bare = without(kind, merged.clone(), &last);
    // What went with its parent although someone owns it comes back; what nobody owned and was never applied comes back too.
    let kept = left(&bare).union(&with_named_parents(kind, owned.clone()));
    let with_owned = without(kind, merged.clone(), &everything.clone().difference(&kept));
    let gone = everything.difference(&left(&with_owned)).intersection(&last);
    without(kind, merged, &gone)
}

/// The value without the fields of a set. What this empties is null where it stands, as in Kubernetes.
pub(super) fn without(kind: TypeRef<'_>, mut value: Value, fields: &FieldSet) -> Value {
    remove(kind, &mut value, fields);
    value
}

fn remove(kind: TypeRef<'_>, value: &mut Value, fields: &FieldSet) {
    let emptied = match (kind.form(value), &mut *value) {
        (Form::Map, Value::Object(entries)) => {
            let had = !entries.is_empty();
            entries.retain(|name, value| match fields.get(&field_step(name)) {
                Some(below) if below.here => false,
                Some(below) => {
                    remove(kind.child(name), value, below);
                    true
                }
                None => true,
            });
            had && entries.is_empty()
        }
        (Form::List, Value::Array(items)) => {
            let had = !items.is_empty();
            items.retain_mut(|item| match kind.step_to(item).ok().and_then(|step| fields.get(&step)) {
                Some(below) if below.here => false,
                Some(below) => {
                    remove(kind.element(), item, below);
                    true
                }
                None => true,
            });
            had && items.is_empty()
        }
        // Below what is replaced whole there are no fields.
        (Form::Leaf | Form::Map | Form::List, _) => false,
    };
    if emptied {
        *value = Value::Null;
    }
}

/// Whoever owns a field owns the declared fields on the way to it: they do not appear in sets of their own.
fn with_named_parents(kind: TypeRef<'_>, set: FieldSet) -> FieldSet {
    let mut out = FieldSet::default();
    out.here = set.here;
    for (step, below) in set.steps() {
        let (named, inner) = match field_of(step) {
            Some(name) => (kind.field(name).is_some(), kind.child(name)),
            None => (false, kind.element()),
        };
        let branches = below.steps().next().is_some();
        let mut below = with_named_parents(inner, below.clone());
        below.here |= named && branches;
        out.insert(step, below);
    }
    out
}
