//! Revisions of a template, kept as ControllerRevisions: `kubectl rollout` reads, compares and restores them.

use std::collections::BTreeSet;
use std::sync::Arc;

use actor::{Propagation, World, Write};
use api::names_for::template_hash;
use api::views::ControllerRevision;
use api::{Object, ObjectKey, Resource};
use serde_json::{Map, Value, json};

use super::ownership::{Owner, references_json};
use super::template::same_template;

/// On pods and revisions: which revision a pod is of.
pub(super) const REVISION_HASH: &str = "controller-revision-hash";
/// On revisions: the hash that ends their names.
const HASH: &str = "controller.kubernetes.io/hash";

/// The revisions of one owner, the one of its present template among them even if it is about to be made.
pub(super) struct History {
    /// As stored, by number.
    stored: Vec<Arc<Object<ControllerRevision>>>,
    /// The present template's.
    pub current: Revision,
    /// Makes or renumbers the present template's.
    writes: Vec<Write>,
}

/// One revision.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Revision {
    /// `<owner>-<hash>`.
    pub name: String,
    /// What pods of it are labelled with by kinds that use the hash alone.
    pub hash: String,
    /// The template.
    pub template: Value,
}

impl History {
    /// Finds the revision of `template`, or plans it.
    pub fn observe(owner: &Owner<'_>, template: &Value, world: &World<'_>) -> Self {
        let mut stored: Vec<_> = world.controlled_by::<ControllerRevision>(&owner.metadata.uid).collect();
        stored.sort_by(|one, other| {
            (one.revision_number(), &one.key).cmp(&(other.revision_number(), &other.key))
        });
        let latest = stored.last().map_or(0, |revision| revision.revision_number());
        let mut found = stored.iter().rev().filter(|known| same_template(&template_of(known), template));
        match found.next() {
            Some(known) => {
                let back = known.revision_number() < latest;
                let writes = back.then(|| renumber(known, latest.saturating_add(1))).into_iter().collect();
                let current = Revision::of(known);
                Self { stored, current, writes }
            }
            None => {
                let current = Revision::new(owner, template, world);
                let writes = vec![current.create(owner, latest.saturating_add(1))];
                Self { stored, current, writes }
            }
        }
    }

    /// A revision by name.
    pub fn find(&self, name: &str) -> Option<Revision> {
        let known = self.stored.iter().find(|known| *known.key.name == *name);
        known
            .map(|known| Revision::of(known))
            .or_else(|| (self.current.name == name).then(|| self.current.clone()))
    }

    /// What makes the present template's revision the latest, and deletes the oldest beyond `limit` of those that are not `live`.
    pub fn into_writes(self, limit: Option<i32>, live: &BTreeSet<String>) -> Vec<Write> {
        let mut writes = self.writes;
        let idle = self.stored.iter().filter(|known| {
            let Revision { name, hash, .. } = Revision::of(known);
            name != self.current.name && !live.contains(&name) && !live.contains(&hash)
        });
        let idle: Vec<_> = idle.filter(|known| !known.metadata.is_terminating()).collect();
        let kept = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let surplus = idle.len().saturating_sub(kept);
        writes.extend(idle.into_iter().take(surplus).map(|known| Write::Delete {
            key: known.key.clone(),
            uid: known.metadata.uid.clone(),
            grace: None,
            propagation: Propagation::Background,
            because: "the history is longer than its limit".into(),
            event: None,
        }));
        writes
    }
}

impl Revision {
    fn of(stored: &Object<ControllerRevision>) -> Self {
        let hash = stored.metadata.labels.get(HASH).or_else(|| stored.metadata.labels.get(REVISION_HASH));
        let from_name = || stored.key.name.rsplit('-').next().unwrap_or_default().to_owned();
        Self {
            name: stored.key.name.to_string(),
            hash: hash.map_or_else(from_name, ToString::to_string),
            template: template_of(stored),
        }
    }

    /// The first name that no other template's revision has.
    fn new(owner: &Owner<'_>, template: &Value, world: &World<'_>) -> Self {
        let named = |collisions: i64| {
            let hash = template_hash(template, collisions);
            Self { name: format!("{}-{hash}", owner.metadata.name), hash, template: template.clone() }
        };
        let is_free = |candidate: &Self| world.stored(&key(owner, &candidate.name)).is_none();
        (0..).map(named).find(is_free).unwrap_or_else(|| named(0))
    }

    fn create(&self, owner: &Owner<'_>, number: i64) -> Write {
        let mut template = self.template.clone();
        if let Some(template) = template.as_object_mut() {
            template.insert("$patch".into(), json!("replace"));
        }
        let mut labels: Map<String, Value> =
            self.template.pointer("/metadata/labels").and_then(Value::as_object).cloned().unwrap_or_default();
        for label in [HASH, REVISION_HASH] {
            labels.insert(label.into(), json!(self.hash));
        }
        Write::Create {
            key: key(owner, &self.name),
            object: json!({
                "apiVersion": "apps/v1",
                "kind": "ControllerRevision",
                "metadata": {
                    "name": self.name,
                    "namespace": owner.metadata.namespace,
                    "labels": labels,
                    "annotations": owner.metadata.annotations,
                    "ownerReferences": references_json(&[owner.reference()]),
                },
                "data": {"spec": {"template": template}},
                "revision": number,
            }),
            because: format!("the template has no revision yet; this is number {number}"),
            event: None,
        }
    }
}

fn key(owner: &Owner<'_>, name: &str) -> ObjectKey {
    ObjectKey::namespaced(ControllerRevision::ID, &owner.metadata.namespace, name)
}

fn template_of(stored: &ControllerRevision) -> Value {
    let mut template = stored.data.pointer("/spec/template").cloned().unwrap_or_default();
    if let Some(template) = template.as_object_mut() {
        template.remove("$patch");
    }
    template
}

fn renumber(known: &Object<ControllerRevision>, number: i64) -> Write {
    Write::Patch {
        key: known.key.clone(),
        seen: known.revision,
        merge: json!({"revision": number}),
        subresource_status: false,
        because: format!("its template is back, as number {number}"),
        event: None,
    }
}
