//! The Collector: deletes what nobody owns any more, and holds owners back that wait for what they own.

mod owners;
mod stranded;

use std::sync::Arc;

use actor::{AnyActor, Propagation, Thought, Wake, World, Write};
use api::views::Node;
use api::{Metadata, ObjectKey, OwnerReference, Resource, Timestamp};
use bus::{Change, ChangeKind, Reader, Stored};
use serde_json::json;

use self::owners::Owners;
use super::ownership::{others, references_json};

/// An owner with this finalizer waits until its blocking dependents are gone.
const FOREGROUND: &str = "foregroundDeletion";
/// An owner with this finalizer lets its dependents go before it goes.
const ORPHAN: &str = "orphan";

/// Collects objects of all kinds.
#[derive(Debug)]
pub struct Collector;

impl AnyActor for Collector {
    const NAME: &'static str = "collector";

    fn concerns(object: &Stored) -> bool {
        object.metadata.is_terminating()
            || !object.metadata.owner_references.is_empty()
            || stranded::is_bound(object)
    }

    fn stirs(change: &Change) -> bool {
        let Some(previous) = &change.previous else { return true };
        let (now, before) = (&change.object.metadata, &previous.metadata);
        now.is_terminating() != before.is_terminating()
            || now.deletion_grace_period_seconds != before.deletion_grace_period_seconds
            || now.owner_references != before.owner_references
            || now.finalizers != before.finalizers
            || stranded::is_bound(&change.object) != stranded::is_bound(previous)
    }

    fn is_due(me: &Arc<Stored>, reader: &Reader<'_>, now: Timestamp) -> bool {
        me.metadata.is_terminating()
            || keep_or_collect(me, reader).is_some()
            || stranded::judge(me, reader, now) != (None, None)
    }

    fn wakes() -> Vec<Wake> {
        vec![
            Wake::By { resource: None, keys: left_behind },
            Wake::By { resource: None, keys: waiting_owners },
            Wake::By { resource: Some(Node::ID), keys: stranded::of_node },
        ]
    }

    fn decide(me: &Arc<Stored>, world: &World<'_>, now: Timestamp) -> Thought {
        let reader: &Reader<'_> = world;
        let (stranded, wake_after) = stranded::judge(me, reader, now);
        let commands = match (stranded, me.metadata.is_terminating()) {
            (Some(write), _) => vec![write],
            (None, true) => end(me, reader),
            (None, false) => keep_or_collect(me, reader).into_iter().collect(),
        };
        Thought { commands, status: None, wake_after }
    }
}

/// The dependents of an object that is gone, or that has begun to wait for them.
fn left_behind(change: &Change, reader: &Reader<'_>) -> Vec<ObjectKey> {
    let metadata = &change.object.metadata;
    let waited_before =
        change.previous.as_ref().is_some_and(|previous| waits_for_dependents(&previous.metadata));
    if change.kind == ChangeKind::Deleted || waits_for_dependents(metadata) && !waited_before {
        return reader.owned_by(&metadata.uid).map(|dependent| dependent.key.clone()).collect();
    }
    Vec::new()
}

/// Owners that wait for an object which has changed, gone, or changed hands.
fn waiting_owners(change: &Change, reader: &Reader<'_>) -> Vec<ObjectKey> {
    let states = std::iter::once(&change.object).chain(&change.previous);
    let owners = states
        .flat_map(|stored| &stored.metadata.owner_references)
        .filter_map(|owner| reader.by_uid(&owner.uid));
    let waiting = owners.filter(|owner| holds(&owner.metadata, FOREGROUND) || holds(&owner.metadata, ORPHAN));
    let mut keys: Vec<ObjectKey> = waiting.map(|owner| owner.key.clone()).collect();
    keys.sort();
    keys.dedup();
    keys
}

/// It is being deleted, and this finalizer is among those that hold it.
fn holds(metadata: &Metadata, finalizer: &str) -> bool {
    metadata.is_terminating() && metadata.finalizers.iter().any(|name| **name == *finalizer)
}

fn waits_for_dependents(metadata: &Metadata) -> bool {
    holds(metadata, FOREGROUND)
}

