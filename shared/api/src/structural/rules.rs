//! `x-kubernetes-validations`: rules of a schema in the Common Expression Language.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use cel::objects::{Key, OptionalValue};
use cel::{Context, Env, Program, extensions};
use serde_json::Value;

use super::{Kind, Schema};
use crate::json::{flag, items, text};
use crate::kinds::FieldError;
use crate::validation::errors::Errors;

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut environment = Env::stdlib();
    // They cannot clash: nothing else has been added.
    let _ = environment.add_extension(extensions::strings);
    let _ = environment.add_extension(extensions::lists);
    Arc::new(environment)
});

/// Functions that rules may call, of those that Kubernetes has. Operators have no letters for names.
const FUNCTIONS: [&str; 42] = [
    "bool",
    "bytes",
    "charAt",
    "contains",
    "distinct",
    "double",
    "dyn",
    "endsWith",
    "flatten",
    "hasValue",
    "indexOf",
    "int",
    "join",
    "lastIndexOf",
    "lowerAscii",
    "matches",
    "none",
    "of",
    "ofNonZeroValue",
    "optional",
    "optional.none",
    "optional.of",
    "optional.ofNonZeroValue",
    "or",
    "orValue",
    "replace",
    "reverse",
    "size",
    "slice",
    "sort",
    "split",
    "startsWith",
    "string",
    "substring",
    "trim",
    "type",
    "uint",
    "upperAscii",
    "value",
    "quote",
    "optional_none",
    "to_dyn",
];
/// What a rule may say about its violation; the first is meant where it says nothing.
const REASONS: [&str; 4] =
    ["FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired", "FieldValueDuplicate"];
/// Words that are no names of fields in expressions.
const RESERVED: [&str; 19] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
];

