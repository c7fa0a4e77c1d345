//! One turn of a deployment: what it has, what it plans, and the writes that follow.

use std::collections::BTreeMap;
use std::sync::Arc;

use actor::{Propagation, Write};
use api::views::{Condition, Deployment, ReplicaSet};
use api::{Object, ObjectKey, Resource, Timestamp};
use serde_json::{Value, json};

use super::annotations::{self, REVISION};
use super::limits::Limits;
use crate::actors::normal;
use crate::actors::template::{TEMPLATE_HASH, drop_empty, same_template};

/// A deployment's turn: sets as observed, with what is planned for them.
pub(super) struct Rollout<'a> {
    /// The deployment.
    pub me: &'a Object<Deployment>,
    /// The moment of the turn.
    pub now: Timestamp,
    /// How far it may stray.
    pub limits: Limits,
    /// The set whose pods are of the current template, if there is one.
    pub current: Option<Set>,
    /// All others, the oldest first.
    pub old: Vec<Set>,
    /// The conditions that the turn leads to.
    pub conditions: Vec<Condition>,
    /// How many hash collisions were met.
    pub collisions: Option<i32>,
    /// Writes that are not changes of a set or of the deployment itself.
    pub others: Vec<Write>,
    /// The revision that the deployment itself shall show.
    pub revision: Option<i64>,
}

/// A ReplicaSet and what is planned for it.
pub(super) struct Set {
    /// As observed.
    pub object: Arc<Object<ReplicaSet>>,
    /// The size that is planned; what is observed unless changed.
    pub size: i32,
    annotations: BTreeMap<String, String>,
    min_ready_seconds: Option<i32>,
    because: Option<String>,
}

impl<'a> Rollout<'a> {
    /// Tells the current set from the old ones.
    pub fn observe(
        me: &'a Object<Deployment>,
        mut sets: Vec<Arc<Object<ReplicaSet>>>,
        now: Timestamp,
    ) -> Self {
        sets.sort_by_key(|set| (set.metadata.creation_timestamp, set.key.clone()));
        let is_current = |set: &Arc<Object<ReplicaSet>>| same_template(&set.spec.template, &me.spec.template);
        let current = sets.iter().position(is_current).map(|index| sets.remove(index));
        Self {
            me,
            now,
            limits: Limits::of(me),
            current: current.map(Set::new),
            old: sets.into_iter().map(Set::new).collect(),
            conditions: me.status.conditions.clone(),
            collisions: me.status.collision_count,
            others: Vec::new(),
            revision: None,
        }
    }

    /// The wanted number of pods.
    pub fn wanted(&self) -> i32 {
        self.me.spec.replicas
    }

    /// All sets, the current one last.
    pub fn sets(&self) -> impl Iterator<Item = &Set> {
        self.old.iter().chain(&self.current)
    }

    /// The sum of the planned sizes.
    pub fn planned(&self) -> i32 {
        self.sets().map(|set| set.size).sum()
    }

    /// Gives the current set the annotations and settings of the deployment, and the deployment its revision.
    pub fn sync_current(&mut self) {
        let next = self.next_revision();
        let Some(current) = &mut self.current else { return };
        let changes = annotations::of_current(&self.me.metadata, Some(&current.object.metadata), next);
        let revision = changes.get(REVISION).and_then(|revision| revision.parse().ok());
        self.revision = revision.or_else(|| annotations::number(&current.object.metadata, REVISION));
        current.annotations.extend(changes);
        if current.object.spec.min_ready_seconds != self.me.spec.min_ready_seconds {
            current.min_ready_seconds = Some(self.me.spec.min_ready_seconds);
        }
        self.note_found();
    }

    /// The revision of a template that is newer than all others.
    pub fn next_revision(&self) -> i64 {
        let revisions = self.old.iter().filter_map(|set| annotations::number(&set.object.metadata, REVISION));
        revisions.max().unwrap_or_default().saturating_add(1)
    }

    /// Deletes the oldest sets that have no pods, down to the history limit.
    pub fn clean_up(&mut self) {
        let Some(limit) = self.me.spec.revision_history_limit.filter(|limit| *limit < i32::MAX) else {
            return;
        };
        let mut kept: Vec<&Set> =
            self.old.iter().filter(|set| !set.object.metadata.is_terminating()).collect();
        let surplus = kept.len().saturating_sub(usize::try_from(limit).unwrap_or_default());
        kept.sort_by_key(|set| annotations::number(&set.object.metadata, REVISION).unwrap_or_default());
        let idle = kept.into_iter().take(surplus).filter(|set| set.is_idle());
        self.others.extend(idle.map(|set| Write::Delete {
            key: set.object.key.clone(),
            uid: set.object.metadata.uid.clone(),
            grace: None,
            propagation: Propagation::Background,
            because: format!("more than {limit} old revisions are not kept"),
            event: None,
        }));
    }

    /// The writes of everything that is planned.
    pub fn into_writes(self) -> Vec<Write> {
        let mut writes = self.others;
        writes.extend(self.old.iter().chain(&self.current).filter_map(Set::write));
        let shown = annotations::number(&self.me.metadata, REVISION);
        if let Some(revision) = self.revision.filter(|revision| Some(*revision) != shown) {
            writes.push(Write::Patch {
                key: self.me.key.clone(),
                seen: self.me.revision,
                merge: json!({"metadata": {"annotations": {REVISION: revision.to_string()}}}),
                subresource_status: true,
                because: format!("its template is revision {revision}"),
                event: None,
            });
        }
        writes
    }

