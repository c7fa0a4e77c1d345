//! Construction of objects, `Object{spec: Object.spec{replicas: 3}}`, for policies that change things: the crate evaluates no
//! messages, so they become maps that remember the names of their types.

use cel::Value;
use cel::common::ast::{EntryExpr, Expr, IdedEntryExpr, IdedExpr, LiteralValue, MapEntryExpr, MapExpr};
use cel::objects::Key;

/// Where a map remembers its type: no expression can name it.
const TYPE: &str = "@type";

/// The expression with maps in the place of messages.
pub(super) fn with_maps(mut tree: IdedExpr) -> IdedExpr {
    for part in parts_mut(&mut tree) {
        *part = with_maps(std::mem::take(part));
    }
    let IdedExpr { id, expr } = tree;
    let expr = match expr {
        Expr::Struct(message) => {
            let entry = |id, key: &str, value, optional| {
                let key = literal(id, key);
                IdedEntryExpr { id, expr: EntryExpr::MapEntry(MapEntryExpr { key, value, optional }) }
            };
            let fields = message.entries.into_iter().map(|field| match field.expr {
                EntryExpr::StructField(it) => entry(field.id, &it.field, it.value, it.optional),
                EntryExpr::MapEntry(_) => field,
            });
            let named = entry(id, TYPE, literal(id, &message.type_name), false);
            Expr::Map(MapExpr { entries: std::iter::once(named).chain(fields).collect() })
        }
        other => other,
    };
    IdedExpr { id, expr }
}

fn literal(id: u64, text: &str) -> IdedExpr {
    IdedExpr { id, expr: Expr::Literal(LiteralValue::String(text.to_owned().into())) }
}

fn parts_mut(tree: &mut IdedExpr) -> Vec<&mut IdedExpr> {
    match &mut tree.expr {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => Vec::new(),
        Expr::Select(select) => vec![&mut select.operand],
        Expr::Call(call) => call.target.as_deref_mut().into_iter().chain(&mut call.args).collect(),
        Expr::List(list) => list.elements.iter_mut().collect(),
        Expr::Map(map) => map.entries.iter_mut().flat_map(entry_parts_mut).collect(),
        Expr::Struct(message) => message.entries.iter_mut().flat_map(entry_parts_mut).collect(),
        Expr::Comprehension(it) => {
            let it = &mut **it;
            vec![&mut it.iter_range, &mut it.accu_init, &mut it.loop_cond, &mut it.loop_step, &mut it.result]
        }
    }
}

fn entry_parts_mut(entry: &mut IdedEntryExpr) -> Vec<&mut IdedExpr> {
    match &mut entry.expr {
        EntryExpr::StructField(field) => vec![&mut field.value],
        EntryExpr::MapEntry(entry) => vec![&mut entry.key, &mut entry.value],
    }
}

/// The type of a value that was constructed: `Object`.
pub fn constructed_type(value: &Value) -> Option<&str> {
    let Value::Map(map) = value else { return None };
    match map.map.get(&Key::from(TYPE.to_owned())) {
        Some(Value::String(name)) => Some(name.as_str()),
        _ => None,
    }
}

/// A value as JSON. What was constructed must have the types that its fields' names say (`Object.spec` under `spec` of `Object`).
pub fn constructed(value: &Value) -> Result<serde_json::Value, String> {
    let mut wrong = Vec::new();
    let told = told(value, None, &mut wrong)?;
    match wrong.is_empty() {
        true => Ok(told),
        false => Err(format!("type mismatch: {}", wrong.join("\n"))),
    }
}

fn told(value: &Value, place: Option<&str>, wrong: &mut Vec<String>) -> Result<serde_json::Value, String> {
    Ok(match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(flag) => (*flag).into(),
        Value::Int(number) => (*number).into(),
        Value::UInt(number) => (*number).into(),
        Value::Float(number) => float(*number),
        Value::String(text) => text.as_str().into(),
        Value::List(items) => {
            items.iter().map(|item| told(item, place, wrong)).collect::<Result<Vec<_>, _>>()?.into()
        }
        Value::Map(map) => {
            let named = constructed_type(value);
            if let (Some(found), Some(expected)) = (named, place)
                && found != expected
            {
                wrong.push(format!(
                    "unexpected type name {found:?}, expected {expected:?}, which matches field name path from root Object type"
                ));
            }
            let place = place.or(named);
            let mut fields = serde_json::Map::new();
            for (key, value) in map.map.iter() {
                let Key::String(key) = key else { return Err("keys of objects must be texts".to_owned()) };
                if named.is_some() && key.as_str() == TYPE {
                    continue;
                }
                let below = match (named, place) {
                    (Some(_), Some(place)) => Some(format!("{place}.{key}")),
                    (_, place) => place.map(str::to_owned),
                };
                fields.insert(key.to_string(), told(value, below.as_deref(), wrong)?);
            }
            fields.into()
        }
        _ => return Err("evaluated to a type that could not marshal to JSON".to_owned()),
    })
}

/// Whole numbers are written as such.
fn float(number: f64) -> serde_json::Value {
    let whole = format!("{number:.0}").parse::<i64>().ok().filter(|_| number.fract() == 0.0);
    whole.map_or_else(|| number.into(), Into::into)
}
