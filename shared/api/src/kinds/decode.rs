//! Reads an object by the schema of its kind: unknown fields are named, wrong types explained in Go's words, nulls and what Go
//! would not write again left out.

mod scalar;
mod words;

use serde_json::{Map, Value, json};

use self::words::{Place, Step, Wrong};
use super::{Decoded, SchemaError};
use crate::json::text;
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

/// Leaves out of a stored object what reading it leaves out: it may have been stored by a version that did not.
pub(super) fn leave_out(object: &mut Value) {
    let (api_version, kind) = (text(object, "/apiVersion").to_owned(), text(object, "/kind").to_owned());
    if let (Some(message), Some(entries)) = (schema::root(&api_version, &kind), object.as_object_mut()) {
        let _ = Reader::default().object(message, (&api_version, &kind), entries, &Step::Root);
    }
}

/// The same for a pod template within an object.
pub fn leave_out_of_template(template: &mut Value) {
    if let (Some(message), Some(entries)) =
        (schema::message("core.v1.PodTemplateSpec"), template.as_object_mut())
    {
        let _ = Reader::default().entries(message, entries, &Step::Root);
    }
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

    /// The entries of a message. What is null, or zero where Go leaves that out, was not given; what must be there is there afterwards.
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
            match message.find(key) {
                None => self.unknown.push(at.dotted()),
                Some(_) if value.is_null() => {}
                Some((owner, field)) => {
                    outcome = self.field(Place { owner, field, at: &at }, value);
                    return outcome.is_err() || !field.leaves_out(value);
                }
            }
            false
        });
        outcome?;
        complete(message, entries);
        Ok(())
    }

    fn field(&mut self, place: Place<'_>, value: &mut Value) -> Result<(), Wrong> {
        match (place.field.shape, &mut *value) {
            (Shape::One, value) => self.value(place, value),
            (Shape::List, Value::Array(values)) => {
                let mut values = values.iter_mut().enumerate();
                values.try_for_each(|(index, value)| {
                    self.element(place.below(&Step::Index(place.at, index)), value)
                })
            }
            (Shape::Map, Value::Object(values)) => {
                let mut values = values.iter_mut();
                values.try_for_each(|(key, value)| {
                    self.element(place.below(&Step::Entry(place.at, key)), value)
                })
            }
            (Shape::List | Shape::Map, found) => Err(words::wrong(place, found)),
        }
    }

    /// A value of a list or a map; Go reads null as zero there.
    fn element(&mut self, place: Place<'_>, value: &mut Value) -> Result<(), Wrong> {
        if value.is_null() && !matches!(place.field.kind, Type::Raw | Type::Json) {
            *value = zero_of(place.field);
        }
        self.value(place, value)
    }

    fn value(&mut self, place: Place<'_>, value: &mut Value) -> Result<(), Wrong> {
        match (place.field.message(), &mut *value) {
            (None, value) => scalar::read(place, value),
            (Some(message), Value::Object(entries)) => match message.name.strip_prefix("core.") {
                Some(name) if place.field.object => {
                    let type_meta = name.split_once('.').unwrap_or_default();
                    self.object(message, type_meta, entries, place.at)
                }
                Some(_) | None => self.entries(message, entries, place.at),
            },
            (Some(message), found) => match (message.go_name, &mut *found) {
                ("JSONSchemaPropsOrBool", Value::Bool(_)) => Ok(()),
                ("JSONSchemaPropsOrArray", Value::Array(schemas)) => {
                    let mut schemas = schemas.iter_mut().enumerate();
                    schemas.try_for_each(|(index, schema)| {
                        self.value(place.below(&Step::Index(place.at, index)), schema)
                    })
                }
                ("JSONSchemaPropsOrStringArray", Value::Array(names))
                    if names.iter().all(Value::is_string) =>
                {
                    Ok(())
                }
                _ => Err(words::wrong(place, found)),
            },
        }
    }
}

/// Puts in what must be there and was not given.
fn complete(message: &'static Message, entries: &mut Map<String, Value>) {
    for field in message.fields.iter().filter(|field| field.required) {
        if !entries.contains_key(field.json) {
            entries.insert(field.json.into(), zero(field));
        }
    }
    message.embedded().for_each(|embedded| complete(embedded, entries));
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
        Type::Message(_) => {
            let mut entries = Map::new();
            if let Some(message) = field.message() {
                complete(message, &mut entries);
            }
            Value::Object(entries)
        }
    }
}

#[cfg(test)]
mod tests;