    /// Makes the set of the current template, which does not exist yet, at this size.
    pub fn create_current(&mut self, name: &str, hash: &str, size: i32) {
        let revision = self.next_revision();
        self.revision = Some(revision);
        let key = ObjectKey::namespaced(ReplicaSet::ID, self.me.key.namespace(), name);
        self.others.push(Write::Create {
            object: self.current_object(name, hash, size, revision),
            key,
            because: format!("the template of revision {revision} has no replica set yet"),
            event: (size > 0).then(|| scaled("up", name, 0, size)).flatten(),
        });
        self.note_created(name);
    }

    fn current_object(&self, name: &str, hash: &str, size: i32, revision: i64) -> Value {
        let mut template = self.me.spec.template.clone();
        let mut labels = template.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({}));
        set(&mut labels, TEMPLATE_HASH, json!(hash));
        merge_child(&mut template, "metadata", "labels", labels.clone());
        let mut selector = json!(self.me.spec.selector);
        merge_child(&mut selector, "matchLabels", TEMPLATE_HASH, json!(hash));
        drop_empty(&mut selector, "matchExpressions");
        let mut annotations = annotations::of_current(&self.me.metadata, None, revision);
        let scale = annotations::of_scale(self.wanted(), self.limits.surge);
        annotations.extend(scale.map(|(key, value)| (key.to_owned(), value)));
        let owner =
            crate::actors::ownership::controller_reference("apps/v1", "Deployment", &self.me.metadata);
        let mut spec = json!({"replicas": size, "selector": selector, "template": template});
        if self.me.spec.min_ready_seconds > 0 {
            set(&mut spec, "minReadySeconds", json!(self.me.spec.min_ready_seconds));
        }
        json!({
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": name,
                "namespace": self.me.key.namespace(),
                "labels": labels,
                "annotations": annotations,
                "ownerReferences": crate::actors::ownership::references_json(&[owner]),
            },
            "spec": spec,
        })
    }
}

impl Set {
    fn new(object: Arc<Object<ReplicaSet>>) -> Self {
        let size = object.spec.replicas;
        Self { object, size, annotations: BTreeMap::new(), min_ready_seconds: None, because: None }
    }

    /// Available pods that will stay: never more than the planned size, nor than the present one (a status that was written
    /// while surplus pods were being deleted still counts them).
    pub fn available(&self) -> i32 {
        self.object.status.available_replicas.min(self.object.spec.replicas).min(self.size)
    }

    /// Pods that exist or may come to exist at any moment: a set that shrinks has them until its status says otherwise.
    pub fn possible(&self) -> i32 {
        self.size.max(self.object.status.replicas)
    }

    /// Its status is about its present size.
    pub fn is_counted(&self) -> bool {
        self.object.metadata.generation <= self.object.status.observed_generation
    }

    /// No pods, none wanted, and its own actor has seen that.
    fn is_idle(&self) -> bool {
        self.object.spec.replicas == 0
            && self.size == 0
            && self.object.status.replicas == 0
            && self.is_counted()
    }

    /// Plans another size, and notes for which scale it was thought.
    pub fn resize(&mut self, size: i32, wanted: i32, surge: i32, because: &str) {
        if size != self.size {
            self.size = size;
            self.because = Some(because.to_owned());
        }
        for (key, value) in annotations::of_scale(wanted, surge) {
            if self.object.metadata.annotations.get(key).is_none_or(|has| **has != *value) {
                self.annotations.insert(key.to_owned(), value);
            }
        }
    }

    /// One patch for everything that is planned.
    fn write(&self) -> Option<Write> {
        let before = self.object.spec.replicas;
        let mut spec = json!({});
        if self.size != before {
            set(&mut spec, "replicas", json!(self.size));
        }
        if let Some(seconds) = self.min_ready_seconds {
            set(&mut spec, "minReadySeconds", json!(seconds));
        }
        let mut merge = json!({});
        if spec != json!({}) {
            set(&mut merge, "spec", spec);
        }
        if !self.annotations.is_empty() {
            set(&mut merge, "metadata", json!({"annotations": self.annotations}));
        }
        let name = &self.object.key.name;
        let event = match self.size - before {
            0 => None,
            1.. => scaled("up", name, before, self.size),
            _ => scaled("down", name, before, self.size),
        };
        (merge != json!({})).then(|| Write::Patch {
            key: self.object.key.clone(),
            seen: self.object.revision,
            merge,
            subresource_status: false,
            because: self.because.clone().unwrap_or_else(|| "it follows its deployment".into()),
            event,
        })
    }
}

fn scaled(direction: &str, name: &str, from: i32, to: i32) -> Option<api::journal::EventView> {
    normal("ScalingReplicaSet", format!("Scaled {direction} replica set {name} from {from} to {to}"))
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(key.into(), value);
    }
}

fn merge_child(object: &mut Value, child: &str, key: &str, value: Value) {
    if let Some(fields) = api::json::child(object, child) {
        fields.insert(key.into(), value);
    }
}
