//! The documents' definitions: the messages that resources consist of, from the schema's table and Kubernetes' descriptions.

use std::collections::{BTreeMap, BTreeSet};

use api::KindInfo;
use api::schema::{self, Description, Descriptions, Field, FieldDescription, Message, Shape, Type};
use serde_json::{Map, Value, json};

use super::custom;
use super::model::{GroupVersion, Kind, Resource};
use super::paths::group_version_kind;
use super::terms;

/// The extension that says which kind something is.
pub const GROUP_VERSION_KIND: &str = "x-kubernetes-group-version-kind";

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";
const API_VERSION: &str = "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
const KIND: &str = "Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";
const OBJECT_META: &str = "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";
const LIST_META: &str = "Standard list metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";

/// Which version of OpenAPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Swagger 2.0.
    V2,
    /// OpenAPI 3.0.
    V3,
}

impl Flavour {
    /// The reference to a definition.
    pub fn reference(self, name: &str) -> String {
        match self {
            Self::V2 => format!("#/definitions/{name}"),
            Self::V3 => format!("#/components/schemas/{name}"),
        }
    }
}

/// `io.k8s.api.apps.v1.Deployment`; `None` if the table does not have the kind (options of streams, which are all query).
pub fn name_of_kind(kind: &Kind) -> Option<String> {
    if kind.custom {
        return Some(custom::name(kind));
    }
    schema::root(&kind.version.api_version(), kind.name).map(name_of)
}

fn name_of(message: &Message) -> String {
    let package = message.name.rsplit_once('.').map(|(package, _)| package).unwrap_or_default();
    let home = match package.split('.').next().unwrap_or_default() {
        "meta" => "io.k8s.apimachinery.pkg.apis",
        "apiextensions" => "io.k8s.apiextensions-apiserver.pkg.apis",
        "apiregistration" => "io.k8s.kube-aggregator.pkg.apis",
        _ => "io.k8s.api",
    };
    format!("{home}.{package}.{}", message.go_name)
}

/// The definitions of these resources and of everything that they refer to.
pub fn of(resources: &[Resource], flavour: Flavour) -> Map<String, Value> {
    let mut writer =
        Writer { flavour, descriptions: Descriptions::read(), waiting: Vec::new(), done: BTreeMap::new() };
    let mut kinds: BTreeSet<Kind> =
        resources.iter().map(|resource| resource.kind).filter(|kind| !kind.custom).collect();
    kinds.insert(Kind { version: GroupVersion { group: "", version: "v1" }, name: "Status", custom: false });
    kinds.insert(Kind {
        version: GroupVersion { group: "", version: "v1" },
        name: "DeleteOptions",
        custom: false,
    });
    let lists: BTreeSet<Kind> = resources
        .iter()
        .filter(|resource| resource.verbs.contains(&"list") && !resource.kind.custom)
        .map(|resource| resource.kind)
        .collect();
    for kind in &kinds {
        if let Some(message) = schema::root(&kind.version.api_version(), kind.name) {
            writer.message(message, Some(kind));
        }
    }
    for kind in &lists {
        writer.list(kind);
    }
    for resource in resources.iter().filter(|resource| resource.subresource.is_empty()) {
        if let Some(kind) = &resource.custom {
            writer.custom(kind, &resource.kind);
        }
    }
    while let Some(message) = writer.waiting.pop() {
        writer.message(message, None);
    }
    writer.done.into_iter().collect()
}

struct Writer {
    flavour: Flavour,
    descriptions: Descriptions,
    waiting: Vec<&'static Message>,
    done: BTreeMap<String, Value>,
}

impl Writer {
    /// Writes a message; one that is a kind has its kind and version as fields.
    fn message(&mut self, message: &'static Message, kind: Option<&Kind>) {
        let name = name_of(message);
        if self.done.contains_key(&name) {
            return;
        }
        if terms::is_either(message) {
            let text = self.descriptions.of(message).map(Description::text);
            self.done.insert(name, json!({"description": text}));
            return;
        }
        let (mut properties, mut required) = (Map::new(), Vec::new());
        if kind.is_some() {
            properties.extend(type_meta());
        }
        self.done.insert(name.clone(), Value::Null);
        self.fields(message, message, &mut properties, &mut required);
        let mut definition = Map::new();
        if let Some(description) = self.descriptions.of(message).map(Description::text) {
            definition.insert("description".into(), description.into());
        }
        definition.insert("type".into(), "object".into());
        definition.insert("properties".into(), Value::Object(properties));
        if !required.is_empty() {
            definition.insert("required".into(), required.into());
        }
        if let Some(kind) = kind {
            definition.insert(GROUP_VERSION_KIND.into(), json!([group_version_kind(kind)]));
        }
        if message.atomic {
            definition.insert("x-kubernetes-map-type".into(), "atomic".into());
        }
        self.done.insert(name, Value::Object(definition));
    }

