//! `additionalPrinterColumns`: which values of an object `kubectl get` shows, and how.

use serde_json::{Value, json};

use super::JsonPath;
use crate::Timestamp;
use crate::columns::{AGE, NAME, ago};
use crate::json::{int, items, text};
use crate::kinds::Column;

/// What stands in one column.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    path: JsonPath,
    kind: String,
}

/// The columns of a version, the name first; the cells are those of all but the name.
pub(super) fn of(version: &Value) -> (Vec<Column>, Vec<Cell>) {
    let wanted = items(version, "/additionalPrinterColumns");
    if wanted.is_empty() {
        let created = ["metadata", "creationTimestamp"];
        let age = Cell { path: JsonPath::of_fields(&created), kind: "date".to_owned() };
        return (vec![NAME, Column { kind: "date".into(), ..AGE }], vec![age]);
    }
    let (mut columns, mut cells) = (vec![NAME], Vec::new());
    for column in wanted {
        let written = text(column, "/jsonPath");
        // As in Kubernetes, what cannot be read is the last that is looked at.
        let Ok(path) = JsonPath::parse(written) else { break };
        let description = match text(column, "/description") {
            "" => format!("Custom resource definition column (in JSONPath format): {written}"),
            words => words.to_owned(),
        };
        let field = |key: &str| text(column, key).to_owned().into();
        columns.push(Column {
            name: field("/name"),
            kind: field("/type"),
            format: field("/format"),
            priority: int(column, "/priority").and_then(|priority| i32::try_from(priority).ok()).unwrap_or(0),
            description: description.into(),
        });
        cells.push(Cell { path, kind: text(column, "/type").to_owned() });
    }
    (columns, cells)
}

impl Cell {
    /// The first value that the path leads to, if it is of the column's type.
    pub fn of(&self, object: &Value, now: Timestamp) -> Value {
        let found = self.path.find(object);
        let Some(first) = found.first() else { return Value::Null };
        match (self.kind.as_str(), first) {
            ("integer", Value::Number(number)) => match number.as_i64() {
                Some(integer) => json!(integer),
                None => json!(number.as_f64().unwrap_or_default().trunc()),
            },
            ("number", Value::Number(number)) => json!(number.as_f64()),
            ("boolean", Value::Bool(flag)) => json!(flag),
            ("date", Value::String(time)) => json!(ago(time, now)),
            ("string", first) => json!(word(first)),
            _ => Value::Null,
        }
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
