//! The shape of every message of the API, from one table: JSON names, types, protobuf numbers and merge keys.

mod descriptions;
mod table;

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

pub use descriptions::{Description, Descriptions, FieldDescription, Possible};

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| table::parse(include_str!("../../data/schema.txt")));

/// All messages.
#[derive(Debug, Default)]
struct Schema {
    messages: Vec<Message>,
    by_name: HashMap<&'static str, usize>,
}

/// One message (a Go struct of the Kubernetes API).
#[derive(Debug)]
pub struct Message {
    /// `core.v1.PodSpec`.
    pub name: &'static str,
    /// `PodSpec`, as Go spells it.
    pub go_name: &'static str,
    /// Its fields, in the order of the table.
    pub fields: Vec<Field>,
    /// Server-side apply replaces it whole.
    pub atomic: bool,
}

/// One field of a message.
#[derive(Debug)]
pub struct Field {
    /// Its number in protobuf.
    pub number: u32,
    /// Its name in JSON; empty if its message's fields are written into the parent.
    pub json: &'static str,
    /// One, a list or a map of `kind`.
    pub shape: Shape,
    /// What each value is.
    pub kind: Type,
    /// A strategic merge patch merges this list rather than replacing it.
    pub merge: Option<Merge>,
    /// A strategic merge patch may name the only keys to keep.
    pub retain_keys: bool,
    /// Zero is a value of its own, not an absence.
    pub pointer: bool,
    /// Go writes it even when it is empty, so an object never goes without it.
    pub always: bool,
    /// A reader puts its zero where it was not given (`required` in Kubernetes' OpenAPI).
    pub required: bool,
    /// Its values say their own `apiVersion` and `kind`.
    pub object: bool,
    /// How server-side apply merges this list. A map, or a message that is atomic elsewhere, merges if this is [`ListType::Map`].
    pub list: ListType,
}

/// How often a field's value occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Once.
    One,
    /// Any number of times, in order.
    List,
    /// By a string key.
    Map,
}

/// How a strategic merge patch merges a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// A set of scalars.
    Set,
    /// Objects, identified by this key.
    By(&'static str),
}

/// How server-side apply merges a list (or a map, which is [`ListType::Atomic`] or merges by its keys anyway).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListType {
    /// Replaced whole.
    #[default]
    Atomic,
    /// A set of scalars.
    Set,
    /// Objects, told apart by these keys, in alphabetical order.
    Map(Vec<ListKey>),
}

/// A field that tells the elements of a list apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListKey {
    /// `protocol`.
    pub name: &'static str,
    /// What an element that leaves it out has: `TCP`.
    pub default: Option<&'static str>,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Text.
    String,
    /// A 32-bit integer.
    Int32,
    /// A 64-bit integer.
    Int64,
    /// A 64-bit floating point number.
    Float,
    /// A truth value.
    Bool,
    /// Bytes; base64 in JSON.
    Bytes,
    /// Seconds; RFC 3339 in JSON.
    Time,
    /// Microseconds; RFC 3339 in JSON.
    MicroTime,
    /// A number or a text.
    IntOrString,
    /// A quantity such as `100m`.
    Quantity,
    /// An object of any shape, as bytes on the wire.
    Raw,
    /// JSON of any shape, as bytes on the wire.
    Json,
    /// A list of texts, as a message on the wire: the values of maps are no lists there.
    Strings,
    /// Another message.
    Message(&'static str),
}

/// All that documentation of the API is made from, to be hashed.
pub fn sources() -> [&'static str; 2] {
    [include_str!("../../data/schema.txt"), descriptions::TEXT]
}

/// The message of this name: `core.v1.PodSpec`.
pub fn message(name: &str) -> Option<&'static Message> {
    SCHEMA.by_name.get(name).and_then(|index| SCHEMA.messages.get(*index))
}

/// The message of a kind: `apps/v1`, `Deployment`.
pub fn root(api_version: &str, kind: &str) -> Option<&'static Message> {
    let (group, version) = api_version.split_once('/').unwrap_or(("core", api_version));
    // Kubernetes' own groups; `apps.example.com` is not `apps`.
    let group = match group.split_once('.') {
        None if group.is_empty() => "meta",
        None => group,
        Some((name, domain)) if domain == "k8s.io" || domain.ends_with(".k8s.io") => name,
        Some(_) => group,
    };
    message(&format!("{group}.{version}.{kind}")).or_else(|| message(&format!("meta.{version}.{kind}")))
}

impl Message {
    /// The field of this name in JSON; fields of embedded messages count as the message's own.
    pub fn field(&self, json: &str) -> Option<&Field> {
        self.find(json).map(|(_, field)| field)
    }

    /// The field of this name in JSON, and the message that it belongs to: this one, or one that is embedded.
    pub fn find(&self, json: &str) -> Option<(&Self, &Field)> {
        let own = self.fields.iter().find(|field| field.json == json);
        own.map(|field| (self, field)).or_else(|| self.embedded().find_map(|message| message.find(json)))
    }

    /// The messages whose fields are written among this one's.
    pub fn embedded(&self) -> impl Iterator<Item = &'static Self> {
        self.fields.iter().filter(|field| field.json.is_empty()).filter_map(Field::message)
    }
}

impl Field {
    /// Go writes it even when it has its zero.
    pub fn written(&self) -> bool {
        (self.always || self.required) && !self.pointer
    }

    /// Go leaves it out where it has this value: nobody can tell that it was given.
    pub fn leaves_out(&self, value: &Value) -> bool {
        match (self.shape, self.kind, value) {
            _ if self.written() || self.pointer => false,
            (Shape::List, _, Value::Array(values)) => values.is_empty(),
            (Shape::Map, _, Value::Object(values)) => values.is_empty(),
            (Shape::One, Type::String | Type::Bytes, Value::String(text)) => text.is_empty(),
            (Shape::One, Type::Bool, Value::Bool(flag)) => !flag,
            (Shape::One, Type::Int32 | Type::Int64 | Type::Float, Value::Number(number)) => {
                number.as_f64() == Some(0.0)
            }
            _ => false,
        }
    }

    /// The message that its values are, if they are one.
    pub fn message(&self) -> Option<&'static Message> {
        match self.kind {
            Type::Message(name) => message(name),
            _ => None,
        }
    }
}
