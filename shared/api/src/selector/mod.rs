//! Label selectors and field selectors, as query strings and as objects.

mod fields;
mod parse;

pub use fields::FieldSelector;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::json::{entries, items, text};

/// A selector cannot be read. `Display` is Kubernetes' sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SelectorError(pub String);

/// A label selector: all requirements must hold. The empty one selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

/// One requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

/// What a label's value must be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
    GreaterThan(i64),
    LessThan(i64),
}

impl Selector {
    /// Parses `a=b,c!=d,e in (f, g),!h,i`.
    pub fn parse(selector: &str) -> Result<Self, SelectorError> {
        parse::requirements(selector).map(|requirements| Self { requirements })
    }

    /// Reads a `metav1.LabelSelector`.
    pub fn from_label_selector(selector: &Value) -> Result<Self, SelectorError> {
        let equal = entries(selector, "/matchLabels").map(|(key, value)| Requirement {
            key: key.to_owned(),
            test: Test::In(vec![value.as_str().unwrap_or_default().to_owned()]),
        });
        let mut requirements: Vec<Requirement> = equal.collect();
        for expression in items(selector, "/matchExpressions") {
            let values =
                || items(expression, "/values").iter().filter_map(Value::as_str).map(str::to_owned).collect();
            let test = match text(expression, "/operator") {
                "In" => Test::In(values()),
                "NotIn" => Test::NotIn(values()),
                "Exists" => Test::Exists,
                "DoesNotExist" => Test::DoesNotExist,
                other => {
                    return Err(SelectorError(format!("{other:?} is not a valid label selector operator")));
                }
            };
            requirements.push(Requirement { key: text(expression, "/key").to_owned(), test });
        }
        Ok(Self { requirements })
    }

    /// Selects everything.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether labels satisfy it.
    pub fn matches(&self, labels: &BTreeMap<Arc<str>, Arc<str>>) -> bool {
        self.holds(|key| labels.get(key).map(|value| &**value))
    }

    /// Whether `metadata.labels`, as JSON, satisfies it.
    pub fn matches_map(&self, labels: Option<&Value>) -> bool {
        self.holds(|key| labels?.get(key)?.as_str())
    }

    fn holds<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.iter().all(|requirement| requirement.test.holds(label(&requirement.key)))
    }
}

impl Test {
    fn holds(&self, value: Option<&str>) -> bool {
        let listed =
            |values: &Vec<String>| value.is_some_and(|value| values.iter().any(|wanted| wanted == value));
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match self {
            Self::In(values) => listed(values),
            Self::NotIn(values) => !listed(values),
            Self::Exists => value.is_some(),
            Self::DoesNotExist => value.is_none(),
            Self::GreaterThan(bound) => number().is_some_and(|number| number > *bound),
            Self::LessThan(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

#[cfg(test)]
mod tests;
