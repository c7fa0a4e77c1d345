//! What is known of a value's type: from the API's own messages, from a custom resource's structural schema, or nothing.

use serde_json::{Map, Value};

use super::set::field_step;
use crate::KindInfo;
use crate::schema::{self, Field, ListType, Message, Type};
use schema::Shape as Many;

/// The type of a value, as far as merging cares.
#[derive(Clone, Copy, Debug)]
pub enum TypeRef<'s> {
    /// An object of one of the API's messages.
    Message(&'static Message),
    /// The whole of a message's field: a list, a map or one value.
    Field(&'static Field),
    /// One value of a message's field: an element of its list, a value of its map.
    Element(&'static Field),
    /// A whole custom resource, by its structural schema (`openAPIV3Schema`).
    Custom(&'s Value),
    /// A part of a custom resource.
    Structural(&'s Value),
    /// Nothing is known: maps merge, lists and scalars are replaced whole.
    Unknown,
}

/// How values of a type merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Scalars, and what is replaced whole.
    Leaf,
    /// By its fields or keys.
    Map,
    /// As a set of scalars, or by keys.
    List,
}

/// What a value of a type has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nothing is asked.
    Anything,
    /// Fields, which are all declared unless it is open.
    Fields {
        open: bool,
    },
    /// A list.
    Elements,
    Text,
    Number,
    Truth,
}

/// Two values that cannot be told apart, or one that cannot be told from others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// An element has none of the keys.
    #[error(
        "associative list with keys has an element that omits all key fields [{0}] (and doesn't have default values for any key fields)"
    )]
    NoKey(String),
    /// An element is no object.
    #[error("associative list with keys may not have non-map elements")]
    NoObject,
    /// An element of a set is no scalar.
    #[error("associative list without keys has an element that's a map type")]
    NoScalar,
}

impl<'s> TypeRef<'s> {
    /// The type of a kind's objects.
    pub fn of(kind: &'s KindInfo) -> Self {
        match (kind.message(), kind.custom()) {
            (Some(message), _) => Self::Message(message),
            (None, Some(custom)) => Self::Custom(custom.schema()),
            (None, None) => Self::Unknown,
        }
    }

    /// How a value of this type merges. A value of another type than declared is replaced whole.
    pub(super) fn form(self, value: &Value) -> Form {
        match (value, self.declared()) {
            (Value::Object(_), Some(Form::Map)) => Form::Map,
            (Value::Array(_), Some(Form::List)) => Form::List,
            (Value::Object(_), None) => Form::Map,
            (Value::Null, Some(form)) => form,
            (_, _) => Form::Leaf,
        }
    }

    /// What its values have to be.
    pub(super) fn shape(self) -> Shape {
        match self {
            Self::Message(message) => match message.go_name {
                "JSONSchemaPropsOrBool" | "JSONSchemaPropsOrArray" | "JSONSchemaPropsOrStringArray" => {
                    Shape::Anything
                }
                _ => Shape::Fields { open: false },
            },
            Self::Field(field) => match field.shape {
                Many::One => Self::Element(field).shape(),
                Many::List => Shape::Elements,
                Many::Map => Shape::Fields { open: true },
            },
            Self::Element(field) => match field.kind {
                Type::Message(_) => {
                    field.message().map_or(Shape::Anything, |message| Self::Message(message).shape())
                }
                Type::String => Shape::Text,
                Type::Int32 | Type::Int64 | Type::Float => Shape::Number,
                Type::Bool => Shape::Truth,
                _ => Shape::Anything,
            },
            Self::Custom(schema) | Self::Structural(schema) => shape_by(schema),
            Self::Unknown => Shape::Anything,
        }
    }

    /// A list whose elements are scalars and told apart by their values.
    pub(super) fn is_set(self) -> bool {
        match self {
            Self::Field(field) => field.list == ListType::Set,
            Self::Structural(schema) => text(schema, "x-kubernetes-list-type") == "set",
            _ => false,
        }
    }

    /// Its values say their own `apiVersion` and `kind`.
    pub(super) fn is_object(self) -> bool {
        match self {
            Self::Message(message) => message.field("metadata").is_some(),
            Self::Field(field) | Self::Element(field) => field.object,
            Self::Custom(_) => true,
            Self::Structural(schema) => is_resource(schema),
            Self::Unknown => false,
        }
    }

    /// `None`: as the value is.
    fn declared(self) -> Option<Form> {
        match self {
            Self::Message(message) if message.atomic => Some(Form::Leaf),
            Self::Message(_) | Self::Custom(_) => Some(Form::Map),
            Self::Field(field) => match (field.shape, &field.list) {
                (Many::One, ListType::Map(_)) => Some(Form::Map),
                (Many::One, _) => Self::Element(field).declared(),
                (Many::List | Many::Map, ListType::Atomic) => Some(Form::Leaf),
                (Many::List, ListType::Set | ListType::Map(_)) => Some(Form::List),
                (Many::Map, ListType::Set | ListType::Map(_)) => Some(Form::Map),
            },
            Self::Element(field) => match field.kind {
                Type::Message(_) => Self::Message(field.message()?).declared(),
                Type::Raw => None,
                _ => Some(Form::Leaf),
            },
            Self::Structural(schema) => declared_by(schema),
            Self::Unknown => None,
        }
    }

