//! Reads an object through its type: unknown fields are named, wrong types explained in Kubernetes' words.

use k8s_openapi::Resource;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_ignored::Path;
use serde_json::Value;

use super::{Decoded, SchemaError};
use crate::quantity::{self, Quantity};
use crate::schema::{self, Field, Message, Shape, Type};

const MALFORMED_QUANTITY: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/// Decodes, normalises and re-encodes an object of type `T`.
pub(super) fn decode<T: Resource + DeserializeOwned + Serialize>(
    mut object: Value,
) -> Result<Decoded, SchemaError> {
    let refuse = |reason: String| SchemaError {
        message: format!(
            r#"{kind} in version "{}" cannot be handled as a {kind}: {reason}"#,
            T::VERSION,
            kind = T::KIND
        ),
    };
    let message = schema::root(T::API_VERSION, T::KIND);
    let mut well_formed = true;
    if let Some(message) = message {
        let canonical = &mut |value: &mut Value| well_formed &= canonical_quantity(value);
        schema::for_each(&mut object, message, Type::Quantity, canonical);
    }
    if !well_formed {
        return Err(refuse(MALFORMED_QUANTITY.into()));
    }
    let (object, unknown) = typed::<T>(object, message).map_err(refuse)?;
    Ok(Decoded { object, unknown })
}

/// Reads the metadata of an object whose type is not known; unknown fields are named as the object's.
pub(crate) fn decode_metadata(metadata: Value) -> Result<(Value, Vec<String>), String> {
    let (metadata, unknown) = typed::<ObjectMeta>(metadata, schema::message("meta.v1.ObjectMeta"))?;
    Ok((metadata, unknown.into_iter().map(|path| format!("metadata.{path}")).collect()))
}

/// A value read through its type, and the paths of what the type does not know.
fn typed<T: DeserializeOwned + Serialize>(
    value: Value,
    message: Option<&'static Message>,
) -> Result<(Value, Vec<String>), String> {
    let mut unknown = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let deserializer = serde_path_to_error::Deserializer::new(value, &mut track);
    let typed: Result<T, _> = serde_ignored::deserialize(deserializer, |path| unknown.push(dotted(&path)));
    let typed = typed.map_err(|error| explain(message, &track.path(), &error.to_string()))?;
    Ok((serde_json::to_value(typed).map_err(|error| error.to_string())?, unknown))
}

/// Kubernetes stores quantities in one spelling: `1000m` is `1`, a JSON number is a string.
/// False if it is malformed; values of other types are left to the typed decoding.
fn canonical_quantity(value: &mut Value) -> bool {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return true,
    };
    let well_formed = Quantity::parse(&text).is_some();
    *value = Value::String(quantity::canonical(&text).unwrap_or(text));
    well_formed
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
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => {
            dotted(parent)
        }
    }
}

/// Go's words for a value of the wrong type: `json: cannot unmarshal string into Go struct field …`.
fn explain(root: Option<&'static Message>, path: &serde_path_to_error::Path, error: &str) -> String {
    let found = error.strip_prefix("invalid type: ").or_else(|| error.strip_prefix("invalid value: "));
    let mut keys: Vec<&str> = path.iter().filter_map(key).collect();
    let place = root.and_then(|root| locate(root, &keys));
    if let Some(offset) = place.as_ref().and_then(|place| place.bad_base64(error)) {
        return format!("illegal base64 data at input byte {offset}");
    }
    let (Some(found), Some(place)) = (found, place) else {
        return format!("json: {}: {error}", keys.join("."));
    };
    if place.within {
        // Go names fields, not the keys of maps.
        keys.pop();
    }
    let in_list = matches!(path.iter().next_back(), Some(serde_path_to_error::Segment::Seq { .. }));
    let one = go_type(place.field);
    let found = go_value(found, one.starts_with("int"));
    let wanted = match place.field.shape {
        Shape::List if !in_list => format!("[]{one}"),
        Shape::Map if !place.within => format!("map[string]{one}"),
        Shape::One | Shape::List | Shape::Map => one,
    };
    let owner = place.owner.go_name;
    format!("json: cannot unmarshal {found} into Go struct field {owner}.{} of type {wanted}", keys.join("."))
}

fn key(segment: &serde_path_to_error::Segment) -> Option<&str> {
    match segment {
        serde_path_to_error::Segment::Map { key } => Some(key),
        _ => None,
    }
}

/// Where in the schema a path ends.
struct Place {
    owner: &'static Message,
    field: &'static Field,
    /// The path ends at a value of a map, not at the map itself.
    within: bool,
}

impl Place {
    /// Where base64 breaks, if that is what the error says.
    fn bad_base64<'a>(&self, error: &'a str) -> Option<&'a str> {
        let offset = error.rsplit("offset ").next()?.trim_end_matches('.');
        let numeric = !offset.is_empty() && offset.bytes().all(|byte| byte.is_ascii_digit());
        (self.field.kind == Type::Bytes && numeric).then_some(offset)
    }
}

fn locate(root: &'static Message, keys: &[&str]) -> Option<Place> {
    let (first, mut rest) = keys.split_first()?;
    let field = root.field(first)?;
    let within = field.shape == Shape::Map && !rest.is_empty();
    if within {
        rest = rest.get(1..).unwrap_or_default();
    }
    match (rest, field.message()) {
        ([], _) | (_, None) => Some(Place { owner: root, field, within }),
        (rest, Some(message)) => locate(message, rest),
    }
}

fn go_type(field: &Field) -> String {
    match field.kind {
        Type::String => "string".into(),
        Type::Int32 => "int32".into(),
        Type::Int64 => "int64".into(),
        Type::Float => "float64".into(),
        Type::Bool => "bool".into(),
        Type::Bytes => "[]uint8".into(),
        Type::Time => "v1.Time".into(),
        Type::MicroTime => "v1.MicroTime".into(),
        Type::IntOrString => "intstr.IntOrString".into(),
        Type::Quantity => "resource.Quantity".into(),
        Type::Raw => "json.RawMessage".into(),
        Type::Json => "v1.JSON".into(),
        Type::Strings => "v1.ExtraValue".into(),
        Type::Message(name) => {
            let version = name.rsplit('.').nth(1).unwrap_or_default();
            format!("{version}.{}", field.message().map_or(name, |message| message.go_name))
        }
    }
}

/// `string "three", expected i32` as Go names JSON values. A number that does not fit is quoted.
fn go_value(found: &str, quoted: bool) -> String {
    let found = found.split(", expected").next().unwrap_or(found);
    match found.split([' ', '`']).next().unwrap_or_default() {
        "integer" | "floating" if !quoted => "number".into(),
        "integer" | "floating" => {
            format!("number {}", found.split('`').nth(1).unwrap_or_default()).trim_end().into()
        }
        "boolean" => "bool".into(),
        "map" => "object".into(),
        "sequence" => "array".into(),
        other => other.into(),
    }
}
