//! `componentstatuses`: how what the gateway works with is. Kubernetes has given this resource up, and `kubectl get cs` has not.

use hyper::body::Incoming;
use hyper::header::ACCEPT;
use hyper::{Method, Request};
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::Failure;
use crate::negotiate::{self, Form};
use crate::respond::{self, Response};
use crate::unstored::{By, Question, Unstored};

/// The one resource.
#[rustfmt::skip]
pub const COMPONENTS: &[Unstored] = &[
    Unstored { group: "", version: "v1", plural: "componentstatuses", singular: "componentstatus", kind: "ComponentStatus", short_names: &["cs"], namespaced: false, verbs: &["get", "list"], by: By::Components },
];

/// What keeps the cluster's state and carries its messages.
const BUS: &str = "bus";

/// Answers `get` and `list`.
pub fn answer(
    context: &Context,
    question: &Question<'_>,
    request: &Request<Incoming>,
) -> Result<Response, Failure> {
    let path = question.path;
    if path.namespace.is_some() || path.subresource.is_some() {
        return Err(Failure::no_such_path());
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) || question.query.flag("watch") {
        return Err(Failure::method_not_allowed());
    }
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let is_table = negotiate::form(accept)? == Form::Table;
    let bus = component(BUS, *context.bus.connected().borrow());
    match path.name.as_deref() {
        None | Some(BUS) if is_table => Ok(respond::value(200, &table(&[bus]))),
        None => Ok(respond::value(
            200,
            &json!({"kind": "ComponentStatusList", "apiVersion": "v1", "metadata": {}, "items": [bus]}),
        )),
        Some(BUS) => Ok(respond::value(200, &bus)),
        Some(name) => {
            let message = format!("componentstatuses \"{name}\" not found");
            Err(Failure::new(404, "NotFound", message))
        }
    }
}

fn component(name: &str, healthy: bool) -> Value {
    let condition = match healthy {
        true => json!({"type": "Healthy", "status": "True", "message": "ok"}),
        false => json!({"type": "Healthy", "status": "False", "error": "the gateway does not reach it"}),
    };
    json!({"kind": "ComponentStatus", "apiVersion": "v1", "metadata": {"name": name}, "conditions": [condition]})
}

/// As `kubectl get` shows them.
fn table(components: &[Value]) -> Value {
    let column = |name: &str, format: &str| json!({"name": name, "type": "string", "format": format, "description": "", "priority": 0});
    let text = |component: &Value, field: &str| api::json::text(component, field).to_owned();
    let rows = components.iter().map(|component| {
        let status = match text(component, "/conditions/0/status").as_str() {
            "True" => "Healthy",
            _ => "Unhealthy",
        };
        json!({
            "cells": [text(component, "/metadata/name"), status, text(component, "/conditions/0/message"), text(component, "/conditions/0/error")],
            "object": component,
        })
    });
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {},
        "columnDefinitions": [column("Name", "name"), column("Status", ""), column("Message", ""), column("Error", "")],
        "rows": rows.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_shown() {
        let shown = table(&[component("bus", true), component("bus", false)]);
        assert_eq!(shown["rows"][0]["cells"], json!(["bus", "Healthy", "ok", ""]));
        assert_eq!(
            shown["rows"][1]["cells"],
            json!(["bus", "Unhealthy", "", "the gateway does not reach it"])
        );
    }
}
