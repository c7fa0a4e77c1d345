//! JSON as expressions see it.

use std::collections::HashMap;
use std::sync::LazyLock;

use cel::Value;
use cel::objects::Key;

use super::{Budget, Expression, Scope};

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

/// A value without a schema: names are as they are written, whole numbers are integers.
pub fn spoken(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(flag) => Value::Bool(*flag),
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(integer) => Value::Int(integer),
            None => Value::Float(number.as_f64().unwrap_or_default()),
        },
        serde_json::Value::Array(items) => Value::from(items.iter().map(spoken).collect::<Vec<_>>()),
        serde_json::Value::Object(fields) => {
            let entries = fields.iter().map(|(name, value)| (Key::from(name.clone()), spoken(value)));
            Value::from(entries.collect::<HashMap<Key, Value>>())
        }
    }
}

/// The name of a schema's field in expressions.
pub fn escaped(name: &str) -> String {
    if RESERVED.contains(&name) {
        return format!("__{name}__");
    }
    name.replace("__", "__underscores__")
        .replace('.', "__dot__")
        .replace('-', "__dash__")
        .replace('/', "__slash__")
}

static TIMESTAMP: LazyLock<Option<Expression>> =
    LazyLock::new(|| Expression::compile("timestamp(text)", &["text"]).ok());
static DURATION: LazyLock<Option<Expression>> =
    LazyLock::new(|| Expression::compile("duration(text)", &["text"]).ok());
/// What reading a text may cost, in steps.
const READING: u64 = 1000;

/// `2026-01-31T10:00:00Z` as a time; `None` if it is none.
pub(crate) fn timestamp(text: &str) -> Option<Value> {
    read(TIMESTAMP.as_ref()?, text)
}

/// `1h30m` as a duration; `None` if it is none.
pub(crate) fn duration(text: &str) -> Option<Value> {
    read(DURATION.as_ref()?, text)
}

fn read(expression: &Expression, text: &str) -> Option<Value> {
    let scope = Scope::default().with("text", Value::from(text));
    expression.evaluate(&scope, &mut Budget::of(READING)).ok()
}
