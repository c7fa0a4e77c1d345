//! Reads single values: numbers that fit, texts, times, bytes, quantities, each in the one spelling that is stored.

use base64::engine::general_purpose::{PAD, STANDARD};
use base64::engine::{Engine, GeneralPurpose};
use serde_json::Value;

use super::words::{self, Place, Wrong};
use crate::quantity::{self, Quantity};
use crate::schema::Type;
use crate::{Timestamp, time};

const MALFORMED_QUANTITY: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/// Checks a value that is no message, and spells it as it is stored.
pub(super) fn read(place: Place<'_>, value: &mut Value) -> Result<(), Wrong> {
    let fits = match place.field.kind {
        Type::String => value.is_string(),
        Type::Bool => value.is_boolean(),
        Type::Int32 => is_int32(value),
        Type::Int64 => value.as_i64().is_some(),
        Type::Float => value.is_number(),
        Type::IntOrString => value.is_string() || is_int32(value),
        Type::Strings => value.as_array().is_some_and(|texts| texts.iter().all(Value::is_string)),
        Type::Raw | Type::Json => true,
        Type::Quantity => return quantity(place, value),
        Type::Bytes => return bytes(place, value),
        Type::Time => return moment(place, value, Timestamp::to_seconds_text),
        Type::MicroTime => return moment(place, value, Timestamp::to_micro_text),
        Type::Message(_) => false,
    };
    if !fits {
        return Err(words::wrong(place, value));
    }
    if place.field.kind == Type::Float {
        *value = value.as_f64().into();
    }
    Ok(())
}

fn is_int32(value: &Value) -> bool {
    value.as_i64().is_some_and(|number| i32::try_from(number).is_ok())
}

/// Kubernetes stores quantities in one spelling: `1000m` is `1`, a JSON number is a string.
fn quantity(place: Place<'_>, value: &mut Value) -> Result<(), Wrong> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => std::mem::take(text),
        _ => return Err(words::wrong(place, value)),
    };
    let text = text.trim().to_owned();
    if Quantity::parse(&text).is_none() {
        return Err(Wrong::of(MALFORMED_QUANTITY.into()));
    }
    *value = Value::String(quantity::canonical(&text).unwrap_or(text));
    Ok(())
}

/// Go's reader passes over line breaks and bits that are left over.
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&base64::alphabet::STANDARD, PAD.with_decode_allow_trailing_bits(true));

fn bytes(place: Place<'_>, value: &mut Value) -> Result<(), Wrong> {
    let Value::String(text) = value else { return Err(words::wrong(place, value)) };
    text.retain(|c| !matches!(c, '\r' | '\n'));
    let broken_at = match LENIENT.decode(&*text) {
        Ok(bytes) => {
            *text = STANDARD.encode(bytes);
            return Ok(());
        }
        Err(base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _)) => at,
        // Go looks at four bytes at a time and names the first of those that it lacks.
        Err(base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding) => {
            text.len() / 4 * 4
        }
    };
    let reading = format!("illegal base64 data at input byte {broken_at}");
    Err(Wrong { converting: format!("error decoding from json: {reading}"), reading })
}

fn moment(place: Place<'_>, value: &mut Value, spell: fn(Timestamp) -> String) -> Result<(), Wrong> {
    let Value::String(text) = value else { return Err(words::wrong(place, value)) };
    let Some(moment) = Timestamp::parse(text) else { return Err(Wrong::of(time::complaint(text))) };
    *text = spell(moment);
    Ok(())
}