    /// The type of a field that is declared by name; `None` for keys of maps.
    pub(super) fn field(self, name: &str) -> Option<Self> {
        match self {
            Self::Message(message) => message.field(name).map(Self::Field),
            Self::Field(field) if field.shape == Many::One => Self::Element(field).field(name),
            Self::Element(field) => Self::Message(field.message()?).field(name),
            Self::Custom(_) if name == "metadata" => schema::message("meta.v1.ObjectMeta").map(Self::Message),
            Self::Structural(schema) if name == "metadata" && is_resource(schema) => {
                schema::message("meta.v1.ObjectMeta").map(Self::Message)
            }
            Self::Custom(schema) | Self::Structural(schema) => {
                schema.get("properties")?.get(name).map(Self::Structural)
            }
            Self::Field(_) | Self::Unknown => None,
        }
    }

    /// The type of what a map or message has under `name`.
    pub(super) fn child(self, name: &str) -> Self {
        match (self.field(name), self) {
            (Some(field), _) => field,
            (None, Self::Field(field)) if field.shape == Many::Map => Self::Element(field),
            (None, Self::Structural(schema)) => {
                schema.get("additionalProperties").map_or(Self::Unknown, Self::Structural)
            }
            (None, _) => Self::Unknown,
        }
    }

    /// The type of a list's elements.
    pub(super) fn element(self) -> Self {
        match self {
            Self::Field(field) => Self::Element(field),
            Self::Structural(schema) => schema.get("items").map_or(Self::Unknown, Self::Structural),
            Self::Message(_) | Self::Element(_) | Self::Custom(_) | Self::Unknown => Self::Unknown,
        }
    }

    /// The step to an element of a list that merges.
    pub(super) fn step_to(self, item: &Value) -> Result<String, ItemError> {
        match self {
            Self::Field(Field { list: ListType::Map(keys), .. }) => {
                step_by(item, keys.iter().map(|key| (key.name, key.default.map(Value::from))))
            }
            Self::Structural(schema) if text(schema, "x-kubernetes-list-type") == "map" => {
                let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
                let names = keys.into_iter().flatten().filter_map(Value::as_str);
                let default = |name: &str| schema.get("items")?.get("properties")?.get(name)?.get("default");
                step_by(item, names.map(|name| (name, default(name).cloned())))
            }
            _ if item.is_object() || item.is_array() => Err(ItemError::NoScalar),
            _ => Ok(format!("v:{item}")),
        }
    }

    /// What Go writes of an object of this type that nobody has filled in.
    pub(super) fn zero(self) -> Value {
        match self {
            Self::Message(message) => zero_of(message),
            Self::Field(_) | Self::Element(_) | Self::Custom(_) | Self::Structural(_) | Self::Unknown => {
                Value::Object(Map::new())
            }
        }
    }
}

fn zero_of(message: &Message) -> Value {
    let fields = message.fields.iter().filter(|field| field.always);
    let value = |field: &Field| match field.shape {
        Many::One => field.message().map_or(Value::Null, zero_of),
        Many::List | Many::Map => Value::Null,
    };
    fields.map(|field| (field.json.to_owned(), value(field))).collect::<Map<_, _>>().into()
}

/// Kubernetes' defaults for structural schemas: lists are atomic, maps are not.
fn declared_by(schema: &Value) -> Option<Form> {
    match text(schema, "type") {
        "array" => match text(schema, "x-kubernetes-list-type") {
            "set" | "map" => Some(Form::List),
            _ => Some(Form::Leaf),
        },
        "object" => match text(schema, "x-kubernetes-map-type") {
            "atomic" => Some(Form::Leaf),
            _ => Some(Form::Map),
        },
        "string" | "integer" | "number" | "boolean" => Some(Form::Leaf),
        _ => None,
    }
}

/// As [`declared_by`], of what is applied.
fn shape_by(schema: &Value) -> Shape {
    let is = |key: &str| schema.get(key).and_then(Value::as_bool).unwrap_or_default();
    match text(schema, "type") {
        "object" => {
            let named =
                schema.get("properties").and_then(Value::as_object).is_some_and(|named| !named.is_empty());
            let further =
                schema.get("additionalProperties").is_some_and(|further| *further != Value::Bool(false));
            Shape::Fields { open: is("x-kubernetes-preserve-unknown-fields") || further || !named }
        }
        "array" => Shape::Elements,
        "string" => Shape::Text,
        "integer" | "number" => Shape::Number,
        "boolean" => Shape::Truth,
        _ => Shape::Anything,
    }
}

fn is_resource(schema: &Value) -> bool {
    schema.get("x-kubernetes-embedded-resource") == Some(&Value::Bool(true))
}

fn step_by<'k>(
    item: &Value,
    keys: impl Iterator<Item = (&'k str, Option<Value>)>,
) -> Result<String, ItemError> {
    let Value::Object(fields) = item else { return Err(ItemError::NoObject) };
    // Those that have a key and those that go without it are told apart.
    let (mut key, mut names) = (Map::new(), Vec::new());
    for (name, default) in keys {
        key.extend(fields.get(name).cloned().or(default).map(|value| (name.to_owned(), value)));
        names.push(name);
    }
    match key.is_empty() {
        true => {
            Err(ItemError::NoKey(names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(" ")))
        }
        false => Ok(format!("k:{}", Value::Object(key))),
    }
}

fn text<'v>(schema: &'v Value, key: &str) -> &'v str {
    schema.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Steps to fields of an object, with their values and types.
pub(super) fn fields_of<'v, 's>(
    kind: TypeRef<'s>,
    object: &'v Map<String, Value>,
) -> impl Iterator<Item = (String, &'v Value, TypeRef<'s>)> {
    object.iter().map(move |(name, value)| (field_step(name), value, kind.child(name)))
}
