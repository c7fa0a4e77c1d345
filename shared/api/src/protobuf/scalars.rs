//! Values that are messages on the wire and something simpler in JSON: times, quantities, int-or-string.

use serde_json::{Value, json};

use super::ProtobufError;
use super::wire::{Reader, Writer};
use crate::Timestamp;

/// A `Time` or `MicroTime`; `None` if it is not set.
pub(super) fn read_time(bytes: &[u8], micro: bool) -> Result<Option<Value>, ProtobufError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let (mut seconds, mut nanos) = (0, 0);
    let mut reader = Reader::new(bytes);
    while let Some((number, value)) = reader.field()? {
        match number {
            1 => seconds = value.varint()?.cast_signed(),
            2 => nanos = value.varint()?.cast_signed(),
            _ => {}
        }
    }
    let time = Timestamp(seconds.saturating_mul(1_000_000).saturating_add(nanos / 1000));
    let text = if micro { time.to_micro_text() } else { time.to_seconds_text() };
    Ok((!text.is_empty()).then(|| json!(text)))
}

/// The message of a time, which JSON has as RFC 3339.
pub(super) fn write_time(text: &str) -> Option<Vec<u8>> {
    let Timestamp(micros) = Timestamp::parse(text)?;
    let mut writer = Writer::default();
    writer.varint(1, micros.div_euclid(1_000_000).cast_unsigned());
    writer.varint(2, (micros.rem_euclid(1_000_000) * 1000).cast_unsigned());
    Some(writer.0)
}

/// A number or a text.
pub(super) fn read_int_or_string(bytes: &[u8]) -> Result<Value, ProtobufError> {
    let (mut is_text, mut number, mut text) = (false, 0_i64, String::new());
    let mut reader = Reader::new(bytes);
    while let Some((field, value)) = reader.field()? {
        match field {
            1 => is_text = value.varint()? == 1,
            2 => number = value.varint()?.cast_signed(),
            3 => text = value.text()?,
            _ => {}
        }
    }
    Ok(if is_text { json!(text) } else { json!(number) })
}

/// The message of a number or a text.
pub(super) fn write_int_or_string(value: &Value) -> Option<Vec<u8>> {
    let mut writer = Writer::default();
    match value {
        Value::String(text) => {
            writer.varint(1, 1);
            writer.bytes(3, text.as_bytes());
        }
        number => {
            writer.varint(1, 0);
            writer.varint(2, number.as_i64()?.cast_unsigned());
        }
    }
    Some(writer.0)
}

/// The text of a message that wraps one in field 1 (`Quantity`).
pub(super) fn read_wrapped(bytes: &[u8]) -> Result<Option<Value>, ProtobufError> {
    let mut reader = Reader::new(bytes);
    let mut found = None;
    while let Some((number, value)) = reader.field()? {
        if number == 1 {
            found = Some(value.text()?).filter(|text| !text.is_empty());
        }
    }
    Ok(found.map(Value::String))
}

/// A message that wraps bytes in field 1.
pub(super) fn write_wrapped(bytes: &[u8]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.bytes(1, bytes);
    writer.0
}

/// The texts of a message that wraps a list of them in field 1 (`ExtraValue`).
pub(super) fn read_strings(bytes: &[u8]) -> Result<Value, ProtobufError> {
    let mut reader = Reader::new(bytes);
    let mut found = Vec::new();
    while let Some((number, value)) = reader.field()? {
        if number == 1 {
            found.push(json!(value.text()?));
        }
    }
    Ok(Value::Array(found))
}

/// A message that wraps a list of texts in field 1.
pub(super) fn write_strings(value: &Value) -> Option<Vec<u8>> {
    let mut writer = Writer::default();
    for text in value.as_array()? {
        writer.bytes(1, text.as_str()?.as_bytes());
    }
    Some(writer.0)
}
