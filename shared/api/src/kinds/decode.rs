//! Reads an object through its type: unknown fields are named, wrong types explained in Kubernetes' words.

use k8s_openapi::Resource;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_ignored::Path;
use serde_json::Value;

use super::{Decoded, SchemaError};
use crate::quantity;
use crate::schema::{self, Field, Message, Shape, Type};

/// Decodes, normalises and re-encodes an object of type `T`.
pub(super) fn decode<T: Resource + DeserializeOwned + Serialize>(mut object: Value) -> Result<Decoded, SchemaError> {
    let refuse = |reason: String| SchemaError {
        message: format!(r#"{kind} in version "{}" cannot be handled as a {kind}: {reason}"#, T::VERSION, kind = T::KIND),
    };
    let message = schema::root(T::API_VERSION, T::KIND);
    if let Some(message) = message {
        schema::for_each(&mut object, message, Type::Quantity, &mut canonical_quantity);
    }
    let mut unknown = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let deserializer = serde_path_to_error::Deserializer::new(object, &mut track);
    let typed: Result<T, _> = serde_ignored::deserialize(deserializer, |path| unknown.push(dotted(&path)));
    let typed = typed.map_err(|error| refuse(explain(message, &track.path(), &error.to_string())))?;
    let object = serde_json::to_value(typed).map_err(|error| refuse(error.to_string()))?;
    Ok(Decoded { object, unknown })
}

/// Kubernetes stores quantities in one spelling: `1000m` is `1`, a JSON number is a string.
fn canonical_quantity(value: &mut Value) {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return,
    };
    *value = Value::String(quantity::canonical(&text).unwrap_or(text));
}

/// `spec.containers[0].imge`.
fn dotted(path: &Path<'_>) -> String {
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", dotted(parent)),
        Path::Map { parent, key } => match dotted(parent) {
            parent if parent.is_empty() => key.clone(),
            parent => format!("{parent}.{key}"),
        },
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => dotted(parent),
    }
}

/// Go's words for a value of the wrong type: `json: cannot unmarshal string into Go struct field …`.
fn explain(root: Option<&'static Message>, path: &serde_path_to_error::Path, error: &str) -> String {
    let found = error.strip_prefix("invalid type: ").or_else(|| error.strip_prefix("invalid value: "));
    let keys: Vec<&str> = path.iter().filter_map(key).collect();
    let place = root.and_then(|root| locate(root, &keys));
    let (Some(found), Some((owner, field))) = (found, place) else {
        return format!("json: {}: {error}", keys.join("."));
    };
    let in_list = matches!(path.iter().last(), Some(serde_path_to_error::Segment::Seq { .. }));
    let wanted = match (in_list, field.shape) {
        (true, _) | (_, Shape::One) => go_type(field),
        (_, Shape::List) => format!("[]{}", go_type(field)),
        (_, Shape::Map) => format!("map[string]{}", go_type(field)),
    };
    format!(
        "json: cannot unmarshal {} into Go struct field {}.{} of type {wanted}",
        go_value(found),
        owner.go_name,
        keys.join(".")
    )
}

fn key(segment: &serde_path_to_error::Segment) -> Option<&str> {
    match segment {
        serde_path_to_error::Segment::Map { key } => Some(key),
        _ => None,
    }
}

/// The message that has the field at the end of the path, and the field.
fn locate(root: &'static Message, keys: &[&str]) -> Option<(&'static Message, &'static Field)> {
    let (first, rest) = keys.split_first()?;
    let field = root.field(first)?;
    let rest = if field.shape == Shape::Map { rest.get(1..).unwrap_or_default() } else { rest };
    match (rest, field.message()) {
        ([], _) | (_, None) => Some((root, field)),
        (rest, Some(message)) => locate(message, rest),
    }
}

fn go_type(field: &Field) -> String {
    match field.kind {
        Type::String => "string".into(),
        Type::Int32 => "int32".into(),
        Type::Int64 => "int64".into(),
        Type::Bool => "bool".into(),
        Type::Bytes => "[]uint8".into(),
        Type::Time => "v1.Time".into(),
        Type::MicroTime => "v1.MicroTime".into(),
        Type::IntOrString => "intstr.IntOrString".into(),
        Type::Quantity => "resource.Quantity".into(),
        Type::Raw => "json.RawMessage".into(),
        Type::Message(name) => {
            let version = name.rsplit('.').nth(1).unwrap_or_default();
            format!("{version}.{}", field.message().map_or(name, |message| message.go_name))
        }
    }
}

/// `string "three", expected i32` as Go names JSON values.
fn go_value(found: &str) -> String {
    let found = found.split(", expected").next().unwrap_or(found);
    match found.split([' ', '`']).next().unwrap_or_default() {
        "integer" | "floating" => format!("number {}", found.split('`').nth(1).unwrap_or_default()).trim_end().into(),
        "boolean" => "bool".into(),
        "map" => "object".into(),
        "sequence" => "array".into(),
        other => other.into(),
    }
}
