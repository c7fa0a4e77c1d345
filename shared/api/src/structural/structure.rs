//! What makes a schema structural: whatever it says of a value, the value is described outside of `allOf` and the like. In the words
//! of Kubernetes' `ValidateStructural`.

use serde_json::{Value, json};

use crate::json::{entries, flag, given, items, text};
use crate::kinds::FieldError;
use crate::validation::errors::Errors;

/// Combinations that bound what is described elsewhere.
const LISTS: [&str; 3] = ["allOf", "anyOf", "oneOf"];
/// Texts that say what values are: they have no place within combinations.
const TEXTS: [(&str, &str); 3] = [
    ("type", "must be empty to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
];
/// The same of what is true or not.
const FLAGS: [(&str, &str); 4] = [
    ("nullable", "must be false to be structural"),
    ("x-kubernetes-preserve-unknown-fields", "must be false to be structural"),
    ("x-kubernetes-embedded-resource", "must be false to be structural"),
    ("x-kubernetes-int-or-string", "must be false to be structural"),
];
/// The same of what is there or not.
const VALUES: [(&str, &str); 6] = [
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("x-kubernetes-list-map-keys", "must be empty to be structural"),
    ("x-kubernetes-list-type", "must be undefined to be structural"),
    ("x-kubernetes-map-type", "must be undefined to be structural"),
    ("x-kubernetes-validations", "must be empty to be structural"),
];
/// What objects are called by may be bounded, and nothing else of their metadata.
const NAMES: [&str; 2] = ["name", "generateName"];

/// Where a schema stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// What keeps the schema of a whole object from being structural, sorted.
pub(super) fn check(schema: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Errors::default();
    invariants(&mut errors, schema, Level::Root, path);
    for (junctor, place) in junctors(schema, path) {
        described(&mut errors, junctor, Some(schema), (path, &place));
    }
    errors.0.sort_by_cached_key(|error| format!("{}: {}", error.field, error.message));
    errors.0
}

/// The combinations of a schema, and where they stand.
fn junctors<'s>(schema: &'s Value, path: &str) -> Vec<(&'s Value, String)> {
    let lists = LISTS.iter().flat_map(|key| {
        let all = items(schema, &format!("/{key}")).iter().enumerate();
        all.map(move |(index, one)| (one, format!("{path}.{key}[{index}]")))
    });
    lists.chain(given(schema, "/not").map(|not| (not, format!("{path}.not")))).collect()
}

/// The schema of all elements of a list.
fn of_items(schema: &Value) -> Option<&Value> {
    schema.get("items").filter(|of_items| of_items.is_object())
}

fn invariants(errors: &mut Errors, schema: &Value, level: Level, path: &str) {
    let of_items = of_items(schema);
    if text(schema, "/type") == "array" && of_items.is_none() {
        errors.required(format!("{path}.items"), "must be specified");
    }
    if let Some(of_items) = of_items {
        invariants(errors, of_items, Level::Item, &format!("{path}.items"));
    }
    for (name, field) in entries(schema, "/properties") {
        invariants(errors, field, Level::Field, &format!("{path}.properties[{name}]"));
    }
    if let Some(additional) = given(schema, "/additionalProperties") {
        let path = format!("{path}.additionalProperties");
        if additional.is_object() {
            invariants(errors, additional, Level::Field, &path);
        }
        if level == Level::Root {
            errors.forbidden(path, "must not be used at the root");
        }
    }
    for key in ["preserve-unknown-fields", "embedded-resource"] {
        let is_both =
            flag(schema, "/x-kubernetes-int-or-string") && flag(schema, &format!("/x-kubernetes-{key}"));
        if is_both {
            let why = "must be false if x-kubernetes-int-or-string is true";
            errors.invalid(format!("{path}.x-kubernetes-{key}"), true, why);
        }
    }
    bounded(errors, schema, path, [is_choice(schema), is_choice_of_first(schema)]);
    types(errors, schema, level, path);
}

/// `anyOf: [{type: integer}, {type: string}]`, the one place where a combination names types.
fn is_choice(schema: &Value) -> bool {
    schema.get("anyOf") == Some(&json!([{"type": "integer"}, {"type": "string"}]))
}

/// The same as the first of `allOf`.
fn is_choice_of_first(schema: &Value) -> bool {
    items(schema, "/allOf").first().is_some_and(is_choice)
}

/// Looks at the combinations of a schema; the two exceptions are that of its own `anyOf` and that of its first `allOf`'s.
fn bounded(errors: &mut Errors, schema: &Value, path: &str, [own, first]: [bool; 2]) {
    for (junctor, place) in junctors(schema, path) {
        let is_exempt = own && place.starts_with(&format!("{path}.anyOf["));
        let choice = first && place == format!("{path}.allOf[0]");
        if !is_exempt {
            bounds(errors, junctor, &place, choice);
        }
    }
}

