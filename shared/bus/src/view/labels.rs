//! Which pods and ReplicaSets of a namespace carry a label: what selectors of Services, ReplicaSets and Deployments ask for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use api::views::{Pod, ReplicaSet};
use api::{ObjectKey, Resource, ResourceId};

use crate::stored::Stored;

/// An index over labels.
#[derive(Default)]
pub(super) struct Labels {
    keys: HashMap<Label, BTreeSet<ObjectKey>>,
}

/// One label in one collection of one namespace.
#[derive(PartialEq, Eq, Hash)]
struct Label {
    resource: ResourceId,
    namespace: Arc<str>,
    key: Arc<str>,
    value: Arc<str>,
}

impl Labels {
    /// Whether objects of this resource are in the index.
    pub fn covers(resource: ResourceId) -> bool {
        resource == Pod::ID || resource == ReplicaSet::ID
    }

    /// Takes an object in.
    pub fn insert(&mut self, object: &Stored) {
        for label in labels_of(object) {
            self.keys.entry(label).or_default().insert(object.key.clone());
        }
    }

    /// Takes an object out.
    pub fn remove(&mut self, object: &Stored) {
        for label in labels_of(object) {
            let Some(keys) = self.keys.get_mut(&label) else { continue };
            keys.remove(&object.key);
            if keys.is_empty() {
                self.keys.remove(&label);
            }
        }
    }

    /// The objects that carry the rarest of these labels; `None` if nothing carries one of them.
    pub fn rarest(
        &self,
        resource: ResourceId,
        namespace: &str,
        labels: &BTreeMap<Arc<str>, Arc<str>>,
    ) -> Option<&BTreeSet<ObjectKey>> {
        let namespace: Arc<str> = namespace.into();
        let keys = |(key, value): (&Arc<str>, &Arc<str>)| {
            let (namespace, key, value) = (Arc::clone(&namespace), Arc::clone(key), Arc::clone(value));
            self.keys.get(&Label { resource, namespace, key, value })
        };
        let sets: Option<Vec<&BTreeSet<ObjectKey>>> = labels.iter().map(keys).collect();
        sets?.into_iter().min_by_key(|keys| keys.len())
    }
}

fn labels_of(object: &Stored) -> impl Iterator<Item = Label> {
    let (resource, metadata) = (object.key.resource, &object.metadata);
    let covered = Labels::covers(resource).then_some(&metadata.labels);
    covered.into_iter().flatten().map(move |(key, value)| Label {
        resource,
        namespace: Arc::clone(&metadata.namespace),
        key: Arc::clone(key),
        value: Arc::clone(value),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::view::{ChangeKind, View};

    fn object(kind: &str, namespace: &str, name: &str, labels: Value) -> Value {
        let api_version = if kind == "ReplicaSet" { "apps/v1" } else { "v1" };
        let metadata = json!({"name": name, "namespace": namespace, "labels": labels});
        json!({"apiVersion": api_version, "kind": kind, "metadata": metadata})
    }

    fn found(view: &View, resource: ResourceId, labels: Value) -> String {
        let labels: BTreeMap<Arc<str>, Arc<str>> = serde_json::from_value(labels).unwrap();
        let reader = view.read();
        let names: Vec<&str> =
            reader.labelled(resource, "a", &labels).map(|stored| &*stored.key.name).collect();
        names.join(" ")
    }

    #[test]
    fn objects_are_found_by_their_labels_as_they_are_now() {
        let web = json!({"app": "web"});
        let view = View::of([
            object("Pod", "a", "2", json!({"app": "web", "hash": "x"})),
            object("Pod", "a", "1", web.clone()),
            object("Pod", "b", "3", web.clone()),
            object("ReplicaSet", "a", "set", web.clone()),
            object("ConfigMap", "a", "map", web.clone()),
        ]);
        assert_eq!(found(&view, Pod::ID, web.clone()), "1 2");
        assert_eq!(found(&view, Pod::ID, json!({"app": "web", "hash": "x"})), "2");
        assert_eq!(found(&view, Pod::ID, json!({"app": "web", "hash": "y"})), "");
        assert_eq!(found(&view, Pod::ID, json!({})), "1 2");
        assert_eq!(found(&view, ReplicaSet::ID, web.clone()), "set");
        assert_eq!(found(&view, ResourceId::new("configmaps"), web.clone()), "map");
        view.apply(ChangeKind::Put, Stored::test(object("Pod", "a", "1", json!({"app": "db"})), 6));
        view.apply(ChangeKind::Deleted, Stored::test(object("Pod", "a", "2", web.clone()), 7));
        assert_eq!(found(&view, Pod::ID, web), "");
        assert_eq!(found(&view, Pod::ID, json!({"app": "db"})), "1");
    }
}
