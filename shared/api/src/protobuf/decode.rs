//! Protobuf to JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::wire::{Reader, Wire};
use super::{DEEPEST, ProtobufError, scalars};
use crate::schema::{self, Field, Message, Shape, Type};

/// Reads a message's fields into an object.
pub(super) fn message(
    bytes: &[u8],
    message: &Message,
    object: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), ProtobufError> {
    if depth > DEEPEST {
        return Err(ProtobufError::Malformed("messages nest too deep"));
    }
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.field()? {
        if let Some(field) = message.fields.iter().find(|field| field.number == number) {
            add(field, wire, object, depth)?;
        }
    }
    Ok(())
}

/// Reads a list of objects: its metadata and its items.
pub(super) fn list(
    bytes: &[u8],
    item: &Message,
    object: &mut Map<String, Value>,
) -> Result<(), ProtobufError> {
    let mut items = Vec::new();
    let mut metadata = Map::new();
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.field()? {
        match number {
            1 => {
                if let Some(list_meta) = schema::message("meta.v1.ListMeta") {
                    message(wire.bytes()?, list_meta, &mut metadata, 1)?;
                }
            }
            2 => {
                let mut one = Map::new();
                message(wire.bytes()?, item, &mut one, 1)?;
                items.push(Value::Object(one));
            }
            _ => {}
        }
    }
    object.insert("metadata".into(), Value::Object(metadata));
    object.insert("items".into(), Value::Array(items));
    Ok(())
}

fn add(
    field: &Field,
    wire: Wire<'_>,
    object: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), ProtobufError> {
    if field.json.is_empty() {
        // An embedded message: its fields are the object's own.
        return match field.message() {
            Some(embedded) => message(wire.bytes()?, embedded, object, depth + 1),
            None => Ok(()),
        };
    }
    match field.shape {
        Shape::One => one(field, wire, object, depth),
        Shape::List => {
            let mut values = Vec::new();
            match (field.kind, wire) {
                // Numbers may come packed.
                (Type::Int32 | Type::Int64 | Type::Bool, Wire::Bytes(packed)) => {
                    let mut reader = Reader::new(packed);
                    while !reader.is_done() {
                        values.extend(value(field, Wire::Varint(reader.varint()?), depth)?);
                    }
                }
                (_, wire) => values.extend(value(field, wire, depth)?),
            }
            if let Value::Array(list) = object.entry(field.json).or_insert_with(|| json!([])) {
                list.extend(values);
            }
            Ok(())
        }
        Shape::Map => {
            let (key, value) = entry(field, wire.bytes()?, depth)?;
            if let Value::Object(map) = object.entry(field.json).or_insert_with(|| json!({})) {
                map.insert(key, value);
            }
            Ok(())
        }
    }
}

fn one(
    field: &Field,
    wire: Wire<'_>,
    object: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), ProtobufError> {
    if let Some(nested) = field.message() {
        // A message may come in parts, which merge.
        let slot = object.entry(field.json).or_insert_with(|| json!({}));
        return match slot {
            Value::Object(slot) => message(wire.bytes()?, nested, slot, depth + 1),
            _ => Ok(()),
        };
    }
    // On the wire, Go writes fields that are no pointers even if nobody set them.
    let value = value(field, wire, depth)?.filter(|value| !field.leaves_out(value));
    if let Some(value) = value {
        object.insert(field.json.to_owned(), value);
    }
    Ok(())
}

fn entry(field: &Field, bytes: &[u8], depth: usize) -> Result<(String, Value), ProtobufError> {
    let (mut key, mut found) = (String::new(), None);
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.field()? {
        match number {
            1 => key = wire.text()?,
            2 => found = value(field, wire, depth)?,
            _ => {}
        }
    }
    let empty = || if field.message().is_some() { json!({}) } else { json!("") };
    Ok((key, found.unwrap_or_else(empty)))
}

/// One value of a field; `None` if it says nothing.
fn value(field: &Field, wire: Wire<'_>, depth: usize) -> Result<Option<Value>, ProtobufError> {
    Ok(match field.kind {
        Type::String => Some(json!(wire.text()?)),
        Type::Int32 | Type::Int64 => Some(json!(wire.varint()?.cast_signed())),
        Type::Float => Some(json!(f64::from_bits(wire.fixed()?))),
        Type::Bool => Some(json!(wire.varint()? != 0)),
        Type::Bytes => Some(json!(STANDARD.encode(wire.bytes()?))),
        Type::Time => scalars::read_time(wire.bytes()?, false)?,
        Type::MicroTime => scalars::read_time(wire.bytes()?, true)?,
        Type::IntOrString => Some(scalars::read_int_or_string(wire.bytes()?)?),
        Type::Quantity => scalars::read_wrapped(wire.bytes()?)?,
        Type::Raw | Type::Json => scalars::read_wrapped(wire.bytes()?)?
            .and_then(|text| serde_json::from_str(text.as_str().unwrap_or_default()).ok()),
        Type::Strings => Some(scalars::read_strings(wire.bytes()?)?),
        Type::Message(_) => {
            let mut nested = Map::new();
            if let Some(kind) = field.message() {
                message(wire.bytes()?, kind, &mut nested, depth + 1)?;
            }
            Some(Value::Object(nested))
        }
    })
}
