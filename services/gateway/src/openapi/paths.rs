//! The documents' paths: which requests there are about each resource, and what their queries may hold.

use serde_json::{Map, Value, json};

use super::model::{Kind, Resource};
use super::schemas::{self, Flavour, GROUP_VERSION_KIND};

/// What the query of a write may hold; clients look for `dryRun` and `fieldValidation`.
const WRITE: [(&str, &str); 3] =
    [("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")];
const PATCH: [(&str, &str); 4] =
    [("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"), ("force", "boolean")];
const DELETE: [(&str, &str); 3] =
    [("dryRun", "string"), ("gracePeriodSeconds", "integer"), ("propagationPolicy", "string")];
const LIST: [(&str, &str); 10] = [
    ("allowWatchBookmarks", "boolean"),
    ("continue", "string"),
    ("fieldSelector", "string"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"),
    ("timeoutSeconds", "integer"),
    ("watch", "boolean"),
];

/// The paths of these resources.
pub fn of(resources: &[Resource], flavour: Flavour) -> Map<String, Value> {
    let mut paths = Map::new();
    for resource in resources {
        let root = format!("/{}/", resource.version.path());
        let namespace = if resource.namespaced { "namespaces/{namespace}/" } else { "" };
        let collection = format!("{root}{namespace}{}", resource.plural);
        if !resource.subresource.is_empty() {
            let path = format!("{collection}/{{name}}/{}", resource.subresource);
            paths.insert(path, item(resource, flavour, &["get", "put", "post", "patch"], true));
            continue;
        }
        paths.insert(
            collection.clone(),
            item(resource, flavour, &["list", "post", "deletecollection"], false),
        );
        if resource.verbs.contains(&"get") {
            let one = item(resource, flavour, &["get", "put", "patch", "delete"], true);
            paths.insert(format!("{collection}/{{name}}"), one);
            if resource.namespaced {
                paths.insert(format!("{root}{}", resource.plural), item(resource, flavour, &["list"], false));
            }
        }
    }
    paths
}

/// The requests at one path: of `actions`, those that the resource has verbs for.
fn item(resource: &Resource, flavour: Flavour, actions: &[&'static str], named: bool) -> Value {
    let verb_of = |action: &str| match action {
        "post" => "create".to_owned(),
        "put" => "update".to_owned(),
        other => other.to_owned(),
    };
    let mut item = Map::new();
    for action in actions.iter().filter(|action| resource.verbs.contains(&verb_of(action).as_str())) {
        let method = match *action {
            "list" => "get",
            "deletecollection" => "delete",
            other => other,
        };
        item.insert(method.to_owned(), operation(resource, action, flavour));
    }
    let in_path = [(resource.namespaced, "namespace"), (named, "name")];
    let parameters: Vec<Value> = in_path
        .into_iter()
        .filter(|(there, _)| *there)
        .map(|(_, name)| parameter(name, "string", "path", flavour))
        .collect();
    if !parameters.is_empty() && flavour == Flavour::V3 {
        item.insert("parameters".into(), Value::Array(parameters));
    }
    Value::Object(item)
}

fn operation(resource: &Resource, action: &'static str, flavour: Flavour) -> Value {
    let parameters: &[(&str, &str)] = match action {
        "post" | "put" => &WRITE,
        "patch" => &PATCH,
        "delete" => &DELETE,
        "list" | "deletecollection" => &LIST,
        _ => &[],
    };
    let parameters: Vec<Value> =
        parameters.iter().map(|(name, kind)| parameter(name, kind, "query", flavour)).collect();
    let answer = match action {
        "list" => schemas::name_of_kind(&resource.kind).map(|name| format!("{name}List")),
        "delete" | "deletecollection" => Some("io.k8s.apimachinery.pkg.apis.meta.v1.Status".to_owned()),
        _ => schemas::name_of_kind(&resource.kind),
    };
    let mut operation = json!({
        "responses": {"200": response(answer.as_deref(), flavour)},
        "x-kubernetes-action": action, GROUP_VERSION_KIND: group_version_kind(&resource.kind),
    });
    if let Some(fields) = operation.as_object_mut()
        && !parameters.is_empty()
    {
        fields.insert("parameters".into(), Value::Array(parameters));
    }
    operation
}

fn response(definition: Option<&str>, flavour: Flavour) -> Value {
    let Some(definition) = definition else { return json!({"description": "OK"}) };
    let schema = json!({"$ref": flavour.reference(definition)});
    match flavour {
        Flavour::V2 => json!({"description": "OK", "schema": schema}),
        Flavour::V3 => json!({"description": "OK", "content": {"application/json": {"schema": schema}}}),
    }
}

fn parameter(name: &str, kind: &str, place: &str, flavour: Flavour) -> Value {
    let mut parameter = match flavour {
        Flavour::V2 => json!({"name": name, "in": place, "type": kind}),
        Flavour::V3 => json!({"name": name, "in": place, "schema": {"type": kind}}),
    };
    if let ("path", Some(fields)) = (place, parameter.as_object_mut()) {
        fields.insert("required".into(), true.into());
    }
    parameter
}

/// The value of `x-kubernetes-group-version-kind`.
pub fn group_version_kind(kind: &Kind) -> Value {
    json!({"group": kind.version.group, "version": kind.version.version, "kind": kind.name})
}
