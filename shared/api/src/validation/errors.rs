//! Collects violated rules, worded as Kubernetes' `field.Error`.

use serde_json::Value;

use crate::json::{int, text};
use crate::kinds::FieldError;

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

    /// As [`Self::duplicate`] of a value that Kubernetes prints in its own spelling.
    pub(crate) fn duplicate_as(&mut self, field: impl Into<String>, shown: &str) {
        self.add(field, "FieldValueDuplicate", format!("Duplicate value: {shown}"));
    }

    pub(crate) fn unsupported(&mut self, field: impl Into<String>, value: &str, supported: &[&str]) {
        let supported: Vec<String> = supported.iter().map(|value| format!("{value:?}")).collect();
        let message = format!("Unsupported value: {value:?}: supported values: {}", supported.join(", "));
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

    pub(crate) fn too_long(&mut self, field: impl Into<String>, bytes: usize) {
        self.add(field, "FieldValueTooLong", format!("Too long: may not be more than {bytes} bytes"));
    }

    pub(crate) fn too_many(&mut self, field: impl Into<String>, count: usize, max: usize) {
        self.add(field, "FieldValueTooMany", format!("Too many: {count}: must have at most {max} items"));
    }

    pub(crate) fn type_invalid(&mut self, field: impl Into<String>, found: &str, detail: &str) {
        self.add(field, "FieldValueTypeInvalid", format!("Invalid value: {found:?}: {detail}"));
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
        if value != old {
            self.invalid(field, value.cloned().unwrap_or_default(), "field is immutable");
        }
    }
}
