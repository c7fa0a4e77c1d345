//! Collects violated rules, worded as Kubernetes' `field.Error`.

use serde_json::{Map, Value};

use super::format::Format;
use crate::json::{int, text};
use crate::kinds::FieldError;

/// What users and groups may be numbered.
pub(crate) const IDS: (i64, i64) = (0, 2_147_483_647);

/// The rules violated so far.
#[derive(Debug, Default)]
pub(crate) struct Errors(pub(crate) Vec<FieldError>);

impl Errors {
    fn add(&mut self, field: impl Into<String>, reason: &'static str, message: String) {
        self.0.push(FieldError { field: field.into(), reason, message });
    }

    pub(crate) fn required(&mut self, field: impl Into<String>, detail: &str) {
        let message =
            if detail.is_empty() { "Required value".into() } else { format!("Required value: {detail}") };
        self.add(field, "FieldValueRequired", message);
    }

    pub(crate) fn invalid(&mut self, field: impl Into<String>, value: impl Into<Value>, detail: &str) {
        self.add(field, "FieldValueInvalid", format!("Invalid value: {}: {detail}", value.into()));
    }

    /// As [`Self::invalid`] of a value that Kubernetes prints in its own spelling.
    pub(crate) fn invalid_as(&mut self, field: impl Into<String>, shown: &str, detail: &str) {
        self.add(field, "FieldValueInvalid", format!("Invalid value: {shown}: {detail}"));
    }

    /// As [`Self::invalid`] of a value that Kubernetes does not print.
    pub(crate) fn wrong(&mut self, field: impl Into<String>, detail: &str) {
        self.add(field, "FieldValueInvalid", format!("Invalid value: {detail}"));
    }

    /// As [`Self::duplicate`] of a value that Kubernetes prints in its own spelling.
    pub(crate) fn duplicate_as(&mut self, field: impl Into<String>, shown: &str) {
        self.add(field, "FieldValueDuplicate", format!("Duplicate value: {shown}"));
    }

    pub(crate) fn unsupported(&mut self, field: impl Into<String>, value: &str, supported: &[&str]) {
        self.unsupported_as(field, &format!("{value:?}"), supported);
    }

    /// As [`Self::unsupported`] of a value that Kubernetes prints in its own spelling.
    pub(crate) fn unsupported_as(&mut self, field: impl Into<String>, shown: &str, supported: &[&str]) {
        let message = format!("Unsupported value: {shown}: supported values: {}", quoted(supported));
        self.add(field, "FieldValueNotSupported", message);
    }

    pub(crate) fn duplicate(&mut self, field: impl Into<String>, value: impl Into<Value>) {
        self.add(field, "FieldValueDuplicate", format!("Duplicate value: {}", value.into()));
    }

    pub(crate) fn forbidden(&mut self, field: impl Into<String>, detail: &str) {
        self.add(field, "FieldValueForbidden", format!("Forbidden: {detail}"));
    }

    pub(crate) fn not_found(&mut self, field: impl Into<String>, value: &str) {
        self.add(field, "FieldValueNotFound", format!("Not found: {value:?}"));
    }

    /// As [`Self::not_found`], with what there is.
    pub(crate) fn not_found_among(&mut self, field: impl Into<String>, value: &str, detail: &str) {
        self.add(field, "FieldValueNotFound", format!("Not found: {value:?}: {detail}"));
    }

    pub(crate) fn too_long(&mut self, field: impl Into<String>, bytes: usize) {
        self.add(field, "FieldValueTooLong", format!("Too long: may not be more than {bytes} bytes"));
    }

    pub(crate) fn too_many(&mut self, field: impl Into<String>, count: usize, max: usize) {
        self.add(field, "FieldValueTooMany", format!("Too many: {count}: must have at most {max} items"));
    }

    pub(crate) fn type_invalid(&mut self, field: impl Into<String>, found: &str, detail: &str) {
        self.add(field, "FieldValueTypeInvalid", format!("Invalid value: {found:?}: {detail}"));
    }

    /// A text that is not of the format of its schema.
    pub(crate) fn wrong_format(&mut self, field: impl Into<String>, value: &str, detail: &str) {
        self.add(field, "FieldValueTypeInvalid", format!("Invalid value: {}: {detail}", Value::from(value)));
    }

    /// One error per violated rule of a format.
    pub(crate) fn format(&mut self, field: &str, value: &str, violations: Vec<String>) {
        for violation in violations {
            self.invalid(field, value, &violation);
        }
    }

