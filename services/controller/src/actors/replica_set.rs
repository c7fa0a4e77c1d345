//! The ReplicaSet actor: keeps as many pods of one template as wanted, and counts them.

mod crew;
mod surplus;

use std::time::Duration;

use actor::{Decision, ResourceActor, Wake, World, Write};
use api::views::{Pod, ReplicaSet, ReplicaSetStatus};
use api::{Object, ObjectKey, Resource, Timestamp};
use bus::{Change, Reader};
use serde_json::{Map, Value, json};

use self::crew::Crew;
use super::names::free_names;
use super::ownership::{Owner, namespace_ends, references_json};
use super::{normal, sooner};

/// Ended pods are kept as evidence, so many per ReplicaSet.
const ENDED_KEPT: usize = 5;
/// A pod that ended at once is replaced only when it is this old: a template that cannot run does not spin.
const HOLD_BACK: Duration = Duration::from_secs(5);

/// Keeps the pods of ReplicaSets.
#[derive(Debug)]
pub struct ReplicaSetActor;

impl ResourceActor for ReplicaSetActor {
    type Kind = ReplicaSet;
    type Command = Write;

    fn wakes() -> Vec<Wake> {
        vec![Wake::Owned(Pod::ID), Wake::By { resource: Some(Pod::ID), keys: would_adopt }]
    }

    fn decide(me: &Object<ReplicaSet>, world: &World<'_>, now: Timestamp) -> Decision<Self> {
        let owner = owner(me);
        let crew = Crew::observe(&owner, me, world);
        let mut commands = crew.claims(&owner);
        let mut wake_after = None;
        if !me.metadata.is_terminating() {
            wake_after = balance(me, &crew, world, now, &mut commands);
        }
        let (status, next_available) = crew.status(me, now);
        Decision {
            commands,
            status: (status != me.status).then_some(status),
            wake_after: sooner(wake_after, next_available),
        }
    }
}

fn owner(me: &Object<ReplicaSet>) -> Owner<'_> {
    Owner { api_version: "apps/v1", kind: "ReplicaSet", metadata: &me.metadata, selector: &me.spec.selector }
}

/// ReplicaSets that would adopt a pod which nobody manages.
fn would_adopt(change: &Change, reader: &Reader<'_>) -> Vec<ObjectKey> {
    let pod = &change.object.metadata;
    if pod.controller().is_some() || pod.is_terminating() {
        return Vec::new();
    }
    let sets = reader.list(ReplicaSet::ID, Some(&pod.namespace));
    sets.filter(|set| set.object::<ReplicaSet>().spec.selector.matches(&pod.labels))
        .map(|set| set.key.clone())
        .collect()
}

/// Makes what is missing, all at once, or deletes what is too much; tells when to look again.
fn balance(
    me: &Object<ReplicaSet>,
    crew: &Crew,
    world: &World<'_>,
    now: Timestamp,
    commands: &mut Vec<Write>,
) -> Option<Duration> {
    let wanted = usize::try_from(me.spec.replicas).unwrap_or_default();
    commands.extend(crew.ended.iter().skip(ENDED_KEPT).map(|pod| delete(pod, "it has ended long ago")));
    match wanted.checked_sub(crew.active.len()) {
        None => {
            let surplus = crew.active.len() - wanted;
            let because = format!("{} pods are too many, {wanted} are wanted", crew.active.len());
            let chosen = surplus::choose(crew, me, world, surplus);
            commands.extend(chosen.into_iter().map(|pod| delete(pod, &because)));
            None
        }
        Some(0) => None,
        Some(_) if namespace_ends(world, me.key.namespace()) => None,
        Some(missing) => {
            let (held_back, next) = crew.held_back(now);
            let missing = missing.saturating_sub(held_back);
            let because = format!("{} of {wanted} pods exist", crew.active.len());
            commands.extend(create(me, world, missing, &because));
            next
        }
    }
}

fn create(me: &Object<ReplicaSet>, world: &World<'_>, count: usize, because: &str) -> Vec<Write> {
    let reader: &Reader<'_> = world;
    let key = |name: &str| ObjectKey::namespaced(Pod::ID, me.key.namespace(), name);
    let names = free_names(&format!("{}-", me.key.name), &me.metadata.uid, count, |name| {
        reader.get(&key(name)).is_some()
    });
    let writes = names.into_iter().map(|name| Write::Create {
        key: key(&name),
        object: pod(me, &name),
        because: because.to_owned(),
        event: normal("SuccessfulCreate", format!("Created pod: {name}")),
    });
    writes.collect()
}

/// The pod as the template wants it, owned by the ReplicaSet.
fn pod(me: &Object<ReplicaSet>, name: &str) -> Value {
    let mut metadata = Map::new();
    for field in ["labels", "annotations", "finalizers"] {
        if let Some(value) =
            me.spec.template.pointer("/metadata").and_then(|of| of.get(field)).filter(|of| !of.is_null())
        {
            metadata.insert(field.into(), value.clone());
        }
    }
    metadata.insert("generateName".into(), json!(format!("{}-", me.key.name)));
    metadata.insert("name".into(), json!(name));
    metadata.insert("namespace".into(), json!(me.key.namespace()));
    metadata.insert("ownerReferences".into(), references_json(&[owner(me).reference()]));
    let spec = me.spec.template.get("spec").cloned().unwrap_or_default();
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
}

fn delete(pod: &Object<Pod>, because: &str) -> Write {
    Write::Delete {
        key: pod.key.clone(),
        uid: pod.metadata.uid.clone(),
        grace: None,
        propagation: actor::Propagation::Background,
        because: because.to_owned(),
        event: normal("SuccessfulDelete", format!("Deleted pod: {}", pod.key.name)),
    }
}

/// The status of a ReplicaSet that has these counts.
fn status_with(me: &Object<ReplicaSet>, counts: [usize; 4]) -> ReplicaSetStatus {
    let [replicas, fully_labeled, ready, available] =
        counts.map(|count| i32::try_from(count).unwrap_or(i32::MAX));
    ReplicaSetStatus {
        observed_generation: me.metadata.generation,
        replicas,
        fully_labeled_replicas: fully_labeled,
        ready_replicas: ready,
        available_replicas: available,
        conditions: me.status.conditions.clone(),
    }
}

#[cfg(test)]
mod tests;
