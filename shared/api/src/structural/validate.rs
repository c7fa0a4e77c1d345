//! Checks values against their schema, in Kubernetes' words.

use serde_json::{Map, Value};

use super::lists::{self, twin};
use super::{Bound, Kind, Limits, Range, Schema, below, embedded, rules};
use crate::cel::{Budget, PER_OBJECT};
use crate::kinds::FieldError;
use crate::validation::errors::Errors;

/// What is said where these are wrong: expressions are not asked then.
const BLOCKING: [&str; 5] = [
    "FieldValueNotSupported",
    "FieldValueRequired",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueTypeInvalid",
];
const NOT_CHECKED: &str = "some validation rules were not checked because the object was invalid; correct the existing \
    errors to complete validation";

impl Schema {
    /// What is wrong with an object. What it has in common with `old` is not held against it. What others found stands before and
    /// after what types and bounds have to say.
    pub fn validate(
        &self,
        object: &Value,
        old: Option<&Value>,
        (before, after): (Vec<FieldError>, Vec<FieldError>),
    ) -> Vec<FieldError> {
        let mut errors = Errors(before);
        let place = Place { value: object, old, path: "" };
        check(&mut errors, self, place);
        errors.0.extend(after);
        embedded::check(&mut errors, self, object, "");
        if old.is_none_or(|old| lists::are_distinct(self, old)) {
            lists::check(&mut errors, self, object, "");
        }
        match errors.0.iter().any(|error| BLOCKING.contains(&error.reason)) {
            true if self.has_rules() => errors.invalid("<nil>", Value::Null, NOT_CHECKED),
            true => {}
            false => rules::check(&mut errors, &mut Budget::of(PER_OBJECT), self, place),
        }
        errors.0
    }

    /// What is wrong with one value of this schema, which stands within another.
    fn complaints(&self, place: Place<'_>) -> Vec<FieldError> {
        let mut errors = Errors::default();
        check(&mut errors, self, Place { old: None, ..place });
        errors.0
    }

    /// Somewhere in it there are rules.
    fn has_rules(&self) -> bool {
        !self.rules.is_empty() || self.parts().any(Self::has_rules)
    }
}

/// A value, where it stands, and what stood there before.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub value: &'a Value,
    pub old: Option<&'a Value>,
    pub path: &'a str,
}

fn check(errors: &mut Errors, schema: &Schema, place: Place<'_>) {
    let Place { value, old, path } = place;
    if old == Some(value) || value.is_null() && schema.nullable {
        return;
    }
    if !is_of_type(schema, value) {
        wrong_type(errors, schema, place);
        return allowed(errors, schema, place);
    }
    junctors(errors, schema, place);
    match value {
        Value::Array(items) => list(errors, schema, items, place),
        Value::String(text) => string(errors, &schema.limits, text, path),
        Value::Number(number) => {
            in_range(errors, schema, place);
            numeric(errors, &schema.limits, number.as_f64().unwrap_or_default(), place);
        }
        Value::Object(_) | Value::Null | Value::Bool(_) => {}
    }
    allowed(errors, schema, place);
    if let Value::Object(fields) = value {
        object(errors, schema, fields, place);
    }
}

fn wrong_type(errors: &mut Errors, schema: &Schema, place: Place<'_>) {
    let Place { value, path, .. } = place;
    let (wanted, found) = (schema.kind.map_or("integer,string", Kind::name), type_name(value));
    let detail = format!("{path} in body must be of type {wanted}: \"{found}\"");
    errors.type_invalid(shown(path), found, &detail);
    if schema.kind == Some(Kind::Integer) && value.is_number() {
        out_of_range(errors, schema, path);
    }
}

/// The range of an integer's format.
fn in_range(errors: &mut Errors, schema: &Schema, place: Place<'_>) {
    let Place { value, path, .. } = place;
    if schema.kind != Some(Kind::Integer) || schema.int_or_string {
        return;
    }
    let fits = match schema.limits.width {
        None => true,
        Some("int32") => value.as_f64().is_some_and(|number| number.abs() <= f64::from(i32::MAX) + 0.5),
        Some(_) => {
            value.is_i64() || !value.is_u64() && value.as_f64().is_some_and(|number| number.abs() < 9.2e18)
        }
    };
    if !fits {
        out_of_range(errors, schema, path);
    }
}

fn out_of_range(errors: &mut Errors, schema: &Schema, path: &str) {
    let format = match schema.limits.width {
        Some(width) => format!("with format {width}"),
        None => "(default format)".to_owned(),
    };
    errors.invalid("<nil>", "", &format!("Checked value must be of type integer {format} in {path}"));
}

fn is_of_type(schema: &Schema, value: &Value) -> bool {
    if schema.int_or_string {
        return value.is_string() || is_integer(value);
    }
    match schema.kind {
        None => true,
        Some(Kind::Object) => value.is_object(),
        Some(Kind::Array) => value.is_array(),
        Some(Kind::String) => value.is_string(),
        Some(Kind::Integer) => is_integer(value),
        Some(Kind::Number) => value.is_number(),
        Some(Kind::Boolean) => value.is_boolean(),
    }
}

fn is_integer(value: &Value) -> bool {
    value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) if is_integer(value) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn allowed(errors: &mut Errors, schema: &Schema, place: Place<'_>) {
    if let Some(allowed) = schema.limits.allowed.as_ref().filter(|allowed| !allowed.contains(place.value)) {
        let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let allowed: Vec<String> = allowed.iter().map(word).collect();
        let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
        errors.unsupported(shown(place.path), &word(place.value), &allowed);
    }
}

