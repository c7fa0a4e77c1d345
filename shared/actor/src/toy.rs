//! Actors for this crate's own tests: a replica set that keeps pods, and what can be wrong with one.

use api::views::{Pod, ReplicaSet};
use api::{Object, ObjectKey, Resource, Timestamp};
use serde_json::json;

use crate::{Decision, Propagation, ResourceActor, Wake, World, Write};

/// Keeps `spec.replicas` pods, named by ordinal.
pub(crate) struct Toy;

/// Creates one pod more at every turn.
pub(crate) struct Greedy;

impl ResourceActor for Toy {
    type Kind = ReplicaSet;
    type Command = Write;

    fn wakes() -> Vec<Wake> {
        vec![Wake::Owned(Pod::ID)]
    }

    fn decide(me: &Object<ReplicaSet>, world: &World<'_>, _now: Timestamp) -> Decision<Self> {
        let pods: Vec<_> = world.controlled_by::<Pod>(&me.metadata.uid).collect();
        let alive: Vec<_> =
            pods.iter().filter(|pod| !pod.metadata.is_terminating() && !pod.has_ended()).collect();
        let wanted = usize::try_from(me.spec.replicas).unwrap_or_default();
        let ended = pods.iter().filter(|pod| pod.has_ended() && !pod.metadata.is_terminating());
        let surplus = alive.iter().skip(wanted);
        let deletes = ended
            .map(|pod| delete(pod, "it has ended"))
            .chain(surplus.map(|pod| delete(pod, "there are too many")));
        let is_taken = |name: &str| pods.iter().any(|pod| &*pod.key.name == name);
        let free = (0..).map(|ordinal| format!("{}-{ordinal}", me.key.name)).filter(|name| !is_taken(name));
        let creates = free.take(wanted.saturating_sub(alive.len())).map(|name| create(me, &name));
        let mut status = me.status.clone();
        status.replicas = i32::try_from(alive.len()).unwrap_or_default();
        status.ready_replicas =
            i32::try_from(alive.iter().filter(|pod| pod.is_ready()).count()).unwrap_or_default();
        Decision { commands: deletes.chain(creates).collect(), status: Some(status), wake_after: None }
    }
}

impl ResourceActor for Greedy {
    type Kind = ReplicaSet;
    type Command = Write;

    const NAME: &'static str = "greedy";

    fn wakes() -> Vec<Wake> {
        Vec::new()
    }

    fn decide(me: &Object<ReplicaSet>, world: &World<'_>, _now: Timestamp) -> Decision<Self> {
        let name = format!("{}-{}", me.key.name, world.list::<Pod>(None).count());
        Decision { commands: vec![create(me, &name)], ..Decision::nothing() }
    }
}

fn delete(pod: &Object<Pod>, because: &str) -> Write {
    Write::Delete {
        key: pod.key.clone(),
        uid: pod.metadata.uid.clone(),
        grace: None,
        propagation: Propagation::Background,
        because: because.to_owned(),
        event: None,
    }
}

fn create(me: &Object<ReplicaSet>, name: &str) -> Write {
    let owner = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": &*me.key.name, "uid": me.metadata.uid,
        "controller": true, "blockOwnerDeletion": true,
    });
    let namespace = me.key.namespace();
    let object = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": namespace, "ownerReferences": [owner] },
        "spec": { "containers": [{ "name": "app", "image": "image" }] },
    });
    Write::Create {
        key: ObjectKey::namespaced(Pod::ID, namespace, name),
        object,
        because: "a replica is missing".to_owned(),
        event: Some(api::journal::EventView {
            severity: "Normal".to_owned(),
            reason: "SuccessfulCreate".to_owned(),
            message: format!("Created pod: {name}"),
            regarding: None,
        }),
    }
}
