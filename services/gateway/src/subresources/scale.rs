//! `autoscaling/v1 Scale`: how many replicas are wanted and how many there are.

use api::KindInfo;
use api::columns::ago;
use api::json::{self, int, text};
use hyper::Method;
use serde_json::{Value, json as value};

use crate::apply;
use crate::body::{self, Checked};
use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::fields::set;
use crate::negotiate::Form;
use crate::patch::Patch;
use crate::read;
use crate::respond::{self, Response};
use crate::table::partial;
use crate::write::{self, Part};

/// What a table shows of a scale: name, type, description of each column.
const COLUMNS: [(&str, &str, &str); 4] = [
    ("Name", "string", "The object's name."),
    ("Desired", "integer", "How many replicas are wanted."),
    ("Available", "integer", "How many there are."),
    ("Age", "string", "How long ago the object was created."),
];

/// `GET`, `PUT` and `PATCH` of a scale.
pub async fn answer(context: &Context, call: &Call, method: &Method) -> Result<Response, Failure> {
    let object = match method.as_str() {
        "GET" => context.converter.one(&call.kind, read::find(context, call)?).await?.value(),
        "PUT" => {
            let wanted = body::read(call)?;
            write::modify(context, call, Part::Object, "scale", |old| rescaled(call, old, &wanted)).await?
        }
        _ => {
            let patch = match Patch::read(call)? {
                Patch::Apply(scale) => return apply_scale(context, call, &scale).await,
                patch => patch,
            };
            let edit = |old: &Value| {
                let mut scale = scale_of(&call.kind, old);
                patch.apply_to(&mut scale, "autoscaling/v1", "Scale")?;
                rescaled(call, old, &scale)
            };
            write::modify(context, call, Part::Object, "scale", edit).await?
        }
    };
    Ok(respond::value(200, &shown(call, scale_of(&call.kind, &object))?))
}

/// Whoever applies a scale owns the object's replicas through it.
async fn apply_scale(context: &Context, call: &Call, scale: &Value) -> Result<Response, Failure> {
    let mut config = value!({"apiVersion": call.kind.api_version(), "kind": call.kind.kind, "metadata": {}});
    if let Some(replicas) = scale.pointer("/spec/replicas").filter(|replicas| !replicas.is_null()) {
        place(&mut config, &call.kind.scale().replicas, replicas.clone());
    }
    let (_, object) = apply::apply(context, call, Part::Object, &config).await?;
    Ok(respond::value(200, &shown(call, scale_of(&call.kind, &object))?))
}

/// The scale as it is asked for: `kubectl get --subresource=scale` wants a table.
fn shown(call: &Call, scale: Value) -> Result<Value, Failure> {
    match call.form()? {
        Form::Whole => return Ok(scale),
        Form::Metadata => return Ok(partial(&scale)),
        Form::Table => {}
    }
    let columns = COLUMNS.map(|(name, kind, description)| {
        value!({"name": name, "type": kind, "format": "", "description": description, "priority": 0})
    });
    let age = ago(text(&scale, "/metadata/creationTimestamp"), telemetry::clock::now());
    let cells = value!([
        text(&scale, "/metadata/name"),
        int(&scale, "/spec/replicas"),
        int(&scale, "/status/replicas"),
        age
    ]);
    Ok(value!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": text(&scale, "/metadata/resourceVersion")},
        "columnDefinitions": columns, "rows": [{"cells": cells, "object": partial(&scale)}],
    }))
}

/// The scale of an object.
pub fn scale_of(kind: &KindInfo, object: &Value) -> Value {
    let mut metadata = serde_json::Map::new();
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        metadata.extend(
            object
                .pointer("/metadata")
                .and_then(|all| all.get(field))
                .map(|one| (field.to_owned(), one.clone())),
        );
    }
    let paths = kind.scale();
    let mut status = value!({"replicas": int(object, &paths.current).unwrap_or_default()});
    let selector = selector_text(object.pointer(&paths.selector).unwrap_or(&Value::Null));
    if !selector.is_empty() {
        set(&mut status, "selector", selector);
    }
    value!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
        "spec": {"replicas": int(object, &paths.replicas).unwrap_or_default()},
        "status": status,
    })
}

/// The object with the replicas of a scale; a `resourceVersion` in the scale must be the object's.
fn rescaled(call: &Call, old: &Value, scale: &Value) -> Result<Checked, Failure> {
    let name = text(scale, "/metadata/name");
    if !name.is_empty() && name != call.name() {
        return Err(Failure::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            call.name()
        )));
    }
    let mut new = call.kind.shown(old.clone());
    let replicas = scale.pointer("/spec/replicas").cloned().unwrap_or(value!(0));
    place(&mut new, &call.kind.scale().replicas, replicas);
    let insists = text(scale, "/metadata/resourceVersion");
    if let Some(metadata) = json::child(&mut new, "metadata").filter(|_| !insists.is_empty()) {
        metadata.insert("resourceVersion".into(), insists.into());
    }
    body::check(call, new)
}

/// Puts a value where a pointer of fields leads; what is missing on the way is made.
fn place(object: &mut Value, pointer: &str, value: Value) {
    let (fields, last) = pointer.rsplit_once('/').unwrap_or_default();
    let mut parent = object;
    for field in fields.split('/').filter(|field| !field.is_empty()) {
        if json::child(parent, field).is_none() {
            return;
        }
        let Some(next) = parent.get_mut(field) else { return };
        parent = next;
    }
    if let Some(parent) = parent.as_object_mut() {
        parent.insert(last.to_owned(), value);
    }
}

/// A label selector as a query would have it; custom resources have it as text already.
fn selector_text(selector: &Value) -> String {
    if let Some(text) = selector.as_str() {
        return text.to_owned();
    }
    // A replication controller's selector is a plain map.
    let plain = selector.as_object().is_some_and(|map| map.values().all(Value::is_string));
    let equal = json::entries(selector, if plain { "" } else { "/matchLabels" })
        .map(|(key, label)| format!("{key}={}", label.as_str().unwrap_or_default()));
    let expressions = json::items(selector, "/matchExpressions").iter().map(|expression| {
        let key = text(expression, "/key");
        let values: Vec<&str> = json::items(expression, "/values").iter().filter_map(Value::as_str).collect();
        match text(expression, "/operator") {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        }
    });
    equal.chain(expressions).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_tells_how_many_and_of_what() {
        let deployment = value!({
            "metadata": {"name": "web", "namespace": "default", "labels": {"a": "b"}},
            "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}, "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["a", "b"]}, {"key": "canary", "operator": "DoesNotExist"}]}},
            "status": {"replicas": 2},
        });
        let scale = scale_of(api::by_gvk("apps/v1", "Deployment").unwrap(), &deployment);
        assert_eq!(scale["spec"]["replicas"], 3);
        assert_eq!(scale["status"], value!({"replicas": 2, "selector": "app=web,tier in (a,b),!canary"}));
        assert_eq!(scale["metadata"], value!({"name": "web", "namespace": "default"}));
    }
}
