//! Which objects of a view a list or a watch is about, now or at an earlier revision.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use api::selector::{FieldSelector, Selector};
use api::{KindInfo, NodeName, ObjectKey, ResourceId, Revision};
use bus::{Change, Expired, Reader, Stored, View};

use crate::call::Call;
use crate::convert::Converter;
use crate::failure::Failure;

/// A resource, maybe one namespace of it, and selectors.
#[derive(Clone, Debug)]
pub struct Selection {
    resource: ResourceId,
    namespace: Option<String>,
    labels: Selector,
    fields: FieldSelector,
}

/// What a selection held at one revision, ordered by namespace and name.
#[derive(Debug)]
pub struct Snapshot {
    /// The revision.
    pub revision: Revision,
    /// The objects.
    pub objects: Vec<Arc<Stored>>,
}

impl Selection {
    /// What a request selects; a name in the path selects one object.
    pub fn of(call: &Call) -> Result<Self, Failure> {
        let fields = match &call.path.name {
            Some(name) => {
                FieldSelector::parse(&call.kind, &format!("metadata.name={}", name.replace(',', "\\,")))?
            }
            None => FieldSelector::parse(&call.kind, call.query.text("fieldSelector"))?,
        };
        Ok(Self {
            resource: call.kind.id,
            namespace: call.path.namespace.clone(),
            labels: Selector::parse(call.query.text("labelSelector"))?,
            fields,
        })
    }

    /// What can be said of objects as they are stored: labels and fields may change when a webhook converts them.
    pub fn of_stored(&self, kind: &KindInfo) -> Cow<'_, Self> {
        if kind.webhook().is_none() {
            return Cow::Borrowed(self);
        }
        let fields =
            if self.fields.is_metadata_only() { self.fields.clone() } else { FieldSelector::default() };
        Cow::Owned(Self { labels: Selector::default(), fields, ..self.clone() })
    }

    /// What is selected of the objects that [`Self::of_stored`] selects. They are converted if that tells; else it is left to the
    /// caller, who may want fewer of them.
    pub async fn shown(
        &self,
        converter: &Converter,
        kind: &KindInfo,
        mut snapshot: Snapshot,
    ) -> Result<Snapshot, Failure> {
        if kind.webhook().is_some() && !self.is_everything() {
            snapshot.objects = converter.all(kind, snapshot.objects).await?;
            snapshot.objects.retain(|object| self.matches(object));
        }
        Ok(snapshot)
    }

    /// Everything of the resource in the namespace is selected.
    pub fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether a key is of the resource and in the namespace.
    pub fn concerns(&self, key: &ObjectKey) -> bool {
        key.resource == self.resource
            && self.namespace.as_deref().is_none_or(|namespace| key.namespace() == namespace)
    }

    /// Whether an object is selected.
    pub fn matches(&self, object: &Stored) -> bool {
        self.concerns(&object.key)
            && self.labels.matches(&object.metadata.labels)
            && self.fields.matches_metadata(&object.metadata)
            && (self.fields.is_metadata_only() || self.fields.matches(&object.value()))
    }

    /// What is selected now.
    pub fn now(&self, view: &View) -> Snapshot {
        let (revision, mut objects) = {
            let reader = view.read();
            (reader.revision(), self.candidates(&reader))
        };
        objects.retain(|object| self.matches(object));
        Snapshot { revision, objects }
    }

    /// What was selected at `revision`: the present, with the changes since then undone.
    pub fn at(&self, view: &Arc<View>, revision: Revision) -> Result<Snapshot, Expired> {
        let mut changes = view.changes(revision)?;
        let (now, present) = {
            let reader = view.read();
            (reader.revision(), self.candidates(&reader))
        };
        let mut objects: BTreeMap<ObjectKey, Option<Arc<Stored>>> =
            present.into_iter().map(|object| (object.key.clone(), Some(object))).collect();
        let mut undone: Vec<Arc<Change>> = Vec::new();
        loop {
            let batch = changes.try_batch()?;
            let done = batch.last().is_none_or(|change| change.revision() >= now);
            undone.extend(batch.into_iter().filter(|change| change.key().resource == self.resource));
            if done {
                break;
            }
        }
        // Newest first, so that the state before the oldest change is what remains.
        for change in undone.iter().rev() {
            objects.insert(change.key().clone(), change.previous.clone());
        }
        let objects = objects.into_values().flatten().filter(|object| self.matches(object)).collect();
        Ok(Snapshot { revision, objects })
    }

    /// A superset of what is selected, as small as indexes make it.
    fn candidates(&self, reader: &Reader<'_>) -> Vec<Arc<Stored>> {
        let namespace = self.namespace.as_deref().or_else(|| self.fields.required("metadata.namespace"));
        let node = self.fields.required("spec.nodeName").filter(|_| self.resource == ResourceId::new("pods"));
        if let Some(name) = self.fields.required("metadata.name")
            && let Some(key) = self.key(reader, namespace, name)
        {
            return reader.get(&key).cloned().into_iter().collect();
        }
        match node {
            Some(node) if !node.is_empty() => {
                let mut pods: Vec<Arc<Stored>> = reader.pods_on(&NodeName::from(node)).cloned().collect();
                pods.sort_by(|a, b| a.key.cmp(&b.key));
                pods
            }
            Some(_) | None => reader.list(self.resource, namespace).cloned().collect(),
        }
    }

    /// The one key that a name can mean, if the namespace is known or the kind has none.
    fn key(&self, reader: &Reader<'_>, namespace: Option<&str>, name: &str) -> Option<ObjectKey> {
        let cluster = ObjectKey::cluster(self.resource, name);
        match namespace {
            Some(namespace) => Some(ObjectKey::namespaced(self.resource, namespace, name)),
            None => reader.get(&cluster).is_some().then_some(cluster),
        }
    }
}