fn object(errors: &mut Errors, schema: &Schema, fields: &Map<String, Value>, place: Place<'_>) {
    let Place { old, path, .. } = place;
    let Range { min, max } = schema.limits.properties;
    if let Some(min) = min.filter(|min| fields.len() < *min) {
        let detail = format!("{path} in body should have at least {min} properties");
        errors.invalid(shown(path), fields.len(), &detail);
    }
    if let Some(max) = max.filter(|max| fields.len() > *max) {
        errors.too_many(shown(path), fields.len(), max);
    }
    for (key, value) in fields {
        let Some(schema) = schema.field(key) else { continue };
        let old = old.and_then(|old| old.get(key));
        check(errors, schema, Place { value, old, path: &below(path, key) });
    }
    for name in schema.limits.required.iter().filter(|name| !fields.contains_key(*name)) {
        errors.required(below(path, name), "");
    }
}

fn list(errors: &mut Errors, schema: &Schema, items: &[Value], place: Place<'_>) {
    let Place { old, path, .. } = place;
    let Range { min, max } = schema.limits.items;
    if let Some(of_items) = &schema.items {
        let before = old.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for (index, value) in items.iter().enumerate() {
            let old = twin(&schema.list, value, before);
            check(errors, of_items, Place { value, old, path: &format!("{path}[{index}]") });
        }
    }
    if let Some(min) = min.filter(|min| items.len() < *min) {
        let detail = format!("{path} in body should have at least {min} items");
        errors.invalid(shown(path), items.len(), &detail);
    }
    if let Some(max) = max.filter(|max| items.len() > *max) {
        errors.too_many(shown(path), items.len(), max);
    }
}

fn string(errors: &mut Errors, limits: &Limits, text: &str, path: &str) {
    let length = text.chars().count();
    if let Some(max) = limits.length.max.filter(|max| length > *max) {
        errors.too_long(shown(path), max);
    } else if let Some(min) = limits.length.min.filter(|min| length < *min) {
        errors.invalid(shown(path), text, &format!("{path} in body should be at least {min} chars long"));
    } else if let Some(pattern) = limits.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
        errors.invalid(shown(path), text, &format!("{path} in body should match '{pattern}'"));
    }
    if let Some(format) = limits.format.filter(|format| !(format.matches)(text)) {
        let detail = format!("{path} in body must be of type {}: {text:?}", format.name);
        errors.wrong_format(shown(path), text, &detail);
    }
}

fn numeric(errors: &mut Errors, limits: &Limits, number: f64, place: Place<'_>) {
    let Place { value, path, .. } = place;
    let mut wrong = |detail: String| {
        errors.invalid(shown(path), value.clone(), &format!("{path} in body should be {detail}"));
    };
    if let Some(factor) = limits.multiple_of.filter(|factor| (number / factor).fract() != 0.0) {
        wrong(format!("a multiple of {factor}"));
    }
    let or_equal = |exclusive: bool| if exclusive { "" } else { " or equal to" };
    if let Some(Bound { value: minimum, exclusive }) = limits.minimum
        && (number < minimum || exclusive && number <= minimum)
    {
        wrong(format!("greater than{} {minimum}", or_equal(exclusive)));
    }
    if let Some(Bound { value: maximum, exclusive }) = limits.maximum
        && (number > maximum || exclusive && number >= maximum)
    {
        wrong(format!("less than{} {maximum}", or_equal(exclusive)));
    }
}

fn junctors(errors: &mut Errors, schema: &Schema, place: Place<'_>) {
    let Place { value, old, path } = place;
    let junctors = &schema.junctors;
    let wrong = |errors: &mut Errors, detail: &str| {
        errors.invalid("<nil>", "", &format!("{path:?} must {detail}"));
    };
    if !junctors.any_of.is_empty() {
        let (_, closest) = alternatives(&junctors.any_of, place);
        if let Some(closest) = closest {
            wrong(errors, "validate at least one schema (anyOf)");
            errors.0.extend(closest);
        }
    }
    if !junctors.one_of.is_empty() {
        match alternatives(&junctors.one_of, place) {
            (1, _) => {}
            (0, closest) => {
                wrong(errors, "validate one and only one schema (oneOf). Found none valid");
                errors.0.extend(closest.into_iter().flatten());
            }
            (found, _) => {
                let detail =
                    format!("validate one and only one schema (oneOf). Found {found} valid alternatives");
                wrong(errors, &detail);
            }
        }
    }
    let mut valid = 0;
    for one in &junctors.all_of {
        let before = errors.0.len();
        check(errors, one, Place { value, old, path });
        valid += usize::from(errors.0.len() == before);
    }
    if valid != junctors.all_of.len() {
        let none = if valid == 0 { ". None validated" } else { "" };
        wrong(errors, &format!("validate all the schemas (allOf){none}"));
    }
    if junctors.not.as_ref().is_some_and(|not| not.complaints(place).is_empty()) {
        wrong(errors, "not validate the schema (not)");
    }
}

/// How many of these schemas a value fits, and, if it fits none, what the one says that it comes closest to.
fn alternatives(schemas: &[Schema], place: Place<'_>) -> (usize, Option<Vec<FieldError>>) {
    let complaints: Vec<Vec<FieldError>> = schemas.iter().map(|one| one.complaints(place)).collect();
    match complaints.iter().filter(|complaints| complaints.is_empty()).count() {
        0 => (0, complaints.into_iter().min_by_key(Vec::len)),
        fitting => (fitting, None),
    }
}

/// Kubernetes' name for the object itself.
fn shown(path: &str) -> String {
    if path.is_empty() { "<nil>".to_owned() } else { path.to_owned() }
}