/// A rule of one place of a schema.
#[derive(Clone)]
pub(super) struct Rule {
    written: String,
    program: Arc<Program>,
    /// What is said when it is violated; `None`: the rule itself.
    message: Option<String>,
    /// Computes what is said.
    message_expression: Option<Arc<Program>>,
    reason: &'static str,
    /// The field below that is meant: `.spec.size`.
    field_path: String,
    /// It compares with what was there before.
    is_transition: bool,
    /// It compares even if nothing was there.
    optional_old_self: bool,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// Compiles the rules of a schema at `path`.
pub(super) fn compile(errors: &mut Errors, schema: &Value, path: &str) -> Vec<Rule> {
    let rules = items(schema, "/x-kubernetes-validations").iter().enumerate();
    rules
        .filter_map(|(index, rule)| one(errors, rule, &format!("{path}.x-kubernetes-validations[{index}]")))
        .collect()
}

fn one(errors: &mut Errors, rule: &Value, path: &str) -> Option<Rule> {
    let written = text(rule, "/rule");
    let words = |key: &str| Some(text(rule, key).to_owned()).filter(|words| !words.is_empty());
    if written.trim().is_empty() {
        errors.required(format!("{path}.rule"), "rule is not specified");
        return None;
    }
    let program = program(errors, written, &format!("{path}.rule"))?;
    let message_expression = match text(rule, "/messageExpression") {
        "" => None,
        expression => Some(self::program(errors, expression, &format!("{path}.messageExpression"))?),
    };
    errors.one_of(format!("{path}.reason"), text(rule, "/reason"), &REASONS, false);
    let reason = REASONS.iter().find(|reason| **reason == text(rule, "/reason"));
    Some(Rule {
        is_transition: program.references().has_variable("oldSelf"),
        message_expression,
        message: words("/message"),
        reason: reason.or(REASONS.first()).copied().unwrap_or_default(),
        field_path: text(rule, "/fieldPath").to_owned(),
        optional_old_self: flag(rule, "/optionalOldSelf"),
        written: written.to_owned(),
        program,
    })
}

fn program(errors: &mut Errors, written: &str, field: &str) -> Option<Arc<Program>> {
    let compiled = match ENVIRONMENT.compile(written) {
        Ok(compiled) => compiled,
        Err(error) => {
            errors.invalid(field, written, &format!("compilation failed: {error}"));
            return None;
        }
    };
    let references = compiled.references();
    let is_operator = |name: &str| !name.starts_with(|first: char| first.is_ascii_alphabetic());
    let functions = references.functions();
    let mut unknown = functions.into_iter().filter(|name| !is_operator(name) && !FUNCTIONS.contains(name));
    if let Some(unknown) = unknown.next() {
        errors.invalid(field, written, &format!("compilation failed: undeclared reference to '{unknown}'"));
        return None;
    }
    Some(Arc::new(compiled))
}

/// Checks a value of a schema, which the other keywords found nothing wrong with.
pub(super) fn check(errors: &mut Errors, schema: &Schema, value: &Value, old: Option<&Value>, path: &str) {
    if schema.rules.is_empty() {
        return;
    }
    let value = spoken(Some(schema), value);
    let old = old.map(|old| spoken(Some(schema), old));
    for rule in &schema.rules {
        if rule.is_transition && old.is_none() && !rule.optional_old_self {
            continue;
        }
        if let Some(message) = rule.violation(&value, old.as_ref()) {
            errors.0.push(rule.error(schema, path, &message));
        }
    }
}

impl Rule {
    /// What is wrong, if anything is.
    fn violation(&self, value: &cel::Value, old: Option<&cel::Value>) -> Option<String> {
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        context.add_variable_from_value("self", value.clone());
        if self.optional_old_self {
            let old = old.cloned().map_or_else(OptionalValue::none, OptionalValue::of);
            context.add_variable_from_value("oldSelf", cel::Value::Opaque(Arc::new(old)));
        } else if let Some(old) = old {
            context.add_variable_from_value("oldSelf", old.clone());
        }
        match self.program.execute(&context) {
            Ok(cel::Value::Bool(true)) => None,
            Ok(cel::Value::Bool(false)) => Some(self.message(&context)),
            Ok(_) => Some("rule evaluation error: the rule is not a truth value".to_owned()),
            Err(error) => Some(format!("rule evaluation error: {error}")),
        }
    }

    fn message(&self, context: &Context<'_, '_>) -> String {
        let computed = match self.message_expression.as_ref().map(|expression| expression.execute(context)) {
            Some(Ok(cel::Value::String(words))) if !words.trim().is_empty() => Some((*words).clone()),
            _ => None,
        };
        computed
            .or_else(|| self.message.clone())
            .unwrap_or_else(|| format!("failed rule: {}", self.written.trim()))
    }

    fn error(&self, schema: &Schema, path: &str, message: &str) -> FieldError {
        let field = format!("{path}{}", self.field_path);
        let field = field.trim_start_matches('.');
        let kind = schema.kind.map_or("", Kind::name);
        let message = match self.reason {
            "FieldValueForbidden" => format!("Forbidden: {message}"),
            "FieldValueRequired" => format!("Required value: {message}"),
            "FieldValueDuplicate" => format!("Duplicate value: {kind:?}"),
            _ => format!("Invalid value: {kind:?}: {message}"),
        };
        let field = if field.is_empty() { "<nil>" } else { field };
        FieldError { field: field.to_owned(), reason: self.reason, message }
    }
}

/// A value as expressions see it: by the schema's types, and with names that expressions can write.
fn spoken(schema: Option<&Schema>, value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(flag) => cel::Value::Bool(*flag),
        Value::String(text) => cel::Value::from(text.as_str()),
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

fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
}

/// The name of a field in expressions.
fn escaped(name: &str) -> String {
    if RESERVED.contains(&name) {
        return format!("__{name}__");
    }
    name.replace("__", "__underscores__")
        .replace('.', "__dot__")
        .replace('-', "__dash__")
        .replace('/', "__slash__")
}
