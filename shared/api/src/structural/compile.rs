//! Compiles OpenAPI v3 schemas; what Kubernetes does not accept as structural is refused with its path.

use std::collections::BTreeMap;

use serde_json::Value;

use super::check::places_within;
use super::{Additional, Junctors, Kind, List, Schema, keywords, rules};
use crate::json::{entries, flag, items, text};
use crate::kinds::FieldError;
use crate::validation::errors::Errors;

/// Keywords that Kubernetes never supports in schemas.
const UNSUPPORTED: [&str; 6] =
    ["$ref", "id", "definitions", "dependencies", "patternProperties", "additionalItems"];
/// Keywords that say what values are rather than bound them: they have no place within `allOf` and the like.
const STRUCTURE: [(&str, &str); 11] = [
    ("type", "must be empty to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    ("x-kubernetes-preserve-unknown-fields", "must be false to be structural"),
    ("x-kubernetes-embedded-resource", "must be false to be structural"),
    ("x-kubernetes-int-or-string", "must be false to be structural"),
    ("x-kubernetes-list-type", "must be undefined to be structural"),
    ("x-kubernetes-validations", "must be empty to be structural"),
];

/// Compiles the schema of a whole object.
pub(super) fn root(schema: &Value, path: &str) -> Result<Schema, Vec<FieldError>> {
    let mut compiler = Compiler { errors: Errors::default() };
    let compiled = compiler.node(schema, path, Place::Root, 1);
    match compiler.errors.0.is_empty() {
        true => Ok(compiled),
        false => Err(compiler.errors.0),
    }
}

/// Where in a schema a schema stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Root,
    /// A property, the elements of a list, the values of a map.
    Part(&'static str),
    /// Within `allOf`, `anyOf`, `oneOf` or `not`: it bounds what is described elsewhere. The pattern of
    /// `x-kubernetes-int-or-string` may name types there.
    Junctor {
        names_types: bool,
    },
}

struct Compiler {
    errors: Errors,
}

impl Compiler {
    /// Compiles one schema, which describes so many places of an object at most.
    fn node(&mut self, schema: &Value, path: &str, place: Place, places: u64) -> Schema {
        self.refuse_unsupported(schema, path);
        let int_or_string = flag(schema, "/x-kubernetes-int-or-string");
        let mut compiled = Schema {
            kind: Kind::parse(text(schema, "/type")),
            nullable: flag(schema, "/nullable"),
            preserves_unknown: flag(schema, "/x-kubernetes-preserve-unknown-fields"),
            is_resource: place == Place::Root || flag(schema, "/x-kubernetes-embedded-resource"),
            int_or_string,
            properties: BTreeMap::new(),
            additional: None,
            items: None,
            default: schema.get("default").cloned(),
            list: List::default(),
            limits: keywords::limits(&mut self.errors, schema, path),
            junctors: self.junctors(schema, path, int_or_string, places),
            rules: Vec::new(),
        };
        let part = match place {
            Place::Junctor { .. } => place,
            Place::Root | Place::Part(_) => Place::Part("must not be empty for specified object fields"),
        };
        for (name, value) in entries(schema, "/properties") {
            let property = self.node(value, &format!("{path}.properties[{name}]"), part, places);
            compiled.properties.insert(name.to_owned(), property);
        }
        compiled.additional = self.additional(schema, path, part, places, compiled.limits.properties.max);
        compiled.items = schema.get("items").map(|of_items| {
            let part = match part {
                Place::Part(_) => Place::Part("must not be empty for specified array items"),
                other => other,
            };
            let places = places_within(compiled.limits.items.max, places, of_items);
            Box::new(self.node(of_items, &format!("{path}.items"), part, places))
        });
        match place {
            Place::Junctor { names_types } => self.check_junctor(schema, path, names_types),
            Place::Root | Place::Part(_) => self.check_structure(schema, &mut compiled, path, place),
        }
        let known = (!matches!(place, Place::Junctor { .. })).then_some(&compiled);
        compiled.rules = rules::compile(&mut self.errors, schema, (known, places), path);
        compiled
    }

    fn junctors(&mut self, schema: &Value, path: &str, int_or_string: bool, places: u64) -> Junctors {
        let place = Place::Junctor { names_types: int_or_string };
        let mut all = |key: &str| -> Vec<Schema> {
            let schemas = items(schema, &format!("/{key}")).iter().enumerate();
            schemas
                .map(|(index, one)| self.node(one, &format!("{path}.{key}[{index}]"), place, places))
                .collect()
        };
        let (all_of, any_of, one_of) = (all("allOf"), all("anyOf"), all("oneOf"));
        let not =
            schema.get("not").map(|not| Box::new(self.node(not, &format!("{path}.not"), place, places)));
        Junctors { all_of, any_of, one_of, not }
    }

    fn additional(
        &mut self,
        schema: &Value,
        path: &str,
        part: Place,
        places: u64,
        max: Option<usize>,
    ) -> Option<Additional> {
        let path = format!("{path}.additionalProperties");
        match schema.get("additionalProperties")? {
            Value::Bool(true) => Some(Additional::Anything),
            Value::Bool(false) => {
                self.errors.forbidden(path, "additionalProperties cannot be set to false");
                None
            }
            of_values => {
                let places = places_within(max, places, of_values);
                Some(Additional::Of(Box::new(self.node(of_values, &path, part, places))))
            }
        }
    }

    fn refuse_unsupported(&mut self, schema: &Value, path: &str) {
        for key in UNSUPPORTED.iter().filter(|key| schema.get(**key).is_some()) {
            self.errors.forbidden(format!("{path}.{key}"), &format!("{key} is not supported"));
        }
        if flag(schema, "/uniqueItems") {
            let why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
            self.errors.forbidden(format!("{path}.uniqueItems"), why);
        }
        if schema.get("additionalProperties").is_some() && schema.get("properties").is_some() {
            let why = "additionalProperties and properties are mutual exclusive";
            self.errors.forbidden(format!("{path}.additionalProperties"), why);
        }
        if schema.get("items").is_some_and(Value::is_array) {
            let why = "items must be a schema object and not an array";
            self.errors.forbidden(format!("{path}.items"), why);
        }
    }

    fn check_junctor(&mut self, schema: &Value, path: &str, names_types: bool) {
        let exempt = |key: &str| names_types && key == "type";
        for (key, why) in STRUCTURE.iter().filter(|(key, _)| schema.get(*key).is_some() && !exempt(key)) {
            self.errors.forbidden(format!("{path}.{key}"), why);
        }
    }

    fn check_structure(&mut self, schema: &Value, compiled: &mut Schema, path: &str, place: Place) {
        self.check_type(schema, compiled, path, place);
        self.check_list(schema, compiled, path);
        if compiled.is_resource && place != Place::Root {
            if compiled.kind != Some(Kind::Object) {
                let why = "must be object if x-kubernetes-embedded-resource is true";
                self.errors.invalid(format!("{path}.type"), text(schema, "/type"), why);
            }
            if compiled.properties.is_empty() && !compiled.preserves_unknown {
                let why = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
                self.errors.required(format!("{path}.properties"), why);
            }
        }
        let metadata =
            compiled.properties.get("metadata").filter(|_| place == Place::Root || compiled.is_resource);
        if metadata.is_some_and(|metadata| {
            metadata.properties.keys().any(|key| key != "name" && key != "generateName")
        }) {
            let why = "must not specify anything other than name and generateName, but metadata is implicitly specified";
            self.errors.forbidden(format!("{path}.properties[metadata]"), why);
        }
        self.check_default(compiled, path);
    }

    fn check_type(&mut self, schema: &Value, compiled: &Schema, path: &str, place: Place) {
        let field = || format!("{path}.type");
        let name = text(schema, "/type");
        match (place, name) {
            (_, "") if compiled.int_or_string || compiled.preserves_unknown && place != Place::Root => {}
            (Place::Root, "") => self.errors.required(field(), "must not be empty at the root"),
            (Place::Part(why), "") => self.errors.required(field(), why),
            (Place::Root, name) if name != "object" => {
                self.errors.invalid(field(), name, "must be object at the root");
            }
            (_, name) if compiled.int_or_string => {
                let why = "must be empty if x-kubernetes-int-or-string is true";
                self.errors.invalid(field(), name, why);
            }
            (_, name) if compiled.kind.is_none() => {
                let known = ["array", "boolean", "integer", "number", "object", "string"];
                self.errors.unsupported(field(), name, &known);
            }
            _ => {}
        }
        if compiled.kind == Some(Kind::Array) && compiled.items.is_none() {
            self.errors.required(format!("{path}.items"), "must be specified");
        }
    }

    fn check_list(&mut self, schema: &Value, compiled: &mut Schema, path: &str) {
        let list_type = text(schema, "/x-kubernetes-list-type");
        let keys: Vec<String> = items(schema, "/x-kubernetes-list-map-keys")
            .iter()
            .filter_map(|key| key.as_str().map(str::to_owned))
            .collect();
        let field = format!("{path}.x-kubernetes-list-type");
        if !list_type.is_empty() && compiled.kind != Some(Kind::Array) {
            self.errors.invalid(
                format!("{path}.type"),
                text(schema, "/type"),
                "must be array if x-kubernetes-list-type is specified",
            );
        }
        compiled.list = match list_type {
            "" | "atomic" => List::Atomic,
            "set" => List::Set,
            "map" => {
                self.check_keys(compiled, &keys, path);
                List::Map(keys)
            }
            other => {
                self.errors.unsupported(field, other, &["atomic", "set", "map"]);
                List::Atomic
            }
        };
        let map_type = text(schema, "/x-kubernetes-map-type");
        if !["", "atomic", "granular"].contains(&map_type) {
            self.errors.unsupported(
                format!("{path}.x-kubernetes-map-type"),
                map_type,
                &["atomic", "granular"],
            );
        }
    }

    fn check_keys(&mut self, compiled: &Schema, keys: &[String], path: &str) {
        let field = format!("{path}.x-kubernetes-list-map-keys");
        if keys.is_empty() {
            self.errors.required(&field, "must not be empty if x-kubernetes-list-type is map");
        }
        let Some(of_items) = &compiled.items else { return };
        for key in keys {
            let Some(property) = of_items.properties.get(key) else {
                self.errors.invalid(&field, key.as_str(), "entries must all be names of item properties");
                continue;
            };
            if matches!(property.kind, Some(Kind::Object | Kind::Array)) {
                let field = format!("{path}.items.properties[{key}].type");
                let why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                self.errors.invalid(field, property.kind.map_or("", Kind::name), why);
            }
            if property.default.is_none() && !of_items.limits.required.contains(key) {
                let why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
                self.errors.required(format!("{path}.items.properties[{key}].default"), why);
            }
        }
    }

    fn check_default(&mut self, compiled: &mut Schema, path: &str) {
        let Some(default) = &compiled.default else { return };
        let field = format!("{path}.default");
        let mut pruned = default.clone();
        if !compiled.prune(&mut pruned).unknown.is_empty() {
            self.errors.invalid(&field, default.clone(), "must not have unspecified fields");
        }
        compiled.fill_in(&mut pruned);
        for error in compiled.validate(&pruned, None, (Vec::new(), Vec::new())) {
            let place =
                if error.field == "<nil>" { field.clone() } else { format!("{field}.{}", error.field) };
            self.errors.0.push(FieldError { field: place, ..error });
        }
    }
}
