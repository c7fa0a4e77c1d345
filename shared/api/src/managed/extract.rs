//! The set of fields that a value has: what a manager owns who applies it.

use serde_json::Value;

use super::set::{FieldSet, field_of, show};
use super::types::{Form, ItemError, TypeRef, fields_of};

/// A value that cannot be applied. `Display` is Kubernetes' sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtractError {
    /// An element cannot be told from others.
    #[error("{path}: element {index}: {source}")]
    Item {
        /// The list.
        path: String,
        /// Which of its elements.
        index: usize,
        /// Why.
        source: ItemError,
    },
    /// Two elements are the same one.
    #[error("{path}: duplicate entries for key {key}")]
    Duplicate {
        /// The list.
        path: String,
        /// What both have: `[name="c"]`.
        key: String,
    },
}

/// The fields of a value that is applied.
pub(super) fn applied(kind: TypeRef<'_>, value: &Value) -> Result<FieldSet, ExtractError> {
    Extraction { strict: true }.walk(kind, value, "")
}

/// The fields of a value as it is stored: of twins in its lists only the first counts, and those without a key do not.
pub(super) fn present(kind: TypeRef<'_>, value: &Value) -> FieldSet {
    Extraction { strict: false }.walk(kind, value, "").unwrap_or_default()
}

struct Extraction {
    strict: bool,
}

impl Extraction {
    fn walk(&self, kind: TypeRef<'_>, value: &Value, path: &str) -> Result<FieldSet, ExtractError> {
        match (kind.form(value), value) {
            (Form::Map, Value::Object(fields)) => {
                let mut set = FieldSet::default();
                for (step, value, inner) in fields_of(kind, fields) {
                    let mut below = self.walk(inner, value, &self.extend(path, &step))?;
                    let declared = field_of(&step).is_some_and(|name| kind.field(name).is_some());
                    below.here |= is_empty(value) || !declared;
                    set.insert(step, below);
                }
                Ok(set)
            }
            (Form::List, Value::Array(items)) => self.list(kind, items, path),
            (Form::Map | Form::List, _) => Ok(FieldSet::default()),
            (Form::Leaf, _) => Ok(FieldSet::place()),
        }
    }

    fn list(&self, kind: TypeRef<'_>, items: &[Value], path: &str) -> Result<FieldSet, ExtractError> {
        let mut set = FieldSet::default();
        for (index, item) in items.iter().enumerate() {
            let step = match kind.step_to(item) {
                Ok(step) => step,
                Err(source) if self.strict => {
                    return Err(ExtractError::Item { path: path.to_owned(), index, source });
                }
                Err(_) => continue,
            };
            if set.get(&step).is_some() {
                if self.strict {
                    let mut key = String::new();
                    show(&step, &mut key);
                    return Err(ExtractError::Duplicate { path: path.to_owned(), key });
                }
                continue;
            }
            let mut below = self.walk(kind.element(), item, &self.extend(path, &step))?;
            below.here = true;
            set.insert(step, below);
        }
        Ok(set)
    }

    /// Only sentences about mistakes need paths.
    fn extend(&self, path: &str, step: &str) -> String {
        let mut longer = String::new();
        if self.strict {
            longer.push_str(path);
            show(step, &mut longer);
        }
        longer
    }
}

/// An empty map has no fields that would be owned in its stead.
fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty)
}