    /// The text must be one of `supported`; absent is `Required value` if `required`, else fine.
    pub(crate) fn one_of(&mut self, field: String, value: &str, supported: &[&str], required: bool) {
        match value {
            "" if required => self.required(field, ""),
            "" => {}
            value if supported.contains(&value) => {}
            value => self.unsupported(field, value, supported),
        }
    }

    /// The text under `key`, if present, must be one of `supported`: an empty text is none of them.
    pub(crate) fn supports(&mut self, object: &Value, path: &str, key: &str, supported: &[&str]) {
        let value = object.get(key).and_then(Value::as_str);
        if let Some(value) = value.filter(|value| !supported.contains(value)) {
            self.unsupported(format!("{path}.{key}"), value, supported);
        }
    }

    /// The text under `key`, if it is not empty, must have a format.
    pub(crate) fn formatted(&mut self, object: &Value, path: &str, key: &str, format: Format) {
        let value = object.get(key).and_then(Value::as_str).unwrap_or_default();
        if !value.is_empty() {
            let violations = format(value);
            if !violations.is_empty() {
                self.format(&format!("{path}.{key}"), value, violations);
            }
        }
    }

    /// The text under `key` must be there and have a format.
    pub(crate) fn named(&mut self, object: &Value, path: &str, key: &str, format: Format) {
        self.needs(object, path, key);
        self.formatted(object, path, key, format);
    }

    /// The integer under `key`, if present, must lie between two numbers, which are part of the range.
    pub(crate) fn between(&mut self, object: &Value, path: &str, key: &str, (least, most): (i64, i64)) {
        let number = object.get(key).and_then(Value::as_i64);
        if let Some(number) = number.filter(|number| !(least..=most).contains(number)) {
            let detail = format!("must be between {least} and {most}, inclusive");
            self.invalid(format!("{path}.{key}"), number, &detail);
        }
    }

    /// The integer under `key`, if present, must not be negative.
    pub(crate) fn not_negative(&mut self, object: &Value, path: &str, key: &str) {
        if let Some(number) = int(object, &format!("/{key}")).filter(|number| *number < 0) {
            self.invalid(format!("{path}.{key}"), number, "must be greater than or equal to 0");
        }
    }

    /// The text under `key` must be there.
    pub(crate) fn needs(&mut self, object: &Value, path: &str, key: &str) {
        if text(object, &format!("/{key}")).is_empty() {
            self.required(format!("{path}.{key}"), "");
        }
    }

    /// `value` must not differ from `old`.
    pub(crate) fn immutable(&mut self, field: &str, value: Option<&Value>, old: Option<&Value>) {
        let (value, old) = (value.unwrap_or(&Value::Null), old.unwrap_or(&Value::Null));
        if !same(value, old) {
            self.invalid(field, value.clone(), "field is immutable");
        }
    }
}

/// Equal as Kubernetes sees it: what is empty or false is as good as what is not there, and Go's clients leave it out.
pub(crate) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (one, other) if is_vacant(one) && is_vacant(other) => true,
        (Value::Object(one), Value::Object(other)) => {
            one.keys().chain(other.keys()).all(|key| match (filled(one, key), filled(other, key)) {
                (Some(one), Some(other)) => same(one, other),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            })
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (one, other) => one == other,
    }
}

fn filled<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    object.get(key).filter(|value| !is_vacant(value))
}

fn is_vacant(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

/// `"a", "b"`.
fn quoted(values: &[&str]) -> String {
    let values: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
    values.join(", ")
}

/// An object as Kubernetes' own type spells it when it prints one: all of its fields, by their names in Go.
pub(crate) fn spelled(object: &Value, fields: &[&str]) -> String {
    let fields: Vec<String> = fields
        .iter()
        .map(|key| {
            let (first, rest) = key.split_at(1);
            format!("\"{}{rest}\":{}", first.to_uppercase(), object.get(key).unwrap_or(&Value::Null))
        })
        .collect();
    format!("{{{}}}", fields.join(","))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::same;

    #[test]
    fn what_go_leaves_out_is_no_change() {
        let written = json!({"hostNetwork": false, "nodeSelector": {}, "volumes": [{"name": "a", "readOnly": false}], "args": []});
        assert!(same(&written, &json!({"volumes": [{"name": "a"}]})));
        assert!(!same(&written, &json!({"volumes": [{"name": "a"}], "hostNetwork": true})));
        assert!(!same(&json!({"replicas": 0}), &json!({})));
    }
}
