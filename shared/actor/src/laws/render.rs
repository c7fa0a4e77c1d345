//! Decisions and clusters as text that people can read and tests can compare.

use api::journal::EventView;
use api::lifecycle::Propagation;
use api::{ObjectKey, Resource};
use serde_json::Value;

use super::cluster::kind_of_resource;
use crate::{Decision, ResourceActor, Write};

/// A decision: one line per command, the status' changes, and when to look again.
pub(super) fn decision<A: ResourceActor<Command = Write>>(decision: &Decision<A>, stored: &Value) -> String {
    let mut lines: Vec<String> = decision.commands.iter().map(write).collect();
    if let Some(status) = &decision.status {
        let old = A::Kind::status_of(stored);
        let new = serde_json::to_value(status).unwrap_or_default();
        let changes = changes(&old, &new);
        if !changes.is_empty() {
            lines.push(format!("status {}", changes.join(" ")));
        }
    }
    if let Some(after) = decision.wake_after {
        lines.push(format!("wake after {after:?}"));
    }
    if lines.is_empty() {
        lines.push("nothing".to_owned());
    }
    lines.join("\n") + "\n"
}

/// The stored status, read through the kind's type: as the host compares it.
trait StatusOf {
    fn status_of(stored: &Value) -> Value;
}

impl<K: Resource> StatusOf for K {
    fn status_of(stored: &Value) -> Value {
        let status = stored.get("status").cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        serde_json::from_value::<K::Status>(status)
            .ok()
            .and_then(|status| serde_json::to_value(status).ok())
            .unwrap_or_default()
    }
}

/// `create pod web-1: a replica is missing [SuccessfulCreate]`.
pub fn write(write: &Write) -> String {
    let details = match write {
        Write::Create { object, .. } => created(object),
        Write::Patch { merge, .. } => leaves(merge),
        Write::Delete { grace, propagation, .. } => deletion(*grace, *propagation),
        Write::Finish { .. } | Write::Tell { .. } => Vec::new(),
    };
    let mut text = format!("{} {}", write.verb(), show(write.key()));
    for detail in details {
        text.push(' ');
        text.push_str(&detail);
    }
    text.push_str(": ");
    text.push_str(write.because());
    if let Some(EventView { reason, .. }) = write.event() {
        text.push_str(&format!(" [{reason}]"));
    }
    text
}

/// `pod web-1`.
pub fn show(key: &ObjectKey) -> String {
    kind_of_resource(key.resource).map_or_else(|| key.to_string(), |kind| kind.show(key))
}

/// What a reader wants to know of a new object.
fn created(object: &Value) -> Vec<String> {
    let fields = [
        ("replicas", "/spec/replicas"),
        ("image", "/spec/containers/0/image"),
        ("image", "/spec/template/spec/containers/0/image"),
        ("node", "/spec/nodeName"),
        ("endpoints", "/endpoints"),
    ];
    let shown = |(name, pointer): (&str, &str)| {
        let value = object.pointer(pointer)?;
        Some(match value.as_array() {
            Some(items) => format!("{name}={}", items.len()),
            None => format!("{name}={}", text(value)),
        })
    };
    fields.into_iter().filter_map(shown).collect()
}

fn deletion(grace: Option<i64>, propagation: Propagation) -> Vec<String> {
    let grace = grace.map(|grace| format!("grace={grace}"));
    let propagation = match propagation {
        Propagation::Background => None,
        Propagation::Foreground => Some("foreground".to_owned()),
        Propagation::Orphan => Some("orphan".to_owned()),
    };
    grace.into_iter().chain(propagation).collect()
}

/// `spec.replicas=2` for every leaf.
fn leaves(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    flatten(value, String::new(), &mut found);
    found.into_iter().map(|(path, value)| format!("{path}={value}")).collect()
}

/// The leaves that differ; `path=-` for those that went.
fn changes(old: &Value, new: &Value) -> Vec<String> {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    flatten(old, String::new(), &mut before);
    flatten(new, String::new(), &mut after);
    let changed =
        after.iter().filter(|leaf| !before.contains(leaf)).map(|(path, value)| format!("{path}={value}"));
    let kept = |path: &str| after.iter().any(|(other, _)| other == path);
    let gone = before.iter().filter(|(path, _)| !kept(path)).map(|(path, _)| format!("{path}=-"));
    changed.chain(gone).collect()
}

/// Leaves by path. Conditions are leaves by their type, without times: `Ready=True/Reason`.
fn flatten(value: &Value, path: String, found: &mut Vec<(String, String)>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                match conditions(key, value) {
                    Some(conditions) => found.extend(conditions),
                    None => flatten(value, below(key), found),
                }
            }
        }
        value => found.push((path, text(value))),
    }
}

fn conditions(key: &str, value: &Value) -> Option<Vec<(String, String)>> {
    let conditions = value.as_array().filter(|_| key == "conditions")?;
    let field = |condition: &Value, name: &str| {
        condition.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let shown = |condition: &Value| {
        let (kind, status) = (field(condition, "type")?, field(condition, "status")?);
        let reason = field(condition, "reason").map(|reason| format!("/{reason}")).unwrap_or_default();
        Some((kind, format!("{status}{reason}")))
    };
    conditions.iter().map(shown).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains(char::is_whitespace) => text.clone(),
        other => other.to_string(),
    }
}
