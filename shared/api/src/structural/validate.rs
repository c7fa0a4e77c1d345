//! Checks values against their schema, in Kubernetes' words.

use serde_json::{Map, Value};

use super::{Bound, Kind, Limits, Range, Schema, below, parts};
use crate::cel::{Budget, PER_OBJECT};
use crate::kinds::FieldError;
use crate::validation::errors::Errors;

/// What keeps expressions from being looked at: they need objects of the right shape.
const BLOCKING: [&str; 5] = [
    "FieldValueNotSupported",
    "FieldValueRequired",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueTypeInvalid",
];

impl Schema {
    /// What is wrong with an object. What it has in common with `old` is not held against it.
    pub fn validate(&self, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
        self.validate_after(Vec::new(), object, old, Vec::new())
    }

    /// The same, after what others found `before`; what they found `beside` follows what is wrong with the shape.
    pub fn validate_after(
        &self,
        before: Vec<FieldError>,
        object: &Value,
        old: Option<&Value>,
        beside: Vec<FieldError>,
    ) -> Vec<FieldError> {
        let mut errors = Errors(before);
        let place = Place { value: object, old, path: "" };
        check(&mut errors, self, place);
        errors.0.extend(beside);
        parts::resources(&mut errors, self, place);
        let repeated = parts::repeated(self, object);
        // What was there twice before may stay so.
        if !repeated.is_empty() && old.is_none_or(|old| parts::repeated(self, old).is_empty()) {
            errors.0.extend(repeated);
        }
        if !parts::have_rules(self) {
            return errors.0;
        }
        if errors.0.iter().any(|error| BLOCKING.contains(&error.reason)) {
            let why = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";
            errors.invalid("<nil>", Value::Null, why);
        } else {
            parts::rules(&mut errors, &mut Budget::of(PER_OBJECT), self, place);
        }
        errors.0
    }

    fn admits(&self, place: Place<'_>) -> bool {
        let mut errors = Errors::default();
        check(&mut errors, self, Place { old: None, ..place });
        errors.0.is_empty()
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
        let wanted = match schema.kind {
            Some(kind) => kind.name(),
            None => "integer,string",
        };
        let found = type_name(value);
        return errors.type_invalid(
            shown(path),
            found,
            &format!("{path} in body must be of type {wanted}: \"{found}\""),
        );
    }
    allowed(errors, schema, place);
    match value {
        Value::Object(fields) => object(errors, schema, fields, place),
        Value::Array(items) => list(errors, schema, items, place),
        Value::String(text) => string(errors, &schema.limits, text, path),
        Value::Number(number) => {
            numeric(errors, &schema.limits, number.as_f64().unwrap_or_default(), place);
        }
        Value::Null | Value::Bool(_) => {}
    }
    junctors(errors, schema, place);
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
    let Place { value, path, .. } = place;
    for name in schema.limits.required.iter().filter(|name| !fields.contains_key(*name)) {
        errors.required(below(path, name), "");
    }
    let Range { min, max } = schema.limits.properties;
    if let Some(min) = min.filter(|min| fields.len() < *min) {
        let detail = format!("{path} in body should have at least {min} properties");
        errors.invalid(shown(path), value.clone(), &detail);
    }
    if let Some(max) = max.filter(|max| fields.len() > *max) {
        errors.too_many(shown(path), fields.len(), max);
    }
    parts::each(schema, place, &mut |schema, place| check(errors, schema, place));
}

fn list(errors: &mut Errors, schema: &Schema, items: &[Value], place: Place<'_>) {
    let Place { value, path, .. } = place;
    let Range { min, max } = schema.limits.items;
    if let Some(min) = min.filter(|min| items.len() < *min) {
        errors.invalid(
            shown(path),
            value.clone(),
            &format!("{path} in body should have at least {min} items"),
        );
    }
    if let Some(max) = max.filter(|max| items.len() > *max) {
        errors.too_many(shown(path), items.len(), max);
    }
    parts::each(schema, place, &mut |schema, place| check(errors, schema, place));
}

fn string(errors: &mut Errors, limits: &Limits, text: &str, path: &str) {
    let length = text.chars().count();
    if let Some(min) = limits.length.min.filter(|min| length < *min) {
        errors.invalid(shown(path), text, &format!("{path} in body should be at least {min} chars long"));
    }
    if let Some(max) = limits.length.max.filter(|max| length > *max) {
        errors.too_long(shown(path), max);
    }
    if let Some(pattern) = limits.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
        errors.invalid(shown(path), text, &format!("{path} in body should match '{pattern}'"));
    }
    if let Some(format) = limits.format.filter(|format| !(format.matches)(text)) {
        let detail = format!("{path} in body must be of type {}: {text:?}", format.name);
        errors.invalid(shown(path), text, &detail);
    }
}

fn numeric(errors: &mut Errors, limits: &Limits, number: f64, place: Place<'_>) {
    let Place { value, path, .. } = place;
    let mut wrong = |detail: String| {
        errors.invalid(shown(path), value.clone(), &format!("{path} in body should be {detail}"));
    };
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
    if let Some(factor) = limits.multiple_of.filter(|factor| (number / factor).fract() != 0.0) {
        wrong(format!("a multiple of {factor}"));
    }
}

fn junctors(errors: &mut Errors, schema: &Schema, place: Place<'_>) {
    let Place { value, old, path } = place;
    let junctors = &schema.junctors;
    for one in &junctors.all_of {
        check(errors, one, Place { value, old, path });
    }
    let mut wrong =
        |detail: &str| errors.invalid(shown(path), value.clone(), &format!("{path:?} must {detail}"));
    if !junctors.any_of.is_empty() && !junctors.any_of.iter().any(|one| one.admits(place)) {
        wrong("validate at least one schema (anyOf)");
    }
    if !junctors.one_of.is_empty() {
        match junctors.one_of.iter().filter(|one| one.admits(place)).count() {
            1 => {}
            0 => wrong("validate one and only one schema (oneOf). Found none valid"),
            found => {
                wrong(&format!("validate one and only one schema (oneOf). Found {found} valid alternatives"))
            }
        }
    }
    if junctors.not.as_ref().is_some_and(|not| not.admits(place)) {
        wrong("not validate the schema (not)");
    }
}

/// Kubernetes' name for the object itself.
fn shown(path: &str) -> String {
    if path.is_empty() { "<nil>".to_owned() } else { path.to_owned() }
}
