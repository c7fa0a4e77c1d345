//! The kind `Event`, which the bucket does not have.

use api::json::{int, text};
use api::kinds::{Column, Decoded, SchemaError};
use api::{KindInfo, ResourceId, Timestamp};
use serde_json::{Value, json};

/// `events`, as discovery, lists and tables need it.
pub const KIND: &KindInfo = &KindInfo {
    id: ResourceId::new("events"),
    group: "",
    version: "v1",
    kind: "Event",
    singular: "event",
    short_names: &["ev"],
    categories: &[],
    namespaced: true,
    has_status: false,
    has_scale: false,
    decode,
    default: |_| {},
    validate: |_, _| Vec::new(),
    columns: COLUMNS,
    cells,
};

const COLUMNS: &[Column] = &[
    column("Last Seen", "string", "", 0),
    column("Type", "string", "", 0),
    column("Reason", "string", "", 0),
    column("Object", "string", "", 0),
    column("Subobject", "string", "", 1),
    column("Source", "string", "", 1),
    column("Message", "string", "", 0),
    column("First Seen", "string", "", 1),
    column("Count", "string", "", 1),
    column("Name", "string", "name", 1),
];

const fn column(name: &'static str, kind: &'static str, format: &'static str, priority: i32) -> Column {
    Column { name, kind, format, priority, description: "" }
}

fn decode(object: Value) -> Result<Decoded, SchemaError> {
    match object.pointer("/involvedObject").is_some_and(Value::is_object) {
        true => Ok(Decoded { object, unknown: Vec::new() }),
        false => Err(SchemaError { message: "involvedObject: Required value".to_owned() }),
    }
}

fn cells(event: &Value, now: Timestamp) -> Vec<Value> {
    let kind = text(event, "/involvedObject/kind").to_ascii_lowercase();
    let object = format!("{kind}/{}", text(event, "/involvedObject/name"));
    vec![
        json!(ago(text(event, "/lastTimestamp"), now)),
        json!(text(event, "/type")),
        json!(text(event, "/reason")),
        json!(object),
        json!(text(event, "/involvedObject/fieldPath")),
        json!(text(event, "/source/component")),
        json!(text(event, "/message").trim()),
        json!(ago(text(event, "/firstTimestamp"), now)),
        json!(int(event, "/count").unwrap_or(1).to_string()),
        json!(text(event, "/metadata/name")),
    ]
}

/// How long ago, as kubectl says it: `12s`, `3m4s`, `17m`.
fn ago(text: &str, now: Timestamp) -> String {
    let Some(then) = Timestamp::parse(text) else { return "<unknown>".to_owned() };
    let seconds = now.since(then).as_secs();
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=599 if seconds % 60 == 0 => format!("{}m", seconds / 60),
        120..=599 => format!("{}m{}s", seconds / 60, seconds % 60),
        600..=10_799 => format!("{}m", seconds / 60),
        _ => format!("{}h", seconds / 3600),
    }
}
