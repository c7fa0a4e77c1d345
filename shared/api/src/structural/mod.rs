//! Structural schemas: what the objects of a CustomResourceDefinition look like, compiled for pruning, defaults and validation.

mod check;
mod coerce;
mod compile;
mod embedded;
pub(crate) mod formats;
mod keywords;
mod lists;
mod rules;
mod structure;
mod validate;

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;

pub use coerce::Pruned;
use formats::Format;
use rules::Rule;

/// One node of a schema: which values may stand in one place.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// `None`: values of any type, as `x-kubernetes-int-or-string` and `x-kubernetes-preserve-unknown-fields` allow.
    kind: Option<Kind>,
    /// `null` is a value of its own.
    nullable: bool,
    /// Fields that the schema does not name stay.
    preserves_unknown: bool,
    /// A whole object with `apiVersion`, `kind` and `metadata`.
    is_resource: bool,
    /// An integer or a string.
    int_or_string: bool,
    /// The named fields.
    properties: BTreeMap<String, Schema>,
    /// All other fields.
    additional: Option<Additional>,
    /// Each element of a list.
    items: Option<Box<Schema>>,
    /// What is filled in where nothing stands.
    default: Option<Value>,
    /// What makes the elements of a list distinct.
    list: List,
    /// What is asked of the value itself.
    limits: Limits,
    /// What is asked of it by other schemas.
    junctors: Junctors,
    /// What is asked of it in expressions.
    rules: Vec<Rule>,
    /// In it, or further below, there are sets or maps of elements.
    has_distinct: bool,
    /// Below it there are whole objects.
    has_resources: bool,
}

/// A type of JSON values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
}

/// What stands in the fields that have no name of their own.
#[derive(Clone, Debug)]
enum Additional {
    Anything,
    Of(Box<Schema>),
}

/// `x-kubernetes-list-type`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum List {
    /// Nothing.
    #[default]
    Atomic,
    /// Each is there at most once.
    Set,
    /// Their values of these keys.
    Map(Vec<String>),
}

/// Bounds of a value.
#[derive(Clone, Debug, Default)]
struct Limits {
    required: Vec<String>,
    /// `None`: any value.
    allowed: Option<Vec<Value>>,
    format: Option<Format>,
    /// `int32` and `int64`.
    width: Option<&'static str>,
    pattern: Option<Regex>,
    minimum: Option<Bound>,
    maximum: Option<Bound>,
    multiple_of: Option<f64>,
    length: Range,
    items: Range,
    properties: Range,
}

/// A bound of a number, which may be exclusive.
#[derive(Clone, Copy, Debug)]
struct Bound {
    value: f64,
    exclusive: bool,
}

/// How many there may be.
#[derive(Clone, Copy, Debug, Default)]
struct Range {
    min: Option<usize>,
    max: Option<usize>,
}

/// Schemas that are combined.
#[derive(Clone, Debug, Default)]
struct Junctors {
    all_of: Vec<Schema>,
    any_of: Vec<Schema>,
    one_of: Vec<Schema>,
    not: Option<Box<Schema>>,
}

impl Schema {
    /// Compiles `openAPIV3Schema`, which stands at `path`; what is not structural is refused, with its place.
    pub fn compile(schema: &Value, path: &str) -> Result<Self, Vec<crate::kinds::FieldError>> {
        match compile::root(schema, path) {
            (compiled, errors) if errors.is_empty() => Ok(compiled),
            (_, errors) => Err(errors),
        }
    }

    /// Compiles the schema of a definition that is stored: objects were written by it, so it holds as far as it makes sense even
    /// if it would be refused today. Rules that do not compile are never violated.
    pub fn compile_stored(schema: &Value) -> Self {
        compile::root(schema, "").0
    }

    /// The schemas of what stands in it.
    fn parts(&self) -> impl Iterator<Item = &Self> {
        let additional = match &self.additional {
            Some(Additional::Of(schema)) => Some(&**schema),
            Some(Additional::Anything) | None => None,
        };
        self.properties.values().chain(additional).chain(self.items.as_deref())
    }

    /// The schema of the field of this name, if its objects have one.
    fn field(&self, name: &str) -> Option<&Self> {
        self.properties.get(name).or(match &self.additional {
            Some(Additional::Of(schema)) => Some(schema),
            Some(Additional::Anything) | None => None,
        })
    }

    /// Visits the fields of an object or the elements of a list that have a schema, with their paths.
    fn each_below(&self, value: &Value, path: &str, visit: &mut dyn FnMut(&Self, &Value, &str)) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    if let Some(schema) = self.field(key) {
                        visit(schema, value, &below(path, key));
                    }
                }
            }
            Value::Array(items) => {
                let Some(of_items) = &self.items else { return };
                for (index, item) in items.iter().enumerate() {
                    visit(of_items, item, &format!("{path}[{index}]"));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

impl Kind {
    const ALL: [(&'static str, Self); 6] = [
        ("object", Self::Object),
        ("array", Self::Array),
        ("string", Self::String),
        ("integer", Self::Integer),
        ("number", Self::Number),
        ("boolean", Self::Boolean),
    ];

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, kind)| *kind)
    }

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// `spec.replicas`: the path of a field of what stands at `path`.
fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod shape_tests;
#[cfg(test)]
mod tests;
