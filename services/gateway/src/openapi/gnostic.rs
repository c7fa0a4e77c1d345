//! The document of version 2 as gnostic's `openapi.v2.Document`, which is how kubectl reads it.

use serde_json::{Map, Value};

/// Encodes the document.
pub fn document(document: &Value) -> Vec<u8> {
    let text_at = |pointer| api::json::text(document, pointer);
    let info = [text(1, text_at("/info/title")), text(2, text_at("/info/version"))].concat();
    let paths = entries(document, "paths").flat_map(|(path, item)| field(2, &named(path, &path_item(item))));
    let definitions =
        entries(document, "definitions").flat_map(|(name, value)| field(1, &named(name, &schema(value))));
    let (paths, definitions): (Vec<u8>, Vec<u8>) = (paths.collect(), definitions.collect());
    [text(1, "2.0"), field(2, &info), field(8, &paths), field(9, &definitions)].concat()
}

/// `PathItem`; what is encoded of its operations is what clients read: parameters and extensions.
fn path_item(item: &Value) -> Vec<u8> {
    let numbers = [("get", 2), ("put", 3), ("post", 4), ("delete", 5), ("patch", 8)];
    let operations = numbers.iter().filter_map(|(method, number)| Some((item.get(method)?, *number)));
    operations.flat_map(|(value, number)| field(number, &operation(value))).collect()
}

fn operation(operation: &Value) -> Vec<u8> {
    let parameters = api::json::items(operation, "/parameters").iter().flat_map(|parameter| {
        let text_at = |pointer| api::json::text(parameter, pointer);
        let schema = [text(2, "query"), text(4, text_at("/name")), text(6, text_at("/type"))].concat();
        // ParametersItem { Parameter { NonBodyParameter { QueryParameterSubSchema } } }
        field(8, &field(1, &field(2, &field(3, &schema))))
    });
    parameters.chain(extensions(operation, 13)).collect()
}

fn schema(value: &Value) -> Vec<u8> {
    let text_at = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut bytes = Vec::new();
    for (key, number) in [("$ref", 1), ("format", 2), ("description", 4)] {
        bytes.extend(optional(number, text_at(key)));
    }
    for name in api::json::items(value, "/required").iter().filter_map(Value::as_str) {
        bytes.extend(text(19, name));
    }
    for possible in api::json::items(value, "/enum") {
        bytes.extend(field(20, &text(2, &possible.to_string())));
    }
    if let Some(additional) = value.get("additionalProperties") {
        bytes.extend(field(21, &field(1, &schema(additional))));
    }
    if !text_at("type").is_empty() {
        bytes.extend(field(22, &text(1, text_at("type"))));
    }
    if let Some(items) = value.get("items") {
        bytes.extend(field(23, &field(1, &schema(items))));
    }
    if value.get("properties").is_some() {
        let properties = entries(value, "properties");
        let properties: Vec<u8> =
            properties.flat_map(|(name, value)| field(1, &named(name, &schema(value)))).collect();
        bytes.extend(field(25, &properties));
    }
    bytes.extend(extensions(value, 31));
    bytes
}

/// `NamedAny { name, Any { yaml } }` of every extension; JSON is YAML.
fn extensions(value: &Value, number: u32) -> Vec<u8> {
    let all = value.as_object().into_iter().flatten().filter(|(key, _)| key.starts_with("x-"));
    all.flat_map(|(key, value)| field(number, &named(key, &text(2, &value.to_string())))).collect()
}

fn entries<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.get(key).and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

/// A name and a value: gnostic has no maps.
fn named(name: &str, value: &[u8]) -> Vec<u8> {
    [text(1, name), field(2, value)].concat()
}

fn optional(number: u32, content: &str) -> Vec<u8> {
    if content.is_empty() { Vec::new() } else { text(number, content) }
}

fn text(number: u32, text: &str) -> Vec<u8> {
    field(number, text.as_bytes())
}

/// A length-delimited field.
fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(content.len() + 8);
    varint(&mut bytes, u64::from(number) << 3 | 2);
    varint(&mut bytes, u64::try_from(content.len()).unwrap_or(u64::MAX));
    bytes.extend_from_slice(content);
    bytes
}

fn varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_fields_have_long_lengths() {
        assert_eq!(field(1, b"ab"), [10, 2, b'a', b'b']);
        assert_eq!(field(2, &[0; 300])[..3], [18, 0xac, 0x02]);
        assert_eq!(field(22, b"")[..], [0xb2, 0x01, 0]);
    }
}