fn bounds(errors: &mut Errors, schema: &Value, path: &str, is_choice: bool) {
    bounded(errors, schema, path, [is_choice, false]);
    if let Some(of_items) = of_items(schema) {
        bounds(errors, of_items, &format!("{path}.items"), false);
    }
    for (name, field) in entries(schema, "/properties") {
        bounds(errors, field, &format!("{path}.properties[{name}]"), false);
    }
    let texts = TEXTS.iter().filter(|(key, _)| !text(schema, &format!("/{key}")).is_empty());
    let flags = FLAGS.iter().filter(|(key, _)| flag(schema, &format!("/{key}")));
    let is_there = |key: &str| schema.get(key).is_some_and(|value| !value.is_null() && value != &json!([]));
    let values = VALUES.iter().filter(|(key, _)| is_there(key));
    for (key, why) in texts.chain(flags).chain(values) {
        errors.forbidden(format!("{path}.{key}"), why);
    }
    if schema.pointer("/properties/metadata").is_some() {
        errors.forbidden(format!("{path}.properties[metadata]"), "must not be specified in a nested context");
    }
}

fn types(errors: &mut Errors, schema: &Value, level: Level, path: &str) {
    let (kind, field) = (text(schema, "/type"), format!("{path}.type"));
    let is_resource = flag(schema, "/x-kubernetes-embedded-resource");
    let preserves = flag(schema, "/x-kubernetes-preserve-unknown-fields");
    match (kind, level) {
        ("object", _) => {}
        (kind, _) if is_resource => {
            let why = "must be object if x-kubernetes-embedded-resource is true";
            match kind {
                "" => errors.required(field.clone(), why),
                kind => errors.invalid(field.clone(), kind, why),
            }
        }
        ("", _) if preserves || flag(schema, "/x-kubernetes-int-or-string") => {}
        ("", Level::Root) => errors.required(field.clone(), "must not be empty at the root"),
        ("", Level::Item) => errors.required(field.clone(), "must not be empty for specified array items"),
        ("", Level::Field) => {
            errors.required(field.clone(), "must not be empty for specified object fields");
        }
        _ => {}
    }
    if is_resource && given(schema, "/additionalProperties").is_some() {
        let why = "must not be used if x-kubernetes-embedded-resource is set";
        errors.forbidden(format!("{path}.additionalProperties"), why);
    }
    if level == Level::Root && !["", "object"].contains(&kind) {
        errors.invalid(field, kind, "must be object at the root");
    }
    metadata(errors, schema, level, path);
    let is_empty = entries(schema, "/properties").next().is_none();
    if is_resource && !preserves && is_empty {
        let why = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        errors.required(format!("{path}.properties"), why);
    }
}

/// What every resource has is described without the schema, which may bound its name alone.
fn metadata(errors: &mut Errors, schema: &Value, level: Level, path: &str) {
    let is_resource = level == Level::Root || flag(schema, "/x-kubernetes-embedded-resource");
    for (key, wanted) in [("kind", "string"), ("apiVersion", "string"), ("metadata", "object")] {
        let Some(property) = schema.pointer(&format!("/properties/{key}")).filter(|_| is_resource) else {
            continue;
        };
        let kind = text(property, "/type");
        if kind != wanted {
            errors.invalid(format!("{path}.properties[{key}].type"), kind, &format!("must be {wanted}"));
        }
    }
    let Some(metadata) = schema.pointer("/properties/metadata").filter(|_| level == Level::Root) else {
        return;
    };
    let says_more = entries(metadata, "").any(|(key, value)| match key {
        "type" | "default" => false,
        "properties" => entries(value, "").any(|(name, _)| !NAMES.contains(&name)),
        _ => !matches!(value, Value::Null | Value::Bool(false)) && value != "",
    });
    if says_more {
        let why = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        errors.forbidden(format!("{path}.properties[metadata]"), why);
    }
}

/// Whatever a combination says of a part, the part is described by the schema beside it.
fn described(errors: &mut Errors, bound: &Value, schema: Option<&Value>, (path, place): (&str, &str)) {
    let Some(schema) = schema else {
        return errors.required(path, &format!("because it is defined in {place}"));
    };
    for (junctor, place) in junctors(bound, place) {
        described(errors, junctor, Some(schema), (path, &place));
    }
    if let Some(bound) = of_items(bound) {
        let places = (format!("{path}.items"), format!("{place}.items"));
        described(errors, bound, of_items(schema), (&places.0, &places.1));
    }
    for (name, bound) in entries(bound, "/properties") {
        let places = (format!("{path}.properties[{name}]"), format!("{place}.properties[{name}]"));
        let field = entries(schema, "/properties").find(|(known, _)| *known == name).map(|(_, field)| field);
        described(errors, bound, field, (&places.0, &places.1));
    }
}
