//! JSON to protobuf.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::wire::Writer;
use super::{ProtobufError, scalars};
use crate::schema::{self, Field, Message, Shape, Type};

/// The bytes of a message. Fields that the table does not have are left out.
pub(super) fn message(object: &Value, message: &Message) -> Result<Vec<u8>, ProtobufError> {
    let mut writer = Writer::default();
    for field in &message.fields {
        if field.json.is_empty() {
            if let Some(embedded) = field.message() {
                let bytes = self::message(object, embedded)?;
                if !bytes.is_empty() {
                    writer.bytes(field.number, &bytes);
                }
            }
            continue;
        }
        let wrong = || ProtobufError::WrongType(format!("{}.{}", message.go_name, field.json));
        match (object.get(field.json), field.shape) {
            (None | Some(Value::Null), _) => {}
            (Some(value), Shape::One) => write(&mut writer, field.number, field, value)?.ok_or_else(wrong)?,
            (Some(Value::Array(values)), Shape::List) => {
                for value in values {
                    write(&mut writer, field.number, field, value)?.ok_or_else(wrong)?;
                }
            }
            (Some(Value::Object(entries)), Shape::Map) => {
                for (key, value) in entries {
                    let mut entry = Writer::default();
                    entry.bytes(1, key.as_bytes());
                    write(&mut entry, 2, field, value)?.ok_or_else(wrong)?;
                    writer.bytes(field.number, &entry.0);
                }
            }
            (Some(_), Shape::List | Shape::Map) => return Err(wrong()),
        }
    }
    Ok(writer.0)
}

/// The bytes of a list of objects.
pub(super) fn list(object: &Value, item: &Message) -> Result<Vec<u8>, ProtobufError> {
    let mut writer = Writer::default();
    if let (Some(metadata), Some(list_meta)) = (object.get("metadata"), schema::message("meta.v1.ListMeta")) {
        writer.bytes(1, &message(metadata, list_meta)?);
    }
    for one in crate::json::items(object, "/items") {
        writer.bytes(2, &message(one, item)?);
    }
    Ok(writer.0)
}

/// Writes one value; `None` if it is of the wrong type.
fn write(
    writer: &mut Writer,
    number: u32,
    field: &Field,
    value: &Value,
) -> Result<Option<()>, ProtobufError> {
    let bytes = match field.kind {
        Type::Int32 | Type::Int64 => {
            return Ok(value.as_i64().map(|value| writer.varint(number, value.cast_unsigned())));
        }
        Type::Float => return Ok(value.as_f64().map(|value| writer.fixed(number, value.to_bits()))),
        Type::Bool => return Ok(value.as_bool().map(|value| writer.varint(number, u64::from(value)))),
        Type::String => value.as_str().map(|text| text.as_bytes().to_vec()),
        Type::Bytes => value.as_str().and_then(|text| STANDARD.decode(text).ok()),
        Type::Time | Type::MicroTime => value.as_str().and_then(scalars::write_time),
        Type::IntOrString => scalars::write_int_or_string(value),
        Type::Quantity => value.as_str().map(|text| scalars::write_wrapped(text.as_bytes())),
        Type::Strings => scalars::write_strings(value),
        Type::Raw | Type::Json => Some(scalars::write_wrapped(value.to_string().as_bytes())),
        Type::Message(_) => match field.message() {
            Some(nested) if value.is_object() => Some(message(value, nested)?),
            _ => None,
        },
    };
    Ok(bytes.map(|bytes| writer.bytes(number, &bytes)))
}