    /// The fields of a message and of those embedded in it, whose words are among those of `whole`.
    fn fields(
        &mut self,
        whole: &'static Message,
        message: &'static Message,
        properties: &mut Map<String, Value>,
        required: &mut Vec<&'static str>,
    ) {
        for field in &message.fields {
            if field.json.is_empty() {
                if let Some(embedded) = field.message() {
                    self.fields(whole, embedded, properties, required);
                }
                continue;
            }
            let known = self.descriptions.of(whole).map(|known| known.field(field.json)).unwrap_or_default();
            if known.required {
                required.push(field.json);
            }
            properties.insert(field.json.to_owned(), self.field(field, &known));
        }
    }

    fn field(&mut self, field: &'static Field, known: &FieldDescription) -> Value {
        let mut element = self.element(field);
        let possible: Vec<&str> = self.descriptions.possible(known).iter().map(|one| one.value).collect();
        if let (Some(element), false) = (element.as_object_mut(), possible.is_empty()) {
            element.insert("enum".into(), possible.into());
        }
        let mut value = match field.shape {
            Shape::One => self.with_default(element, terms::default(field, known)),
            Shape::List | Shape::Map => {
                let element = self.with_default(element, terms::default_of_element(field));
                match field.shape {
                    Shape::Map => json!({"type": "object", "additionalProperties": element}),
                    Shape::One | Shape::List => json!({"type": "array", "items": element}),
                }
            }
        };
        let text = match field.shape {
            Shape::One => terms::meaning(known.text(), self.descriptions.possible(known)),
            Shape::List | Shape::Map => known.text(),
        };
        if !text.is_empty() {
            value = self.beside(value, "description", text.into());
        }
        if let Some(fields) = value.as_object_mut() {
            fields.extend(terms::merging(field).into_iter().map(|(key, value)| (key.to_owned(), value)));
        }
        value
    }

    /// What a value is by default; Kubernetes leaves that out of version 2.
    fn with_default(&self, value: Value, default: Option<Value>) -> Value {
        match (default, self.flavour) {
            (Some(default), Flavour::V3) => self.beside(value, "default", default),
            (Some(_) | None, _) => value,
        }
    }

    /// Says something else of a value. In version 3 nothing may stand beside a reference.
    fn beside(&self, mut value: Value, key: &str, said: Value) -> Value {
        if let (Some(reference), Flavour::V3) = (value.get("$ref"), self.flavour) {
            value = json!({"allOf": [{"$ref": reference}]});
        }
        crate::fields::set(&mut value, key, said);
        value
    }

    /// One value of a field.
    fn element(&mut self, field: &'static Field) -> Value {
        let typed = |kind: &str, format: &str| json!({"type": kind, "format": format});
        match field.kind {
            Type::String => json!({"type": "string"}),
            Type::Int32 => typed("integer", "int32"),
            Type::Int64 => typed("integer", "int64"),
            Type::Float => typed("number", "double"),
            Type::Bool => json!({"type": "boolean"}),
            Type::Bytes => typed("string", "byte"),
            Type::Time => self.special("meta.v1.Time", typed("string", "date-time")),
            Type::MicroTime => self.special("meta.v1.MicroTime", typed("string", "date-time")),
            Type::IntOrString => {
                let loose =
                    json!({"oneOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string"});
                self.special("util.intstr.IntOrString", self.either(loose, typed("string", "int-or-string")))
            }
            Type::Quantity => {
                let loose = json!({"oneOf": [{"type": "string"}, {"type": "number"}]});
                self.special("api.resource.Quantity", self.either(loose, json!({"type": "string"})))
            }
            Type::Raw if field.json == "fieldsV1" => {
                self.special("meta.v1.FieldsV1", json!({"type": "object"}))
            }
            Type::Raw => self.special("runtime.RawExtension", json!({"type": "object"})),
            Type::Json => self.special("apiextensions.v1.JSON", json!({})),
            Type::Strings => {
                let text = self.with_default(json!({"type": "string"}), Some(json!("")));
                json!({"type": "array", "items": text})
            }
            Type::Message(_) => match field.message() {
                Some(message) => {
                    let name = name_of(message);
                    if !self.done.contains_key(&name) {
                        self.waiting.push(message);
                    }
                    json!({"$ref": self.flavour.reference(&name)})
                }
                None => json!({"type": "object"}),
            },
        }
    }

