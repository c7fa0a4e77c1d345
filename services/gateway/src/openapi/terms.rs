//! What a document says about a single field besides its type: its default, what it may be, how patches treat it.

use api::schema::{Field, FieldDescription, ListType, Merge, Message, Possible, Shape, Type};
use serde_json::{Value, json};

/// Messages that something else may stand for, a list or a truth value: nothing is said of their shape.
const EITHERS: [&str; 3] =
    ["JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool", "JSONSchemaPropsOrStringArray"];

/// Something else may stand for it.
pub fn is_either(message: &Message) -> bool {
    EITHERS.contains(&message.go_name)
}

/// What a field has that is not given, as kube-openapi tells it: what its type declares, or the zero that Go writes of it.
pub fn default(field: &Field, known: &FieldDescription) -> Option<Value> {
    match known.default {
        Some(declared) => serde_json::from_str(declared).ok(),
        None if field.written() && field.shape == Shape::One => zero(field),
        None => None,
    }
}

/// The same of one value of a list or a map.
pub fn default_of_element(field: &Field) -> Option<Value> {
    zero(field)
}

/// Go's zero of one value, unless its type writes itself in a way of its own: of that, kube-openapi says nothing.
fn zero(field: &Field) -> Option<Value> {
    match field.kind {
        Type::String => Some(json!("")),
        Type::Int32 | Type::Int64 | Type::Float => Some(json!(0)),
        Type::Bool => Some(json!(false)),
        Type::Message(_) if field.message().is_some_and(|message| !is_either(message)) => Some(json!({})),
        Type::Message(_)
        | Type::Bytes
        | Type::Time
        | Type::MicroTime
        | Type::IntOrString
        | Type::Quantity
        | Type::Raw
        | Type::Json
        | Type::Strings => None,
    }
}

/// What is said about a field, and then what each of its possible values means.
pub fn meaning(text: String, possible: &[Possible]) -> String {
    if possible.is_empty() {
        return text;
    }
    let values = possible.iter().map(|Possible { value, text }| format!("\n - `{value:?}` {text}"));
    let values: String = values.map(|line| line.trim_end().to_owned()).collect();
    format!("{text}\n\nPossible enum values:{values}").trim_start().to_owned()
}

/// How patches and server-side apply treat a field.
pub fn merging(field: &Field) -> Vec<(&'static str, Value)> {
    let mut found = Vec::new();
    let strategies = [(field.merge.is_some(), "merge"), (field.retain_keys, "retainKeys")];
    let strategies: Vec<&str> =
        strategies.iter().filter(|(there, _)| *there).map(|(_, name)| *name).collect();
    if !strategies.is_empty() {
        found.push(("x-kubernetes-patch-strategy", json!(strategies.join(","))));
    }
    if let Some(Merge::By(key)) = field.merge {
        found.push(("x-kubernetes-patch-merge-key", json!(key)));
    }
    match (field.shape, &field.list) {
        (Shape::List, ListType::Map(keys)) => {
            let keys: Vec<&str> = keys.iter().map(|key| key.name).collect();
            found.push(("x-kubernetes-list-type", json!("map")));
            found.push(("x-kubernetes-list-map-keys", json!(keys)));
        }
        (Shape::List, ListType::Set) => found.push(("x-kubernetes-list-type", json!("set"))),
        (Shape::List, ListType::Atomic) => found.push(("x-kubernetes-list-type", json!("atomic"))),
        (Shape::Map, ListType::Atomic) => found.push(("x-kubernetes-map-type", json!("atomic"))),
        (Shape::One | Shape::Map, _) => {}
    }
    found
}
