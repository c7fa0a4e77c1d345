//! The PersistentVolumeClaim actor: binds a claim to a volume that is there, or has one made, and keeps it while pods use it.

mod binding;
mod provision;

use actor::{Decision, ResourceActor, Wake, World, Write};
use api::views::{PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimStatus, Pod, StorageClass};
use api::volumes::{self, CLAIM_PROTECTION};
use api::{Object, ObjectKey, Resource, Timestamp, admission};
use bus::{Change, ChangeKind, Reader};
use serde_json::json;

use self::binding::Binding;

/// Keeps PersistentVolumeClaims.
#[derive(Debug)]
pub struct PersistentVolumeClaimActor;

impl ResourceActor for PersistentVolumeClaimActor {
    type Kind = PersistentVolumeClaim;
    type Command = Write;

    fn wakes() -> Vec<Wake> {
        vec![
            Wake::By { resource: Some(PersistentVolume::ID), keys: served },
            Wake::By { resource: Some(StorageClass::ID), keys: of_class },
            Wake::By { resource: Some(Pod::ID), keys: let_go },
        ]
    }

    fn decide(me: &Object<PersistentVolumeClaim>, world: &World<'_>, _now: Timestamp) -> Decision<Self> {
        if me.metadata.is_terminating() {
            return Decision { commands: release(me, world).into_iter().collect(), ..Decision::nothing() };
        }
        let Binding { phase, volume, commands } = Binding::of(me, world);
        let mut status = PersistentVolumeClaimStatus { phase: phase.into(), ..me.status.clone() };
        if let Some(volume) = volume {
            status.access_modes.clone_from(&volume.spec.access_modes);
            status.capacity.clone_from(&volume.spec.capacity);
        }
        Decision { commands, status: (status != me.status).then_some(status), wake_after: None }
    }
}

/// Lets a deleted claim go when no pod uses it any more (Kubernetes' `pvc_protection_controller`).
fn release(me: &Object<PersistentVolumeClaim>, world: &World<'_>) -> Option<Write> {
    let held = me.metadata.finalizers.iter().any(|finalizer| **finalizer == *CLAIM_PROTECTION);
    if !held || world.list::<Pod>(Some(me.key.namespace())).any(|pod| uses(&pod, me)) {
        return None;
    }
    let others: Vec<_> =
        me.metadata.finalizers.iter().filter(|finalizer| ***finalizer != *CLAIM_PROTECTION).collect();
    Some(Write::Patch {
        key: me.key.clone(),
        seen: me.revision,
        merge: json!({"metadata": {"finalizers": others}}),
        subresource_status: false,
        because: "it was deleted and no pod uses it".into(),
        event: None,
    })
}

/// A pod that has no node does not get one while the claim is being deleted, and one that has ended needs nothing.
fn uses(pod: &Object<Pod>, claim: &Object<PersistentVolumeClaim>) -> bool {
    let names_it = |(name, own): (std::sync::Arc<str>, bool)| {
        *name == *claim.key.name && (!own || volumes::is_owned(claim, &pod.metadata.uid))
    };
    pod.spec.node_name.is_some() && !pod.has_ended() && volumes::claims_of(pod).any(names_it)
}

/// Claims that a volume's change concerns: its own; and if it is free, those that still wait for one.
fn served(change: &Change, reader: &Reader<'_>) -> Vec<ObjectKey> {
    let volume = change.object.object::<PersistentVolume>();
    let before = change.previous.as_ref().map(|previous| previous.object::<PersistentVolume>());
    let owner = |volume: &Object<PersistentVolume>| {
        let claim = volume.spec.claim_ref.as_ref()?;
        Some(ObjectKey::namespaced(PersistentVolumeClaim::ID, &claim.namespace, &claim.name))
    };
    let mut keys: Vec<ObjectKey> = owner(&volume).into_iter().collect();
    keys.extend(before.as_deref().and_then(owner).filter(|key| !keys.contains(key)));
    let named = |claim: &Object<PersistentVolumeClaim>| claim.spec.volume_name == *volume.key.name;
    let free = change.kind == ChangeKind::Put && volume.spec.claim_ref.is_none();
    if free || keys.is_empty() {
        let waiting = reader.list(PersistentVolumeClaim::ID, None).filter(|stored| {
            let claim = stored.object::<PersistentVolumeClaim>();
            named(&claim)
                || free
                    && claim.status.phase == "Pending"
                    && claim.spec.class() == volume.spec.storage_class_name
        });
        keys.extend(waiting.map(|claim| claim.key.clone()));
    }
    keys
}

/// Claims that wait for a class, or for any default one.
fn of_class(change: &Change, reader: &Reader<'_>) -> Vec<ObjectKey> {
    let claims = reader.list(PersistentVolumeClaim::ID, None).filter(|stored| {
        let claim = stored.object::<PersistentVolumeClaim>();
        let class = claim.spec.storage_class_name.as_deref();
        claim.status.phase != "Bound" && class.is_none_or(|class| *class == *change.key().name)
    });
    claims.map(|claim| claim.key.clone()).collect()
}

/// Deleted claims of a pod that is gone or has ended.
fn let_go(change: &Change, reader: &Reader<'_>) -> Vec<ObjectKey> {
    let pod = change.object.object::<Pod>();
    if pod.spec.volumes.is_empty() || change.kind == ChangeKind::Put && !pod.has_ended() {
        return Vec::new();
    }
    let claims = volumes::claims_of(&pod)
        .map(|(name, _)| ObjectKey::namespaced(PersistentVolumeClaim::ID, pod.key.namespace(), &name));
    claims.filter(|key| reader.get(key).is_some_and(|claim| claim.metadata.is_terminating())).collect()
}

/// The newest of the classes for claims that name none.
fn default_class(world: &World<'_>) -> Option<String> {
    let reader: &Reader<'_> = world;
    let marked = reader.list(StorageClass::ID, None).filter(|class| {
        admission::marks_default(class.metadata.annotations.iter().map(|(key, value)| (&**key, &**value)))
    });
    let newest = marked.max_by_key(|class| class.metadata.creation_timestamp)?;
    Some(newest.key.name.to_string())
}

#[cfg(test)]
mod tests;
