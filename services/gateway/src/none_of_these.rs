//! Lists that clients read before they judge an unknown type, of kinds of which there are none here.

use hyper::Method;
use serde_json::{Value, json};

use crate::path::ObjectPath;

/// An empty list of CustomResourceDefinitions: kubectl asks for it when a manifest's kind is unknown, and takes a 404 for a
/// broken server rather than for `no matches for kind`. Discovery does not offer the kind, so nobody creates one in vain.
pub fn list(method: &Method, path: &ObjectPath) -> Option<Value> {
    let is_definitions = path.api.group == "apiextensions.k8s.io"
        && path.api.version == "v1"
        && path.plural == "customresourcedefinitions"
        && path.name.is_none();
    (is_definitions && *method == Method::GET).then(|| {
        json!({
            "kind": "CustomResourceDefinitionList", "apiVersion": "apiextensions.k8s.io/v1",
            "metadata": {"resourceVersion": "0"}, "items": [],
        })
    })
}
