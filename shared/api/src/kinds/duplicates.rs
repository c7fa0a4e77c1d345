//! Reads JSON and YAML, and says which fields are there twice: decoding alone would silently merge them.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// What was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Read {
    /// Of fields that are there twice it has the last.
    pub value: Value,
    /// Fields that are there more than once in the same object.
    pub repeated: Vec<Repeated>,
}

/// A field that is there more than once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated {
    /// `spec.replicas`.
    pub path: String,
    /// `replicas`.
    pub key: String,
}

/// Reads a document of any format, each field of it once.
pub fn read<'de, D: Deserializer<'de>>(document: D) -> Result<Read, D::Error> {
    let mut repeated = Vec::new();
    let value = Walk { step: Step::Root, repeated: &mut repeated }.deserialize(document)?;
    Ok(Read { value, repeated })
}

/// Where a value stands: nothing is made of it unless it is to be told.
#[derive(Clone, Copy)]
enum Step<'s> {
    Root,
    Key(&'s Step<'s>, &'s str),
    Index(&'s Step<'s>, usize),
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(Self::Root, key) => f.write_str(key),
            Self::Key(parent, key) => write!(f, "{parent}.{key}"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

struct Walk<'w> {
    step: Step<'w>,
    repeated: &'w mut Vec<Repeated>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any valid JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let step = Step::Key(&self.step, &key);
            if fields.contains_key(&key) {
                let repeated = Repeated { path: step.to_string(), key: key.clone() };
                if !self.repeated.contains(&repeated) {
                    self.repeated.push(repeated);
                }
            }
            let value = map.next_value_seed(Walk { step, repeated: self.repeated })?;
            fields.insert(key, value);
        }
        Ok(Value::Object(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        loop {
            let step = Step::Index(&self.step, items.len());
            match seq.next_element_seed(Walk { step, repeated: self.repeated })? {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
        self.deserialize(inner)
    }
}
