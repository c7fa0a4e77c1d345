//! Kubernetes' protobuf encoding of objects, driven by the schema's table rather than by generated types.

mod decode;
mod encode;
mod scalars;
mod wire;

use serde_json::{Map, Value, json};

use crate::schema::{self, Message};
use wire::{Reader, Writer};

/// What an encoded object starts with.
const MAGIC: &[u8] = b"k8s\0";
/// Messages nest this deep at most; objects do not come near it.
const DEEPEST: usize = 64;

/// Bytes or an object that cannot be translated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtobufError {
    /// The bytes do not start with `k8s\0`.
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    NoMagic,
    /// The bytes end in the middle of something, or are no protobuf at all.
    #[error("malformed protobuf: {0}")]
    Malformed(&'static str),
    /// The object is of a kind that the table does not have.
    #[error("no kind \"{kind}\" is registered for version \"{api_version}\"")]
    UnknownKind {
        /// `apps/v1`.
        api_version: String,
        /// `Deployment`.
        kind: String,
    },
    /// The body is compressed or otherwise encoded.
    #[error("unsupported content encoding {0:?} of the body")]
    UnsupportedEncoding(String),
    /// A field holds a value of another type than the table says.
    #[error("field {0} is of the wrong type")]
    WrongType(String),
}

/// Reads an object in its envelope, or whatever JSON the envelope holds.
pub fn decode(bytes: &[u8]) -> Result<Value, ProtobufError> {
    let envelope = Envelope::read(bytes.strip_prefix(MAGIC).ok_or(ProtobufError::NoMagic)?)?;
    if !envelope.encoding.is_empty() {
        return Err(ProtobufError::UnsupportedEncoding(envelope.encoding));
    }
    if envelope.content_type.starts_with("application/json") {
        return serde_json::from_slice(envelope.raw)
            .map_err(|_| ProtobufError::Malformed("the body is not JSON"));
    }
    let mut object = Map::new();
    object.insert("apiVersion".into(), json!(envelope.api_version));
    object.insert("kind".into(), json!(envelope.kind));
    match Root::of(&envelope.api_version, &envelope.kind)? {
        Root::One(message) => decode::message(envelope.raw, message, &mut object, 0)?,
        Root::List(item) => decode::list(envelope.raw, item, &mut object)?,
    }
    Ok(Value::Object(object))
}

/// Writes an object, or a list of objects, in its envelope.
pub fn encode(object: &Value) -> Result<Vec<u8>, ProtobufError> {
    let (api_version, kind) = (crate::json::text(object, "/apiVersion"), crate::json::text(object, "/kind"));
    let raw = match Root::of(api_version, kind)? {
        Root::One(message) => encode::message(object, message)?,
        Root::List(item) => encode::list(object, item)?,
    };
    let mut type_meta = Writer::default();
    type_meta.bytes(1, api_version.as_bytes());
    type_meta.bytes(2, kind.as_bytes());
    let mut envelope = Writer::default();
    envelope.bytes(1, &type_meta.0);
    envelope.bytes(2, &raw);
    Ok([MAGIC, &envelope.0].concat())
}

/// Writes a watch's event: `WatchEvent`, without an envelope of its own.
pub fn encode_event(kind: &str, object: &Value) -> Result<Vec<u8>, ProtobufError> {
    let mut extension = Writer::default();
    extension.bytes(1, &encode(object)?);
    let mut event = Writer::default();
    event.bytes(1, kind.as_bytes());
    event.bytes(2, &extension.0);
    Ok(event.0)
}

/// What an envelope holds.
enum Root {
    One(&'static Message),
    /// A list of such objects: every kind has one, of the same shape.
    List(&'static Message),
}

impl Root {
    fn of(api_version: &str, kind: &str) -> Result<Self, ProtobufError> {
        if let Some(message) = schema::root(api_version, kind) {
            return Ok(Self::One(message));
        }
        let item = kind.strip_suffix("List").and_then(|item| schema::root(api_version, item));
        item.map(Self::List)
            .ok_or_else(|| ProtobufError::UnknownKind { api_version: api_version.into(), kind: kind.into() })
    }
}

/// `runtime.Unknown`: a typed body.
#[derive(Debug, Default)]
struct Envelope<'a> {
    api_version: String,
    kind: String,
    raw: &'a [u8],
    encoding: String,
    content_type: String,
}

impl<'a> Envelope<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, ProtobufError> {
        let mut envelope = Self::default();
        let mut reader = Reader::new(bytes);
        while let Some((number, value)) = reader.field()? {
            match number {
                1 => {
                    let mut type_meta = Reader::new(value.bytes()?);
                    while let Some((number, value)) = type_meta.field()? {
                        match number {
                            1 => envelope.api_version = value.text()?,
                            2 => envelope.kind = value.text()?,
                            _ => {}
                        }
                    }
                }
                2 => envelope.raw = value.bytes()?,
                3 => envelope.encoding = value.text()?,
                4 => envelope.content_type = value.text()?,
                _ => {}
            }
        }
        Ok(envelope)
    }
}

#[cfg(test)]
mod tests;
