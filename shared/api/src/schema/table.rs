//! Reads `data/schema.txt`; its first lines explain the notation.

use super::{Field, Merge, Message, Schema, Shape, Type};

pub(super) fn parse(text: &'static str) -> Schema {
    let mut schema = Schema::default();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        match line.strip_prefix("  ") {
            Some(line) => {
                let field = field(line);
                if let (Some(message), Some(field)) = (schema.messages.last_mut(), field) {
                    message.fields.push(field);
                }
            }
            None => {
                let (name, go_name) =
                    line.split_once(' ').unwrap_or((line, line.rsplit('.').next().unwrap_or(line)));
                schema.by_name.insert(name, schema.messages.len());
                schema.messages.push(Message { name, go_name, fields: Vec::new() });
            }
        }
    }
    schema
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
    let mut field = Field {
        number,
        json,
        shape,
        kind: value_type(kind),
        merge: None,
        retain_keys: false,
        pointer: false,
    };
    for attribute in words {
        match attribute {
            "merge" => field.merge = Some(Merge::Set),
            "retainKeys" => field.retain_keys = true,
            "pointer" => field.pointer = true,
            key => field.merge = key.strip_prefix("merge=").map(Merge::By),
        }
    }
    Some(field)
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
