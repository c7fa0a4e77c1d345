//! Go's words for a value of the wrong type: `json: cannot unmarshal string into Go struct field …`.

use serde_json::Value;

use crate::schema::{Field, Message, Shape, Type};

/// Why an object cannot be read.
#[derive(Debug)]
pub(super) struct Wrong {
    /// As Kubernetes says when it reads JSON.
    pub reading: String,
    /// As it says when it converts what it has read before.
    pub converting: String,
}

impl Wrong {
    /// The same in both cases.
    pub fn of(reason: String) -> Self {
        Self { converting: reason.clone(), reading: reason }
    }
}

/// Where the reader is: a step below another place.
pub(super) enum Step<'a> {
    Root,
    /// A field of a message.
    Key(&'a Step<'a>, &'a str),
    /// A key of a map.
    Entry(&'a Step<'a>, &'a str),
    Index(&'a Step<'a>, usize),
}

impl Step<'_> {
    /// `spec.containers[0].imge`.
    pub fn dotted(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Index(parent, index) => format!("{}[{index}]", parent.dotted()),
            Self::Key(parent, key) | Self::Entry(parent, key) => match parent.dotted() {
                parent if parent.is_empty() => (*key).to_owned(),
                parent => format!("{parent}.{key}"),
            },
        }
    }

    /// `spec.containers.image`: Go names the fields of structs, not indices and keys of maps.
    fn fields(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Index(parent, _) | Self::Entry(parent, _) => parent.fields(),
            Self::Key(parent, key) => match parent.fields() {
                parent if parent.is_empty() => (*key).to_owned(),
                parent => format!("{parent}.{key}"),
            },
        }
    }

    fn is_within(&self) -> bool {
        matches!(self, Self::Index(..) | Self::Entry(..))
    }
}

/// A field that is being read, the message that it belongs to, and where its value stands.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub owner: &'static Message,
    pub field: &'static Field,
    pub at: &'a Step<'a>,
}

impl Place<'_> {
    /// The same field, at one of its values.
    pub fn below<'a>(&self, at: &'a Step<'a>) -> Place<'a> {
        Place { owner: self.owner, field: self.field, at }
    }
}

/// A value that a field cannot hold.
pub(super) fn wrong(place: Place<'_>, found: &Value) -> Wrong {
    let Place { owner, field, at } = place;
    let one = go_type(field);
    let wanted = match field.shape {
        Shape::List if !at.is_within() => format!("[]{one}"),
        Shape::Map if !at.is_within() => format!("map[string]{one}"),
        Shape::One | Shape::List | Shape::Map => one.clone(),
    };
    let (owner, fields) = (owner.go_name, at.fields());
    let shown = go_value(found, one.starts_with("int"));
    let reading =
        format!("json: cannot unmarshal {shown} into Go struct field {owner}.{fields} of type {wanted}");
    Wrong { converting: converting(field, found, at).unwrap_or_else(|| reading.clone()), reading }
}

/// Go's words for a value that does not convert to a field's type, where those of reading it are others.
fn converting(field: &Field, found: &Value, at: &Step<'_>) -> Option<String> {
    let found = match found {
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        Value::Object(_) => "map",
        Value::Array(_) => "slice",
        Value::Null => return None,
    };
    match (field.shape, field.kind) {
        (Shape::List, _) if !at.is_within() => Some(format!("cannot restore slice from {found}")),
        (Shape::Map, _) if !at.is_within() => Some(format!("cannot restore map from {found}")),
        (_, Type::Message(_)) => Some(format!("cannot restore struct from: {found}")),
        (_, Type::Bytes) => Some(format!("cannot restore slice from {found}")),
        (_, Type::String | Type::Int32 | Type::Int64 | Type::Float | Type::Bool) => {
            let wanted = go_type(field);
            Some(match (found, wanted.as_str()) {
                ("int64", "string") | ("float64", "int32" | "int64") => {
                    format!("cannot convert {found} to {wanted}")
                }
                _ => format!("unrecognized type: {wanted}"),
            })
        }
        // These read themselves.
        (
            _,
            Type::Time
            | Type::MicroTime
            | Type::IntOrString
            | Type::Quantity
            | Type::Raw
            | Type::Json
            | Type::Strings,
        ) => None,
    }
}

/// The object itself is none.
pub(super) fn not_an_object(message: &Message, found: &Value) -> Wrong {
    let version = message.name.rsplit('.').nth(1).unwrap_or_default();
    let found = go_value(found, false);
    Wrong::of(format!("json: cannot unmarshal {found} into Go value of type {version}.{}", message.go_name))
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

/// As Go names JSON values. A number that does not fit is quoted.
fn go_value(found: &Value, quoted: bool) -> String {
    match found {
        Value::Number(number) if quoted => format!("number {number}"),
        Value::Number(_) => "number".into(),
        Value::String(_) => "string".into(),
        Value::Bool(_) => "bool".into(),
        Value::Object(_) => "object".into(),
        Value::Array(_) => "array".into(),
        Value::Null => "null".into(),
    }
}
