//! Reads an object by the schema of its kind: unknown fields are named, wrong types explained in Go's words, nulls left out.

mod scalar;
mod words;

use serde_json::{Map, Value, json};

use self::words::{Step, Wrong};
use super::{Decoded, SchemaError};
use crate::schema::{self, Field, Message, Shape, Type};

/// Reads an object of this version and kind in place: what is known stays, in the one spelling that is stored.
pub(super) fn decode(api_version: &str, kind: &str, mut object: Value) -> Result<Decoded, SchemaError> {
    let refuse = |wrong: Wrong| {
        let version = api_version.rsplit('/').next().unwrap_or_default();
        let Wrong { reading, converting } = wrong;
        let message = format!("{kind} in version {version:?} cannot be handled as a {kind}: {reading}");
        SchemaError { message, converting }
    };
    let message = schema::root(api_version, kind).ok_or_else(|| {
        refuse(Wrong::of(format!("no kind {kind:?} is registered for version {api_version:?}")))
    })?;
    let Some(entries) = object.as_object_mut() else {
        return Err(refuse(words::not_an_object(message, &object)));
    };
    let mut reader = Reader::default();
    reader.object(message, (api_version, kind), entries, &Step::Root).map_err(refuse)?;
    Ok(Decoded { object, unknown: reader.unknown })
}

/// Reads the metadata of an object whose type is not known; unknown fields are named as the object's.
pub(crate) fn decode_metadata(mut metadata: Value) -> Result<(Value, Vec<String>), String> {
    let message = schema::message("meta.v1.ObjectMeta").ok_or("metadata has no schema")?;
    let Some(entries) = metadata.as_object_mut() else {
        return Err(words::not_an_object(message, &metadata).reading);
    };
    let mut reader = Reader::default();
    reader.entries(message, entries, &Step::Root).map_err(|wrong| wrong.reading)?;
    Ok((metadata, reader.unknown.into_iter().map(|path| format!("metadata.{path}")).collect()))
}

#[derive(Default)]
struct Reader {
    unknown: Vec<String>,
}

impl Reader {
    /// An object that says its version and kind, which are given rather than believed.
    fn object(
        &mut self,
        message: &'static Message,
        (api_version, kind): (&str, &str),
        entries: &mut Map<String, Value>,
        at: &Step<'_>,
    ) -> Result<(), Wrong> {
        entries.remove("apiVersion");
        entries.remove("kind");
        self.entries(message, entries, at)?;
        entries.insert("apiVersion".into(), api_version.into());
        entries.insert("kind".into(), kind.into());
        entries.entry("metadata").or_insert_with(|| json!({}));
        Ok(())
    }

    /// The entries of a message. What is null was not given; what must be there is there afterwards.
    fn entries(
        &mut self,
        message: &'static Message,
        entries: &mut Map<String, Value>,
        at: &Step<'_>,
    ) -> Result<(), Wrong> {
        let mut outcome = Ok(());
        entries.retain(|key, value| {
            if outcome.is_err() {
                return true;
            }
            let at = Step::Key(at, key);
            match message.field(key) {
                None => self.unknown.push(at.dotted()),
                Some(_) if value.is_null() => {}
                Some(field) => {
                    outcome = self.field(message.owner_of(key), field, value, &at);
                    return true;
                }
            }
            false
        });
        outcome?;
        for field in message.required() {
            if !entries.contains_key(field.json) {
                entries.insert(field.json.into(), zero(field));
            }
        }
        Ok(())
    }

    fn field(
        &mut self,
        owner: &'static Message,
        field: &'static Field,
        value: &mut Value,
        at: &Step<'_>,
    ) -> Result<(), Wrong> {
        match (field.shape, &mut *value) {
            (Shape::One, value) => self.value(owner, field, value, at),
            (Shape::List, Value::Array(values)) => {
                let mut values = values.iter_mut().enumerate();
                values
                    .try_for_each(|(index, value)| self.element(owner, field, value, &Step::Index(at, index)))
            }
            (Shape::Map, Value::Object(values)) => {
                let mut values = values.iter_mut();
                values.try_for_each(|(key, value)| self.element(owner, field, value, &Step::Entry(at, key)))
            }
            (Shape::List | Shape::Map, found) => Err(words::wrong(owner, field, found, at)),
        }
    }

    /// A value of a list or a map; Go reads null as zero there.
    fn element(
        &mut self,
        owner: &'static Message,
        field: &'static Field,
        value: &mut Value,
        at: &Step<'_>,
    ) -> Result<(), Wrong> {
        if value.is_null() && !matches!(field.kind, Type::Raw | Type::Json) {
            *value = zero_of(field);
        }
        self.value(owner, field, value, at)
    }

    fn value(
        &mut self,
        owner: &'static Message,
        field: &'static Field,
        value: &mut Value,
        at: &Step<'_>,
    ) -> Result<(), Wrong> {
        match (field.message(), &mut *value) {
            (None, value) => scalar::read(owner, field, value, at),
            (Some(message), Value::Object(entries)) => match message.name.strip_prefix("core.") {
                Some(name) if field.object => {
                    let type_meta = name.split_once('.').unwrap_or_default();
                    self.object(message, type_meta, entries, at)
                }
                Some(_) | None => self.entries(message, entries, at),
            },
            (Some(message), found) => match (message.go_name, &mut *found) {
                ("JSONSchemaPropsOrBool", Value::Bool(_)) => Ok(()),
                ("JSONSchemaPropsOrArray", Value::Array(schemas)) => {
                    let mut schemas = schemas.iter_mut().enumerate();
                    schemas.try_for_each(|(index, schema)| {
                        self.value(owner, field, schema, &Step::Index(at, index))
                    })
                }
                ("JSONSchemaPropsOrStringArray", Value::Array(names))
                    if names.iter().all(Value::is_string) =>
                {
                    Ok(())
                }
                _ => Err(words::wrong(owner, field, found, at)),
            },
        }
    }
}

/// What a field has that must be there and was not given.
fn zero(field: &'static Field) -> Value {
    match field.shape {
        Shape::List => json!([]),
        Shape::Map => json!({}),
        Shape::One => zero_of(field),
    }
}

/// Go's zero of one value.
fn zero_of(field: &'static Field) -> Value {
    match field.kind {
        Type::String | Type::Bytes => json!(""),
        Type::Quantity => json!("0"),
        Type::Int32 | Type::Int64 | Type::IntOrString => json!(0),
        Type::Float => json!(0.0),
        Type::Bool => json!(false),
        Type::Time | Type::MicroTime | Type::Raw | Type::Json => Value::Null,
        Type::Strings => json!([]),
        Type::Message(name) => {
            let required = schema::message(name).into_iter().flat_map(Message::required);
            required.map(|field| (field.json.to_owned(), zero(field))).collect()
        }
    }
}

#[cfg(test)]
mod tests;