/// Brings a deletion to its end, as far as that is the collector's part.
fn end(me: &Stored, reader: &Reader<'_>) -> Vec<Write> {
    let uid = &me.metadata.uid;
    if holds(&me.metadata, ORPHAN) {
        let dependents: Vec<Write> = reader.owned_by(uid).map(|dependent| let_go(dependent, me)).collect();
        return match dependents.is_empty() {
            true => vec![drop_finalizer(me, ORPHAN, "nothing refers to it any more")],
            false => dependents,
        };
    }
    if waits_for_dependents(&me.metadata) {
        let blocks = |dependent: &&Arc<Stored>| {
            dependent
                .metadata
                .owner_references
                .iter()
                .any(|owner| owner.uid == *uid && owner.block_owner_deletion)
        };
        return match reader.owned_by(uid).any(|dependent| blocks(&dependent)) {
            true => Vec::new(),
            false => vec![drop_finalizer(me, FOREGROUND, "everything that it waited for is gone")],
        };
    }
    // A namespace has finalizers of its own kind; a pod's grace period is its agent's business.
    let is_held = !me.metadata.finalizers.is_empty()
        || me.metadata.deletion_grace_period_seconds.unwrap_or_default() > 0
        || me.key.resource.as_str() == "namespaces";
    let finish = || Write::Finish {
        key: me.key.clone(),
        uid: uid.clone(),
        because: "it was deleted and nothing holds it".into(),
    };
    (!is_held).then(finish).into_iter().collect()
}

/// An object stays while one of its owners does.
fn keep_or_collect(me: &Arc<Stored>, reader: &Reader<'_>) -> Option<Write> {
    if me.metadata.owner_references.is_empty() {
        return None;
    }
    let owners = Owners::of(me, reader);
    if owners.solid.is_empty() {
        if let Some(unblocked) = break_circle(me, reader, &owners) {
            return Some(unblocked);
        }
        let has_dependents = || reader.owned_by(&me.metadata.uid).next().is_some();
        let propagation = match owners.waiting.is_empty() || !has_dependents() {
            true => own_policy(&me.metadata),
            false => Propagation::Foreground,
        };
        return Some(Write::Delete {
            key: me.key.clone(),
            uid: me.metadata.uid.clone(),
            grace: None,
            propagation,
            because: owners.because(),
            event: None,
        });
    }
    (owners.solid.len() < me.metadata.owner_references.len()).then(|| Write::Patch {
        key: me.key.clone(),
        seen: me.revision,
        merge: json!({"metadata": {"ownerReferences": references_json(&owners.solid)}}),
        subresource_status: false,
        because: format!("it stays for another owner: {}", owners.because()),
        event: None,
    })
}

/// An owner that waits for an object must not wait for ever when that object would wait for its own dependents, one of which waits
/// already: it may be the owner. As in Kubernetes, the object stops to block its owners then.
fn break_circle(me: &Stored, reader: &Reader<'_>, owners: &Owners) -> Option<Write> {
    let references = &me.metadata.owner_references;
    let blocks = !owners.waiting.is_empty() && references.iter().any(|owner| owner.block_owner_deletion);
    let waits =
        || reader.owned_by(&me.metadata.uid).any(|dependent| waits_for_dependents(&dependent.metadata));
    if !blocks || !waits() {
        return None;
    }
    let freed: Vec<OwnerReference> = references
        .iter()
        .map(|owner| OwnerReference { block_owner_deletion: false, ..owner.clone() })
        .collect();
    Some(Write::Patch {
        key: me.key.clone(),
        seen: me.revision,
        merge: json!({"metadata": {"ownerReferences": references_json(&freed)}}),
        subresource_status: false,
        because: "its owner waits for it, and one of its dependents waits as well".into(),
        event: None,
    })
}

/// What the object's own finalizers say about its dependents.
fn own_policy(metadata: &Metadata) -> Propagation {
    let has = |finalizer: &str| metadata.finalizers.iter().any(|name| **name == *finalizer);
    match (has(ORPHAN), has(FOREGROUND)) {
        (true, _) => Propagation::Orphan,
        (false, true) => Propagation::Foreground,
        (false, false) => Propagation::Background,
    }
}

fn let_go(dependent: &Stored, owner: &Stored) -> Write {
    Write::Patch {
        key: dependent.key.clone(),
        seen: dependent.revision,
        merge: json!({"metadata": {"ownerReferences": references_json(&others(&dependent.metadata, &owner.metadata.uid))}}),
        subresource_status: false,
        because: format!("its owner {} goes without it", owner.key),
        event: None,
    }
}

fn drop_finalizer(me: &Stored, finalizer: &str, because: &str) -> Write {
    let kept: Vec<_> = me.metadata.finalizers.iter().filter(|name| ***name != *finalizer).collect();
    Write::Patch {
        key: me.key.clone(),
        seen: me.revision,
        merge: json!({"metadata": {"finalizers": kept}}),
        subresource_status: false,
        because: because.into(),
        event: None,
    }
}

#[cfg(test)]
mod tests;
