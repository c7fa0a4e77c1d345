//! Disruption budgets as `kubectl get` shows them.

use serde_json::{Value, json};

use super::{AGE, NAME, age, name, shown};
use crate::Timestamp;
use crate::json::int;
use crate::kinds::Column;

/// Columns of disruption budgets.
pub const DISRUPTION_BUDGET: &[Column] = &[
    NAME,
    shown("Min Available", "string", "How many pods must stay available."),
    shown("Max Unavailable", "string", "How many pods may be unavailable."),
    shown("Allowed Disruptions", "integer", "How many pods may be evicted now."),
    AGE,
];

/// Cells of a disruption budget.
pub fn disruption_budget(object: &Value, now: Timestamp) -> Vec<Value> {
    let limit = |field: &str| match object.pointer(&format!("/spec/{field}")) {
        Some(Value::String(text)) => json!(text),
        Some(Value::Number(number)) => json!(number.to_string()),
        _ => json!("N/A"),
    };
    vec![
        name(object),
        limit("minAvailable"),
        limit("maxUnavailable"),
        json!(int(object, "/status/disruptionsAllowed").unwrap_or(0)),
        age(object, now),
    ]
}
