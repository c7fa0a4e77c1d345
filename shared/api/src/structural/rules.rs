//! `x-kubernetes-validations`: rules of a schema in the Common Expression Language.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use cel::objects::{Key, OptionalValue};
use serde_json::Value;

use super::check::Types;
use super::lists::twin;
use super::validate::Place;
use super::{Kind, Schema, below};
use crate::cel::{Budget, Expression, Fault, OUT_OF_BUDGET, Scope, TOO_COSTLY, escaped};
use crate::json::{flag, items, text};
use crate::kinds::FieldError;
use crate::validation::errors::Errors;

/// The longest message that an expression may make, in bytes.
const MESSAGE_BYTES: usize = 5 * 1024;
/// What a rule may say about its violation; the first is meant where it says nothing.
const REASONS: [&str; 4] =
    ["FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired", "FieldValueDuplicate"];
/// A rule of one place of a schema.
#[derive(Clone)]
pub(super) struct Rule {
    expression: Expression,
    /// What is said when it is violated; `None`: the rule itself.
    message: Option<String>,
    /// Computes what is said.
    message_expression: Option<Expression>,
    reason: &'static str,
    /// The field below that is meant: `.spec.size`.
    field_path: String,
    /// It compares with what was there before.
    is_transition: bool,
    /// It compares even if nothing was there.
    optional_old_self: bool,
}

/// How a rule is violated.
enum Violation {
    /// The value is not as it says.
    Failed(String),
    /// It could not be evaluated.
    Faulty(String),
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.expression, f)
    }
}

/// Compiles the rules of a schema at `path`, which stands at so many places at most.
pub(super) fn compile(
    errors: &mut Errors,
    schema: &Value,
    known: (Option<&Schema>, u64),
    path: &str,
) -> Vec<Rule> {
    let (compiled, places) = known;
    let rules = items(schema, "/x-kubernetes-validations").iter().enumerate();
    rules
        .filter_map(|(index, rule)| {
            let types = Types { schema: compiled, places, optional_old: flag(rule, "/optionalOldSelf") };
            one(errors, rule, &types, &format!("{path}.x-kubernetes-validations[{index}]"))
        })
        .collect()
}

fn one(errors: &mut Errors, rule: &Value, types: &Types<'_>, path: &str) -> Option<Rule> {
    let written = text(rule, "/rule");
    let words = |key: &str| Some(text(rule, key).to_owned()).filter(|words| !words.is_empty());
    if written.trim().is_empty() {
        errors.required(format!("{path}.rule"), "rule is not specified");
        return None;
    }
    let expression = expression(errors, written, types, &format!("{path}.rule"))?;
    let message_expression = match text(rule, "/messageExpression") {
        "" => None,
        written => Some(self::expression(errors, written, types, &format!("{path}.messageExpression"))?),
    };
    errors.one_of(format!("{path}.reason"), text(rule, "/reason"), &REASONS, false);
    let reason = REASONS.iter().find(|reason| **reason == text(rule, "/reason"));
    Some(Rule {
        is_transition: expression.mentions("oldSelf"),
        message_expression,
        message: words("/message"),
        reason: reason.or(REASONS.first()).copied().unwrap_or_default(),
        field_path: text(rule, "/fieldPath").to_owned(),
        optional_old_self: flag(rule, "/optionalOldSelf"),
        expression,
    })
}

fn expression(errors: &mut Errors, written: &str, types: &Types<'_>, field: &str) -> Option<Expression> {
    let expression = match Expression::compile(written, &["self", "oldSelf"]) {
        Ok(expression) => expression,
        Err(complaint) => {
            errors.invalid(field, written, &complaint);
            return None;
        }
    };
    if let Some(complaint) = types.complaint(&expression) {
        errors.invalid(field, written, &format!("compilation failed: ERROR: <input>:1:1: {complaint}"));
        return None;
    }
    if let Some(complaint) = types.cost(&expression) {
        errors.forbidden(field, &complaint);
        return None;
    }
    Some(expression)
}

