//! Which ConfigMaps and Secrets a pod's spec refers to.

use std::collections::BTreeSet;

use api::views::{ConfigMap, Secret};
use api::{ObjectKey, Resource};
use serde_json::Value;

/// All of them, whether they exist or not.
pub fn config_refs(pod: &Value, namespace: &str) -> BTreeSet<ObjectKey> {
    let mut names = Names { namespace, found: BTreeSet::new() };
    for volume in items(pod, "/spec/volumes") {
        names.config_map(volume.pointer("/configMap/name"));
        names.secret(volume.pointer("/secret/secretName"));
        for source in items(volume, "/projected/sources") {
            names.config_map(source.pointer("/configMap/name"));
            names.secret(source.pointer("/secret/name"));
        }
    }
    for list in ["/spec/containers", "/spec/initContainers", "/spec/ephemeralContainers"] {
        for container in items(pod, list) {
            for source in items(container, "/envFrom") {
                names.config_map(source.pointer("/configMapRef/name"));
                names.secret(source.pointer("/secretRef/name"));
            }
            for variable in items(container, "/env") {
                names.config_map(variable.pointer("/valueFrom/configMapKeyRef/name"));
                names.secret(variable.pointer("/valueFrom/secretKeyRef/name"));
            }
        }
    }
    for secret in items(pod, "/spec/imagePullSecrets") {
        names.secret(secret.get("name"));
    }
    names.found
}

struct Names<'a> {
    namespace: &'a str,
    found: BTreeSet<ObjectKey>,
}

impl Names<'_> {
    fn config_map(&mut self, name: Option<&Value>) {
        self.add(ConfigMap::ID, name);
    }

    fn secret(&mut self, name: Option<&Value>) {
        self.add(Secret::ID, name);
    }

    fn add(&mut self, resource: api::ResourceId, name: Option<&Value>) {
        if let Some(name) = name.and_then(Value::as_str).filter(|name| !name.is_empty()) {
            self.found.insert(ObjectKey::namespaced(resource, self.namespace, name));
        }
    }
}

fn items<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}
