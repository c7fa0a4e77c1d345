//! Compiles OpenAPI v3 schemas; what Kubernetes does not accept as structural is refused with its path.

use std::collections::BTreeMap;

use serde_json::Value;

use super::check::places_within;
use super::{Additional, Junctors, Kind, List, Schema, keywords, rules, structure};
use crate::json::{entries, flag, given, items, text};
use crate::kinds::FieldError;
use crate::validation::errors::Errors;

/// Keywords that Kubernetes never supports in schemas.
const UNSUPPORTED: [&str; 6] =
    ["$ref", "id", "definitions", "dependencies", "patternProperties", "additionalItems"];

/// Compiles the schema of a whole object, as far as it makes sense, and says what does not.
pub(super) fn root(schema: &Value, path: &str) -> (Schema, Vec<FieldError>) {
    let errors = Errors(structure::check(schema, path));
    let mut compiler =
        Compiler { is_structural: errors.0.is_empty(), errors, expressions: Errors::default() };
    let compiled = compiler.node(schema, path, Place::Root, 1);
    let Compiler { errors: Errors(mut errors), expressions, .. } = compiler;
    // Expressions make sense of schemas that do.
    if errors.is_empty() {
        errors = expressions.0;
    }
    (compiled, errors)
}

/// Where in a schema a schema stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Root,
    /// A property, the elements of a list, the values of a map.
    Part,
    /// Within `allOf`, `anyOf`, `oneOf` or `not`: it bounds what is described elsewhere.
    Junctor,
}