/// Asks the rules of a value, then those of what is in it. What is as it was is not asked about.
pub(super) fn check(errors: &mut Errors, budget: &mut Budget, schema: &Schema, place: Place<'_>) {
    let Place { value, old, path } = place;
    if old == Some(value) || value.is_null() && schema.nullable || budget.is_closed() {
        return;
    }
    own(errors, budget, schema, place);
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let Some(schema) = schema.field(key) else { continue };
                let old = old.and_then(|old| old.get(key));
                check(errors, budget, schema, Place { value, old, path: &below(path, key) });
            }
        }
        Value::Array(items) => {
            let Some(of_items) = &schema.items else { return };
            let before = old.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            for (index, value) in items.iter().enumerate() {
                let old = twin(&schema.list, value, before);
                check(errors, budget, of_items, Place { value, old, path: &format!("{path}[{index}]") });
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn own(errors: &mut Errors, budget: &mut Budget, schema: &Schema, place: Place<'_>) {
    let Place { value, old, path } = place;
    if schema.rules.is_empty() {
        return;
    }
    let old = old.map(|old| spoken(Some(schema), old));
    let mut scope = Scope::default().with("self", spoken(Some(schema), value));
    for rule in &schema.rules {
        if rule.is_transition && old.is_none() && !rule.optional_old_self {
            continue;
        }
        rule.name_old(&mut scope, old.as_ref());
        if let Some(violation) = rule.violation(&scope, budget) {
            errors.0.push(rule.error(schema, value, path, violation));
        }
        if budget.is_closed() {
            return;
        }
    }
}

impl Rule {
    fn name_old(&self, scope: &mut Scope, old: Option<&cel::Value>) {
        if !self.is_transition {
            return;
        }
        if self.optional_old_self {
            let old = old.cloned().map_or_else(OptionalValue::none, OptionalValue::of);
            scope.set("oldSelf", cel::Value::Opaque(Arc::new(old)));
        } else if let Some(old) = old {
            scope.set("oldSelf", old.clone());
        }
    }

    /// What is wrong, if anything is.
    fn violation(&self, scope: &Scope, budget: &mut Budget) -> Option<Violation> {
        match self.expression.evaluate(scope, budget) {
            Ok(cel::Value::Bool(true)) => None,
            Ok(cel::Value::Bool(false)) => Some(Violation::Failed(self.said(scope, budget))),
            Ok(_) => Some(Violation::Faulty(format!("no such overload evaluating rule: {}", self.name()))),
            Err(fault) => Some(Violation::Faulty(self.explained(fault, budget))),
        }
    }

    fn name(&self) -> &str {
        self.message.as_deref().unwrap_or(self.expression.written()).trim()
    }

    fn explained(&self, fault: Fault, budget: &mut Budget) -> String {
        let this = self.name();
        match fault {
            Fault::Failed(why) if why == "no such overload" => format!(
                "'{why}': call arguments did not match a supported operator, function or macro signature for rule: {this}"
            ),
            Fault::Failed(why) => format!("{why} evaluating rule: {this}"),
            Fault::TooCostly => {
                budget.close();
                format!(
                    "'{TOO_COSTLY}': no further validation rules will be run due to call cost exceeds limit for rule: {this}"
                )
            }
            Fault::OutOfBudget => {
                budget.close();
                OUT_OF_BUDGET.to_owned()
            }
        }
    }

    /// What is said of a violation.
    fn said(&self, scope: &Scope, budget: &mut Budget) -> String {
        let computed = self.message_expression.as_ref().map(|expression| expression.evaluate(scope, budget));
        match computed {
            Some(Err(Fault::OutOfBudget)) => {
                budget.close();
                return "messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run".to_owned();
            }
            Some(Ok(cel::Value::String(words))) => {
                let words = words.trim();
                if !words.is_empty() && words.len() <= MESSAGE_BYTES && !words.contains('\n') {
                    return words.to_owned();
                }
            }
            _ => {}
        }
        let written = || format!("failed rule: {}", self.expression.written().trim());
        self.message.as_deref().map_or_else(written, |message| message.trim().to_owned())
    }

    /// Lists and objects are not printed; of what could not be evaluated the type is.
    fn error(&self, schema: &Schema, value: &Value, path: &str, violation: Violation) -> FieldError {
        let field = format!("{path}{}", self.field_path);
        let field = field.trim_start_matches('.');
        let field = if field.is_empty() { "<nil>" } else { field }.to_owned();
        let message = match violation {
            Violation::Faulty(message) => {
                let kind = schema.kind.map_or("", Kind::name);
                let message = format!("Invalid value: {kind:?}: {message}");
                return FieldError { field, reason: "FieldValueInvalid", message };
            }
            Violation::Failed(message) => message,
        };
        let shown = if value.is_object() || value.is_array() { String::new() } else { format!(": {value}") };
        let message = match self.reason {
            "FieldValueForbidden" => format!("Forbidden: {message}"),
            "FieldValueRequired" => format!("Required value: {message}"),
            "FieldValueDuplicate" => format!("Duplicate value{shown}"),
            _ => format!("Invalid value{shown}: {message}"),
        };
        FieldError { field, reason: self.reason, message }
    }
}

/// A value as expressions see it: by the schema's types, and with names that expressions can write.
fn spoken(schema: Option<&Schema>, value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(flag) => cel::Value::Bool(*flag),
        Value::String(text) => spoken_text(schema, text),
        Value::Number(number) => {
            let is_float = schema.is_some_and(|schema| schema.kind == Some(Kind::Number));
            let whole = number.as_i64().or_else(|| whole(number.as_f64()?));
            match whole.filter(|_| !is_float) {
                Some(integer) => cel::Value::Int(integer),
                None => cel::Value::Float(number.as_f64().unwrap_or_default()),
            }
        }
        Value::Array(items) => {
            let of_items = schema.and_then(|schema| schema.items.as_deref());
            cel::Value::from(items.iter().map(|item| spoken(of_items, item)).collect::<Vec<_>>())
        }
        Value::Object(fields) => {
            let entry = |(name, value): (&String, &Value)| {
                let is_named = schema.is_some_and(|schema| schema.properties.contains_key(name));
                let key = if is_named { escaped(name) } else { name.clone() };
                (Key::from(key), spoken(schema.and_then(|schema| schema.field(name)), value))
            };
            cel::Value::from(fields.iter().map(entry).collect::<HashMap<Key, cel::Value>>())
        }
    }
}

/// Texts of some formats are what they stand for.
fn spoken_text(schema: Option<&Schema>, text: &str) -> cel::Value {
    match schema.and_then(|schema| schema.limits.format).map(|format| format.name) {
        Some("date-time") => crate::cel::timestamp(text),
        Some("date") => crate::cel::timestamp(&format!("{text}T00:00:00Z")),
        Some("duration") => crate::cel::duration(text),
        Some("byte") => base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text)
            .ok()
            .map(cel::Value::from),
        _ => None,
    }
    .unwrap_or_else(|| cel::Value::from(text))
}

fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
}