    fn either(&self, v3: Value, v2: Value) -> Value {
        match self.flavour {
            Flavour::V2 => v2,
            Flavour::V3 => v3,
        }
    }

    /// A reference to a definition that is no message of the table.
    fn special(&mut self, name: &str, mut definition: Value) -> Value {
        let full = match name.split_once('.') {
            Some(("meta", _)) => format!("io.k8s.apimachinery.pkg.apis.{name}"),
            Some(("apiextensions", _)) => format!("io.k8s.apiextensions-apiserver.pkg.apis.{name}"),
            _ => format!("io.k8s.apimachinery.pkg.{name}"),
        };
        if !self.done.contains_key(&full) {
            let text = self.descriptions.named(name).map(Description::text);
            if let (Some(text), Some(fields)) = (text, definition.as_object_mut()) {
                fields.insert("description".into(), text.into());
            }
            self.done.insert(full.clone(), definition);
        }
        json!({"$ref": self.flavour.reference(&full)})
    }

    /// A custom kind and its list.
    fn custom(&mut self, info: &KindInfo, kind: &Kind) {
        let Some(custom) = info.custom() else { return };
        if let Some(meta) = schema::message("meta.v1.ObjectMeta") {
            self.message(meta, None);
        }
        let metadata = self.reference(&format!("{META}ObjectMeta"), OBJECT_META);
        let common: Map<String, Value> = type_meta().chain([("metadata".to_owned(), metadata)]).collect();
        let mut definition = custom::definition(custom.schema(), &common, self.flavour);
        if let Some(fields) = definition.as_object_mut() {
            fields.insert(GROUP_VERSION_KIND.into(), json!([group_version_kind(kind)]));
        }
        let name = custom::name(kind);
        self.done.insert(name.clone(), definition);
        let words = ListWords {
            list: format!("{} is a list of {}", info.list_kind(), kind.name),
            items: format!(
                "List of {}. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md",
                info.id.plural()
            ),
        };
        self.list_of(kind, &name, &info.list_kind(), words);
    }

    /// The list of a kind.
    fn list(&mut self, kind: &Kind) {
        let Some(item) = schema::root(&kind.version.api_version(), kind.name) else { return };
        let list_kind = format!("{}List", kind.name);
        let words = ListWords {
            list: format!("{list_kind} is a list of {}s.", kind.name),
            items: format!("The {}s.", kind.name),
        };
        self.list_of(kind, &name_of(item), &list_kind, words);
    }

    fn list_of(&mut self, kind: &Kind, item: &str, list_kind: &str, words: ListWords) {
        if let Some(meta) = schema::message("meta.v1.ListMeta") {
            self.message(meta, None);
        }
        let metadata = self.reference(&format!("{META}ListMeta"), LIST_META);
        let mut properties: Map<String, Value> = type_meta().collect();
        let item_reference = json!({"$ref": self.flavour.reference(item)});
        let items = match kind.custom {
            true => item_reference,
            false => self.with_default(item_reference, Some(json!({}))),
        };
        properties
            .insert("items".into(), json!({"type": "array", "items": items, "description": words.items}));
        properties.insert("metadata".into(), self.with_default(metadata, (!kind.custom).then(|| json!({}))));
        let mut kind_of_list = group_version_kind(kind);
        crate::fields::set(&mut kind_of_list, "kind", json!(list_kind));
        let definition = json!({
            "description": words.list, "type": "object",
            "properties": properties, "required": ["items"], GROUP_VERSION_KIND: [kind_of_list],
        });
        self.done.insert(format!("{item}List"), definition);
    }

    /// A field that is a definition, described in its own words.
    fn reference(&self, definition: &str, description: &str) -> Value {
        let reference = json!({"$ref": self.flavour.reference(definition)});
        self.beside(reference, "description", description.into())
    }
}

/// What is said of a list and of what is in it.
struct ListWords {
    list: String,
    items: String,
}

/// The fields that every kind has and the table leaves out.
fn type_meta() -> impl Iterator<Item = (String, Value)> {
    [("apiVersion", API_VERSION), ("kind", KIND)]
        .into_iter()
        .map(|(name, text)| (name.to_owned(), json!({"type": "string", "description": text})))
}