#[cfg(test)]
mod tests {
    use bus::ChangeKind;
    use serde_json::{Value, json};

    use super::*;
    use crate::path::{ObjectPath, Query};

    fn config_map(name: &str, app: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "default", "labels": {"app": app}},
        })
    }

    fn stored(name: &str, app: &str, revision: u64) -> Arc<Stored> {
        let key = ObjectKey::namespaced(ResourceId::new("configmaps"), "default", name);
        Stored::test_at(key, config_map(name, app), revision)
    }

    fn selection(labels: &str, fields: &str) -> Selection {
        Selection {
            resource: ResourceId::new("configmaps"),
            namespace: None,
            labels: Selector::parse(labels).unwrap(),
            fields: FieldSelector::parse(api::kind(crate::events::ID).unwrap(), fields).unwrap(),
        }
    }

    fn shown(snapshot: &Snapshot) -> String {
        let objects: Vec<String> = snapshot
            .objects
            .iter()
            .map(|object| format!("{}@{}", object.key.name, object.revision))
            .collect();
        format!("{}: {}", snapshot.revision, objects.join(" "))
    }

    #[test]
    fn the_past_is_the_present_with_changes_undone() {
        let view = View::offline();
        view.apply(ChangeKind::Put, stored("a", "x", 1));
        view.apply(ChangeKind::Put, stored("b", "x", 2));
        view.apply(ChangeKind::Put, stored("a", "y", 3));
        view.apply(ChangeKind::Deleted, stored("b", "x", 4));
        view.apply(ChangeKind::Put, stored("c", "x", 5));
        view.apply(ChangeKind::Put, stored("a", "x", 6));
        let all = selection("", "");
        assert_eq!(shown(&all.now(&view)), "6: a@6 c@5");
        assert_eq!(shown(&all.at(&view, Revision(2)).unwrap()), "2: a@1 b@2");
        assert_eq!(shown(&all.at(&view, Revision(4)).unwrap()), "4: a@3");
        assert_eq!(shown(&selection("app=x", "").at(&view, Revision(3)).unwrap()), "3: b@2");
        assert_eq!(shown(&selection("", "metadata.name=a").at(&view, Revision(5)).unwrap()), "5: a@3");
    }

    #[test]
    fn a_name_in_the_path_selects_one_object() {
        let path = ObjectPath {
            api: crate::path::GroupVersion { group: String::new(), version: "v1".to_owned() },
            namespace: Some("default".to_owned()),
            plural: "events".to_owned(),
            name: Some("e".to_owned()),
            deeper: false,
            subresource: None,
        };
        let call = Call {
            kind: api::kinds().by_path("", "v1", "events").cloned().unwrap(),
            path,
            query: Query::parse("labelSelector=a"),
            accept: String::new(),
            content_type: String::new(),
            agent: String::new(),
            user: crate::auth::User::admin(),
            cause: api::journal::Cause::default(),
            body: bytes::Bytes::new(),
            upgrade: None,
            warnings: crate::call::Warnings::default(),
        };
        assert_eq!(Selection::of(&call).unwrap().fields.required("metadata.name"), Some("e"));
    }
}
