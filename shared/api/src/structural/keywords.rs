//! Reads the keywords of a schema that bound values: `required`, `enum`, `pattern`, `minimum`, …

use regex::Regex;
use serde_json::Value;

use super::{Bound, Format, Limits, Range};
use crate::json::{flag, items, text};
use crate::validation::errors::Errors;

/// The bounds that a schema at `path` sets.
pub(super) fn limits(errors: &mut Errors, schema: &Value, path: &str) -> Limits {
    let number = |key: &str| schema.get(key).and_then(Value::as_f64);
    let bound = |key: &str, exclusive: &str| {
        number(key).map(|value| Bound { value, exclusive: flag(schema, &format!("/{exclusive}")) })
    };
    let allowed = items(schema, "/enum");
    Limits {
        required: items(schema, "/required")
            .iter()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect(),
        allowed: (!allowed.is_empty()).then(|| allowed.to_vec()),
        format: Format::of(text(schema, "/format")),
        width: ["int32", "int64"].into_iter().find(|width| *width == text(schema, "/format")),
        pattern: pattern(errors, text(schema, "/pattern"), path),
        minimum: bound("minimum", "exclusiveMinimum"),
        maximum: bound("maximum", "exclusiveMaximum"),
        multiple_of: number("multipleOf").filter(|factor| *factor != 0.0),
        length: range(errors, schema, path, ["minLength", "maxLength"]),
        items: range(errors, schema, path, ["minItems", "maxItems"]),
        properties: range(errors, schema, path, ["minProperties", "maxProperties"]),
    }
}

fn pattern(errors: &mut Errors, pattern: &str, path: &str) -> Option<Regex> {
    if pattern.is_empty() {
        return None;
    }
    match Regex::new(pattern) {
        Ok(regex) => Some(regex),
        Err(error) => {
            let last = error.to_string();
            let last = last.lines().next_back().unwrap_or_default();
            let detail = format!("must be a valid regular expression, but isn't: {last}");
            errors.invalid(format!("{path}.pattern"), pattern, &detail);
            None
        }
    }
}

fn range(errors: &mut Errors, schema: &Value, path: &str, keys: [&str; 2]) -> Range {
    let [min, max] = keys.map(|key| {
        errors.not_negative(schema, path, key);
        schema.get(key).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok())
    });
    Range { min, max }
}
