//! What other servers say they serve, as discovery tells of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::json::{flag, text};
use serde_json::{Value, json};

use crate::fields::set;
use crate::path::GroupVersion;

/// A group and version that another server serves.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Which.
    pub api: GroupVersion,
    /// How early clients look into its group.
    pub priority: i64,
    /// Its `APIResource`s, as the server listed them last.
    pub resources: Arc<[Value]>,
    /// Where its document of OpenAPI v3 is, if it has one.
    pub document: Option<Arc<str>>,
    /// The server has said so lately.
    pub is_current: bool,
}

/// Resources in the form of aggregated discovery: subresources below what they belong to.
pub fn aggregated_resources(remote: &Remote) -> Vec<Value> {
    let mut below: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for resource in remote.resources.iter() {
        if let Some((parent, name)) = text(resource, "/name").split_once('/') {
            let entry = json!({
                "subresource": name, "responseKind": response_kind(remote, resource), "verbs": resource["verbs"],
            });
            below.entry(parent).or_default().push(entry);
        }
    }
    let main = remote.resources.iter().filter(|resource| !text(resource, "/name").contains('/'));
    let entry = |resource: &Value| {
        let scope = if flag(resource, "/namespaced") { "Namespaced" } else { "Cluster" };
        let mut entry = json!({
            "resource": resource["name"], "singularResource": resource["singularName"],
            "responseKind": response_kind(remote, resource), "scope": scope, "verbs": resource["verbs"],
        });
        for field in ["shortNames", "categories"] {
            if let Some(names) = resource.get(field) {
                set(&mut entry, field, names.clone());
            }
        }
        if let Some(below) = below.get(text(resource, "/name")) {
            set(&mut entry, "subresources", json!(below));
        }
        entry
    };
    main.map(entry).collect()
}

fn response_kind(remote: &Remote, resource: &Value) -> Value {
    let own = |field: &str, other: &str| {
        let own = text(resource, field);
        if own.is_empty() { other.to_owned() } else { own.to_owned() }
    };
    json!({
        "group": own("/group", &remote.api.group), "version": own("/version", &remote.api.version),
        "kind": resource["kind"],
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn subresources_are_below_what_they_belong_to() {
        let resources = [
            json!({"name": "orders", "singularName": "order", "namespaced": true, "kind": "Order", "verbs": ["get"], "shortNames": ["o"]}),
            json!({"name": "orders/scale", "group": "autoscaling", "version": "v1", "kind": "Scale", "namespaced": true, "verbs": ["update"]}),
            json!({"name": "shops", "singularName": "shop", "namespaced": false, "kind": "Shop", "verbs": []}),
        ];
        let api = GroupVersion { group: "shop.example.com".to_owned(), version: "v1".to_owned() };
        let remote =
            Remote { api, priority: 1_000, resources: resources.into(), document: None, is_current: true };
        let lines: String =
            aggregated_resources(&remote).iter().map(|resource| format!("{resource}\n")).collect();
        expect![[r#"
            {"resource":"orders","responseKind":{"group":"shop.example.com","kind":"Order","version":"v1"},"scope":"Namespaced","shortNames":["o"],"singularResource":"order","subresources":[{"responseKind":{"group":"autoscaling","kind":"Scale","version":"v1"},"subresource":"scale","verbs":["update"]}],"verbs":["get"]}
            {"resource":"shops","responseKind":{"group":"shop.example.com","kind":"Shop","version":"v1"},"scope":"Cluster","singularResource":"shop","verbs":[]}
        "#]]
        .assert_eq(&lines);
    }
}
