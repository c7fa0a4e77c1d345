//! Reads `data/schema.txt`; its first lines explain the notation.

use super::{Field, ListKey, ListType, Merge, Message, Schema, Shape, Type};

pub(super) fn parse(text: &'static str) -> Schema {
    let mut schema = Schema::default();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        match line.strip_prefix("  ") {
            Some(line) => {
                if let (Some(message), Some(field)) = (schema.messages.last_mut(), field(line)) {
                    message.fields.push(field);
                }
            }
            None => {
                let message = message(line);
                schema.by_name.insert(message.name, schema.messages.len());
                schema.messages.push(message);
            }
        }
    }
    schema
}

fn message(line: &'static str) -> Message {
    let (name, words) = line.split_once(' ').unwrap_or((line, ""));
    let mut go_name = name.rsplit('.').next().unwrap_or(name);
    let mut atomic = false;
    for word in words.split_whitespace() {
        match word {
            "atomic" => atomic = true,
            word => go_name = word,
        }
    }
    Message { name, go_name, fields: Vec::new(), atomic }
}

fn field(line: &'static str) -> Option<Field> {
    let mut words = line.split(' ');
    let number = words.next()?.parse().ok()?;
    let json = words.next()?;
    let kind = words.next()?;
    let (shape, kind) = match (kind.strip_prefix('*'), kind.strip_prefix("{}")) {
        (Some(kind), _) => (Shape::List, kind),
        (_, Some(kind)) => (Shape::Map, kind),
        _ => (Shape::One, kind),
    };
    let json = if json == "<" { "" } else { json };
    let kind = value_type(kind);
    let mut field = Field {
        number,
        json,
        shape,
        kind,
        merge: None,
        retain_keys: false,
        pointer: false,
        always: shape == Shape::One
            && matches!(kind, Type::Message(_))
            && matches!(json, "metadata" | "spec" | "status"),
        required: false,
        object: false,
        list: if shape == Shape::Map { ListType::Map(Vec::new()) } else { ListType::Atomic },
    };
    for attribute in words {
        attribute_of(&mut field, attribute);
    }
    Some(field)
}

fn attribute_of(field: &mut Field, attribute: &'static str) {
    match attribute {
        "merge" => (field.merge, field.list) = (Some(Merge::Set), ListType::Set),
        "retainKeys" => field.retain_keys = true,
        "pointer" => field.pointer = true,
        "always" => field.always = true,
        "required" => field.required = true,
        "object" => field.object = true,
        "atomic" => field.list = ListType::Atomic,
        "granular" => field.list = ListType::Map(Vec::new()),
        "set" => field.list = ListType::Set,
        other => match other.split_once('=') {
            Some(("merge", key)) => {
                field.merge = Some(Merge::By(key));
                field.list = list_map(key);
            }
            Some(("keys", keys)) => field.list = list_map(keys),
            Some(_) | None => {}
        },
    }
}

/// `port,protocol:TCP`.
fn list_map(keys: &'static str) -> ListType {
    let mut keys: Vec<ListKey> = keys
        .split(',')
        .map(|key| match key.split_once(':') {
            Some((name, default)) => ListKey { name, default: Some(default) },
            None => ListKey { name: key, default: None },
        })
        .collect();
    keys.sort_by_key(|key| key.name);
    ListType::Map(keys)
}

fn value_type(name: &'static str) -> Type {
    match name {
        "s" => Type::String,
        "i" => Type::Int32,
        "l" => Type::Int64,
        "f" => Type::Float,
        "b" => Type::Bool,
        "y" => Type::Bytes,
        "time" => Type::Time,
        "microtime" => Type::MicroTime,
        "intstr" => Type::IntOrString,
        "quantity" => Type::Quantity,
        "raw" => Type::Raw,
        "json" => Type::Json,
        "strings" => Type::Strings,
        message => Type::Message(message),
    }
}
