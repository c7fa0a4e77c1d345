//! Sets of fields, in the spelling of `FieldsV1`: a trie whose steps read `f:name`, `k:{"key":"value"}`, `v:"value"` or `i:0`.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Map, Value};

/// The step that stands for the place itself.
const HERE: &str = ".";

/// A set of fields below some place. Never holds an empty branch, so equal sets are equal values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    /// The place itself belongs to the set.
    pub here: bool,
    below: BTreeMap<Box<str>, FieldSet>,
}

/// `FieldsV1` that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldsError {
    /// A step is of no known kind, or what follows its kind is no JSON.
    #[error("`{0}` is no step of a path")]
    Step(String),
    /// Steps lead to objects of steps.
    #[error("expected an object below `{0}`")]
    NoObject(String),
}

impl FieldSet {
    /// Only the place itself.
    pub fn place() -> Self {
        Self { here: true, below: BTreeMap::new() }
    }

    /// The set that holds exactly these paths: `metadata.name`.
    pub fn of_fields(paths: &[&str]) -> Self {
        let mut set = Self::default();
        for path in paths {
            let mut at = &mut set;
            for name in path.split('.') {
                at = at.below.entry(field_step(name).into()).or_default();
            }
            at.here = true;
        }
        set
    }

    /// Holds nothing.
    pub fn is_empty(&self) -> bool {
        !self.here && self.below.is_empty()
    }

    /// What lies below a step.
    pub fn get(&self, step: &str) -> Option<&Self> {
        self.below.get(step)
    }

    /// The steps from here, with what lies below them.
    pub fn steps(&self) -> impl Iterator<Item = (&str, &Self)> {
        self.below.iter().map(|(step, set)| (&**step, set))
    }

    /// Puts a set below a step, in place of what was there.
    pub fn insert(&mut self, step: impl Into<Box<str>>, set: Self) {
        if !set.is_empty() {
            self.below.insert(step.into(), set);
        }
    }

    /// Without what lies below a step.
    pub fn remove(&mut self, step: &str) {
        self.below.remove(step);
    }

    /// What is in either.
    pub fn union(mut self, other: &Self) -> Self {
        self.here |= other.here;
        for (step, theirs) in &other.below {
            let ours = self.below.remove(step).unwrap_or_default();
            self.below.insert(step.clone(), ours.union(theirs));
        }
        self
    }

    /// What is in both.
    pub fn intersection(&self, other: &Self) -> Self {
        let mut both = Self { here: self.here && other.here, below: BTreeMap::new() };
        for (step, ours) in &self.below {
            if let Some(theirs) = other.below.get(step) {
                both.insert(step.clone(), ours.intersection(theirs));
            }
        }
        both
    }

    /// What is in this one and not in the other. A field does not stand for those below it.
    pub fn difference(mut self, other: &Self) -> Self {
        self.here &= !other.here;
        for (step, theirs) in &other.below {
            if let Some(ours) = self.below.remove(step) {
                self.insert(step.clone(), ours.difference(theirs));
            }
        }
        self
    }

    /// Every path as Kubernetes writes it for people: `.spec.containers[name="c"].image`.
    pub fn paths(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.collect(&mut String::new(), &mut found);
        found
    }

    fn collect(&self, path: &mut String, found: &mut Vec<String>) {
        if self.here {
            found.push(path.clone());
        }
        for (step, set) in &self.below {
            let end = path.len();
            show(step, path);
            set.collect(path, found);
            path.truncate(end);
        }
    }

    /// As `FieldsV1`.
    pub fn to_value(&self) -> Value {
        let mut fields = Map::new();
        if self.here && !self.below.is_empty() {
            fields.insert(HERE.into(), Value::Object(Map::new()));
        }
        fields.extend(self.below.iter().map(|(step, set)| (step.to_string(), set.to_value())));
        Value::Object(fields)
    }

    /// Reads `FieldsV1`.
    pub fn from_value(fields: &Value) -> Result<Self, FieldsError> {
        let mut set = Self::default();
        let Value::Object(steps) = fields else { return Err(FieldsError::NoObject(HERE.into())) };
        for (step, below) in steps.iter().filter(|(step, _)| *step != HERE) {
            let mut inner = Self::from_value(below).map_err(|error| match error {
                FieldsError::NoObject(place) if place == HERE => FieldsError::NoObject(step.clone()),
                other => other,
            })?;
            inner.here = below.as_object().is_some_and(|below| below.is_empty() || below.contains_key(HERE));
            set.insert(canonical(step)?, inner);
        }
        Ok(set)
    }
}

/// The step to a field or a map's key.
pub fn field_step(name: &str) -> String {
    let mut step = String::with_capacity(2 + name.len());
    step.push_str("f:");
    step.push_str(name);
    step
}

/// The field that a step leads to.
pub fn field_of(step: &str) -> Option<&str> {
    step.strip_prefix("f:")
}

/// A step as this module spells it: JSON without spaces and with sorted keys.
fn canonical(step: &str) -> Result<String, FieldsError> {
    let wrong = || FieldsError::Step(step.to_owned());
    let json = |text: &str| serde_json::from_str::<Value>(text).map_err(|_| wrong());
    match step.split_once(':') {
        Some(("f", _)) => Ok(step.to_owned()),
        Some(("k", key)) => match json(key)? {
            key @ Value::Object(_) => Ok(format!("k:{key}")),
            _ => Err(wrong()),
        },
        Some(("v", value)) => Ok(format!("v:{}", json(value)?)),
        Some(("i", index)) if index.parse::<u32>().is_ok() => Ok(step.to_owned()),
        Some(_) | None => Err(wrong()),
    }
}

/// Appends a step as Kubernetes writes it for people: `.spec`, `[name="c"]`.
pub fn show(step: &str, path: &mut String) {
    match step.split_once(':') {
        Some(("f", name)) => {
            path.push('.');
            path.push_str(name);
        }
        Some(("k", key)) => {
            let key: Map<String, Value> = serde_json::from_str(key).unwrap_or_default();
            let pairs: Vec<String> = key.iter().map(|(name, value)| format!("{name}={value}")).collect();
            path.extend(["[", &pairs.join(","), "]"]);
        }
        Some(("v", value)) => path.extend(["[=", value, "]"]),
        Some((_, index)) => path.extend(["[", index, "]"]),
        None => path.push_str(step),
    }
}

impl std::fmt::Display for FieldSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, path) in self.paths().iter().enumerate() {
            if index > 0 {
                f.write_char(' ')?;
            }
            f.write_str(path)?;
        }
        Ok(())
    }
}