struct Compiler {
    errors: Errors,
    /// What is wrong with rules.
    expressions: Errors,
    /// Defaults can be looked at.
    is_structural: bool,
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
            junctors: self.junctors(schema, path, places),
            rules: Vec::new(),
            has_distinct: false,
            has_resources: false,
        };
        let part = if place == Place::Junctor { place } else { Place::Part };
        for (name, value) in entries(schema, "/properties") {
            let property = self.node(value, &format!("{path}.properties[{name}]"), part, places);
            compiled.properties.insert(name.to_owned(), property);
        }
        compiled.additional = self.additional(schema, path, part, places, compiled.limits.properties.max);
        compiled.items = schema.get("items").map(|of_items| {
            let places = places_within(compiled.limits.items.max, places, of_items);
            Box::new(self.node(of_items, &format!("{path}.items"), part, places))
        });
        if place != Place::Junctor {
            self.check_list(schema, &mut compiled, path);
            let is_distinct = compiled.list != List::Atomic;
            let has_distinct = is_distinct || compiled.parts().any(|part| part.has_distinct);
            let has_resources = compiled.parts().any(|part| part.is_resource || part.has_resources);
            (compiled.has_distinct, compiled.has_resources) = (has_distinct, has_resources);
            self.check_default(&mut compiled, path);
        }
        let known = (place != Place::Junctor).then_some(&compiled);
        compiled.rules = rules::compile(&mut self.expressions, schema, (known, places), path);
        compiled
    }

    fn junctors(&mut self, schema: &Value, path: &str, places: u64) -> Junctors {
        let place = Place::Junctor;
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
            Value::Bool(false) | Value::Null => None,
            of_values => {
                let places = places_within(max, places, of_values);
                Some(Additional::Of(Box::new(self.node(of_values, &path, part, places))))
            }
        }
    }

    fn refuse_unsupported(&mut self, schema: &Value, path: &str) {
        let kind = text(schema, "/type");
        if !kind.is_empty() && Kind::parse(kind).is_none() {
            let known = ["array", "boolean", "integer", "number", "object", "string"];
            self.errors.unsupported(format!("{path}.type"), kind, &known);
        }
        if kind == "null" {
            let why = "type cannot be set to null, use nullable as an alternative";
            self.errors.forbidden(format!("{path}.type"), why);
        }
        const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
        if schema.get(PRESERVE) == Some(&Value::Bool(false)) {
            self.errors.invalid(format!("{path}.{PRESERVE}"), false, "must be true or undefined");
        }
        for key in UNSUPPORTED.iter().filter(|key| schema.get(**key).is_some()) {
            self.errors.forbidden(format!("{path}.{key}"), &format!("{key} is not supported"));
        }
        if flag(schema, "/uniqueItems") {
            let why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
            self.errors.forbidden(format!("{path}.uniqueItems"), why);
        }
        let is_open =
            given(schema, "/additionalProperties").is_none_or(|additional| additional == &Value::Bool(true));
        if !is_open && entries(schema, "/properties").next().is_some() {
            let why = "additionalProperties and properties are mutual exclusive";
            self.errors.forbidden(format!("{path}.additionalProperties"), why);
        }
        if schema.get("items").is_some_and(Value::is_array) {
            let why = "items must be a schema object and not an array";
            self.errors.forbidden(format!("{path}.items"), why);
        }
    }

    fn check_list(&mut self, schema: &Value, compiled: &mut Schema, path: &str) {
        let (list_type, map_type) =
            (text(schema, "/x-kubernetes-list-type"), text(schema, "/x-kubernetes-map-type"));
        for (given, wanted, what) in [(map_type, "object", "map"), (list_type, "array", "list")] {
            self.check_type_of(schema, path, given, wanted, what);
        }
        self.check_set(schema, list_type, path);
        let keys: Vec<String> = items(schema, "/x-kubernetes-list-map-keys")
            .iter()
            .filter_map(|key| key.as_str().map(str::to_owned))
            .collect();
        if !keys.is_empty() && list_type != "map" {
            let (field, why) = (
                format!("{path}.x-kubernetes-list-type"),
                "must be map if x-kubernetes-list-map-keys is non-empty",
            );
            match list_type {
                "" => self.errors.required(field, why),
                other => self.errors.invalid(field, other, why),
            }
        }
        compiled.list = match list_type {
            "set" => List::Set,
            "map" => {
                self.check_keys(compiled, schema, &keys, path);
                // Without keys nothing tells elements apart.
                if keys.is_empty() { List::Atomic } else { List::Map(keys) }
            }
            _ => List::Atomic,
        };
        let of_items = compiled.items.as_ref();
        if ["set", "map"].contains(&list_type) && of_items.is_some_and(|of_items| of_items.nullable) {
            let why = format!("cannot be nullable when x-kubernetes-list-type is {list_type}");
            self.errors.forbidden(format!("{path}.items.nullable"), &why);
        }
        if let List::Map(keys) = &compiled.list {
            let of_items = compiled.items.as_deref();
            keys.iter().for_each(|key| self.check_key(of_items, key, path));
        }
    }

    /// `x-kubernetes-map-type` and `x-kubernetes-list-type` are known words, and speak of what they should.
    fn check_type_of(&mut self, schema: &Value, path: &str, given: &str, wanted: &str, what: &str) {
        if given.is_empty() {
            return;
        }
        let (kind, field) = (text(schema, "/type"), format!("{path}.type"));
        let why = format!("must be {wanted} if x-kubernetes-{what}-type is specified");
        match kind {
            "" => self.errors.required(field, &why),
            kind if kind != wanted => self.errors.invalid(field, kind, &why),
            _ => {}
        }
        let known: &[&str] = if what == "map" { &["atomic", "granular"] } else { &["atomic", "set", "map"] };
        if !known.contains(&given) {
            self.errors.unsupported(format!("{path}.x-kubernetes-{what}-type"), given, known);
        }
    }

    /// Elements of sets are whole.
    fn check_set(&mut self, schema: &Value, list_type: &str, path: &str) {
        let Some(of_items) = schema.get("items").filter(|_| list_type == "set") else { return };
        let why = "must be atomic as item of a list with x-kubernetes-list-type=set";
        let inner = |key: &str| text(of_items, &format!("/{key}")).to_owned();
        let (of_list, of_map) = (inner("x-kubernetes-list-type"), inner("x-kubernetes-map-type"));
        match text(of_items, "/type") {
            "array" if !["", "atomic"].contains(&of_list.as_str()) => {
                self.errors.invalid(format!("{path}.items.x-kubernetes-list-type"), of_list, why);
            }
            "object" if of_map != "atomic" => {
                // Kubernetes shows the other keyword, which is not there.
                self.errors.invalid(format!("{path}.items.x-kubernetes-map-type"), Value::Null, why);
            }
            _ => {}
        }
    }

    fn check_keys(&mut self, compiled: &Schema, schema: &Value, keys: &[String], path: &str) {
        let field = format!("{path}.x-kubernetes-list-map-keys");
        if keys.is_empty() {
            self.errors.required(&field, "must not be empty if x-kubernetes-list-type is map");
        }
        let Some(of_items) = &compiled.items else {
            let why = "must have a schema if x-kubernetes-list-type is map";
            return self.errors.required(format!("{path}.items"), why);
        };
        if of_items.kind != Some(Kind::Object) {
            let kind = text(schema, "/items/type");
            let why = "must be object if parent array's x-kubernetes-list-type is map";
            return self.errors.invalid(format!("{path}.items.type"), kind, why);
        }
        for (index, key) in keys.iter().enumerate() {
            match of_items.properties.get(key) {
                None => {
                    let why = "entries must all be names of item properties";
                    self.errors.invalid(&field, keys.to_vec(), why);
                }
                Some(property) if matches!(property.kind, Some(Kind::Object | Kind::Array)) => {
                    let why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                    // Kubernetes shows the type of the element.
                    self.errors.invalid(format!("{path}.items.properties[{key}].type"), "object", why);
                }
                Some(_) => {}
            }
            if keys.get(..index).is_some_and(|before| before.contains(key)) {
                self.errors.invalid(&field, keys.to_vec(), "must not contain duplicate entries");
            }
        }
    }

    /// Every element has each key.
    fn check_key(&mut self, of_items: Option<&Schema>, key: &str, path: &str) {
        let Some(of_items) = of_items else { return };
        let Some(property) = of_items.properties.get(key) else { return };
        let place = format!("{path}.items.properties[{key}]");
        if property.default.is_none() && !of_items.limits.required.iter().any(|name| name == key) {
            let why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            self.errors.required(format!("{place}.default"), why);
        }
        if property.nullable {
            let why = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            self.errors.forbidden(format!("{place}.nullable"), why);
        }
    }

    fn check_default(&mut self, compiled: &mut Schema, path: &str) {
        let Some(default) = compiled.default.as_ref().filter(|_| self.is_structural) else { return };
        let field = format!("{path}.default");
        let mut pruned = default.clone();
        if !compiled.prune(&mut pruned).unknown.is_empty() {
            self.errors.invalid(&field, default.clone(), "must not have unknown fields");
        }
        compiled.fill_in(&mut pruned);
        for error in compiled.validate(&pruned, None, (Vec::new(), Vec::new())) {
            let place =
                if error.field == "<nil>" { field.clone() } else { format!("{field}.{}", error.field) };
            self.errors.0.push(FieldError { field: place, ..error });
        }
    }
}
