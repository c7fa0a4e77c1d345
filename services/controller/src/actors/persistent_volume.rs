//! The PersistentVolume actor: says whose a volume is, lets go of claims that went elsewhere, and keeps it while it is bound.

use std::sync::Arc;

use actor::{Decision, ResourceActor, Wake, World, Write};
use api::views::{PersistentVolume, PersistentVolumeClaim, PersistentVolumeStatus};
use api::volumes::{self, BOUND_BY_CONTROLLER, DATA_PROTECTION, PROVISIONED_BY, VOLUME_PROTECTION};
use api::{Object, ObjectKey, Resource, Timestamp};
use bus::{Change, ChangeKind, Reader};
use serde_json::{Map, Value, json};

use super::warning;

/// Keeps PersistentVolumes.
#[derive(Debug)]
pub struct PersistentVolumeActor;

/// What a volume is, and what it shall be.
struct Standing {
    phase: &'static str,
    message: String,
    /// Changes of the spec and the annotations.
    merge: Map<String, Value>,
}

impl ResourceActor for PersistentVolumeActor {
    type Kind = PersistentVolume;
    type Command = Write;

    fn wakes() -> Vec<Wake> {
        vec![Wake::By { resource: Some(PersistentVolumeClaim::ID), keys: claimed }]
    }

    fn decide(me: &Object<PersistentVolume>, world: &World<'_>, now: Timestamp) -> Decision<Self> {
        let Standing { phase, message, mut merge } = Standing::of(me, world);
        if let Some(finalizers) = finalizers(me, phase) {
            let metadata = merge.entry("metadata").or_insert_with(|| json!({}));
            if let Some(metadata) = metadata.as_object_mut() {
                metadata.insert("finalizers".into(), finalizers);
            }
        }
        let mut commands = Vec::new();
        if !merge.is_empty() {
            commands.push(Write::Patch {
                key: me.key.clone(),
                seen: me.revision,
                merge: Value::Object(merge),
                subresource_status: false,
                because: format!("it is {phase}"),
                event: None,
            });
        }
        let reason = match me.spec.persistent_volume_reclaim_policy.as_str() {
            "Recycle" => "VolumeFailedRecycle",
            _ => "VolumeFailedDelete",
        };
        let failed = (phase == "Failed").then(|| warning(reason, message.clone())).flatten();
        commands.extend(failed.map(|event| Write::Tell { key: me.key.clone(), event }));
        let since = match me.status.phase == phase {
            true => me.status.last_phase_transition_time,
            false => Some(now),
        };
        let status = PersistentVolumeStatus {
            phase: phase.into(),
            message,
            reason: String::new(),
            last_phase_transition_time: since,
        };
        Decision { commands, status: (status != me.status).then_some(status), wake_after: None }
    }
}

impl Standing {
    /// Kubernetes' `syncVolume`.
    fn of(me: &Object<PersistentVolume>, world: &World<'_>) -> Self {
        let plain = |phase| Self { phase, message: String::new(), merge: Map::new() };
        let Some(reference) =
            me.spec.claim_ref.as_ref().filter(|reference| !reference.uid.as_str().is_empty())
        else {
            return plain("Available");
        };
        let claim: Option<Arc<Object<PersistentVolumeClaim>>> = world
            .get::<PersistentVolumeClaim>(reference.namespace.as_str(), &reference.name)
            .filter(|claim| claim.metadata.uid == reference.uid);
        match claim.as_deref().map(|claim| claim.spec.volume_name.as_str()) {
            None => Self::released(me),
            // The claim has yet to say that it agrees.
            Some("") => plain(match me.status.phase.as_str() {
                "Available" => "Available",
                "Bound" => "Bound",
                _ => "Pending",
            }),
            Some(name) if *name == *me.key.name => plain("Bound"),
            Some(_) if is_made(me) && me.spec.persistent_volume_reclaim_policy == "Delete" => {
                Self::released(me)
            }
            Some(_) => Self { merge: let_go(me), ..plain("Available") },
        }
    }

    /// Its claim is gone: what becomes of it is for its reclaim policy to say.
    fn released(me: &Object<PersistentVolume>) -> Self {
        let name = &me.key.name;
        let message = match me.spec.persistent_volume_reclaim_policy.as_str() {
            // The node's agent, or another driver, deletes the data.
            "Delete" if volumes::is_local(me) || is_made(me) => String::new(),
            "Delete" => format!(
                "error getting deleter volume plugin for volume {name:?}: no deletable volume plugin matched"
            ),
            "Recycle" => "No recycler plugin found for the volume!".to_owned(),
            _ => String::new(),
        };
        let phase = if message.is_empty() { "Released" } else { "Failed" };
        Self { phase, message, merge: Map::new() }
    }
}

/// A provisioner has made it.
fn is_made(me: &Object<PersistentVolume>) -> bool {
    me.metadata.annotations.contains_key(PROVISIONED_BY)
}

/// Free again; a volume that its maker has kept for a claim is kept for the next one of that name.
fn let_go(me: &Object<PersistentVolume>) -> Map<String, Value> {
    let merge = match me.metadata.annotations.contains_key(BOUND_BY_CONTROLLER) {
        true => json!({
            "metadata": {"annotations": {BOUND_BY_CONTROLLER: null}}, "spec": {"claimRef": null},
        }),
        false => json!({"spec": {"claimRef": {"uid": null, "resourceVersion": null}}}),
    };
    merge.as_object().cloned().unwrap_or_default()
}

/// The finalizers that it shall have, if it has others.
fn finalizers(me: &Object<PersistentVolume>, phase: &str) -> Option<Value> {
    let terminating = me.metadata.is_terminating();
    let has = |name: &str| me.metadata.finalizers.iter().any(|finalizer| **finalizer == *name);
    let deletes = volumes::is_local(me) && me.spec.persistent_volume_reclaim_policy == "Delete";
    let bound = phase == "Bound";
    let wanted = [
        (VOLUME_PROTECTION, if terminating { has(VOLUME_PROTECTION) && bound } else { true }),
        // Data of a volume that never lost a claim stay with whoever deletes it.
        (
            DATA_PROTECTION,
            match volumes::is_local(me) {
                true => {
                    deletes
                        && (has(DATA_PROTECTION) || !terminating)
                        && !(terminating && phase == "Available")
                }
                false => has(DATA_PROTECTION),
            },
        ),
    ];
    let others = me.metadata.finalizers.iter().map(|finalizer| &**finalizer);
    let others = others.filter(|name| wanted.iter().all(|(own, _)| own != name));
    let shall: Vec<&str> =
        wanted.iter().filter(|(_, wanted)| *wanted).map(|(name, _)| *name).chain(others).collect();
    let same = shall.len() == me.metadata.finalizers.len() && shall.iter().all(|name| has(name));
    (!same).then(|| json!(shall))
}

/// Volumes that a claim names, named before, or was given.
fn claimed(change: &Change, reader: &Reader<'_>) -> Vec<ObjectKey> {
    let claim = change.object.object::<PersistentVolumeClaim>();
    let before = change.previous.as_ref().map(|previous| previous.object::<PersistentVolumeClaim>());
    let names = [Some(&claim), before.as_ref()].into_iter().flatten().map(|claim| &claim.spec.volume_name);
    let mut keys: Vec<ObjectKey> = names
        .filter(|name| !name.is_empty())
        .map(|name| ObjectKey::cluster(PersistentVolume::ID, name))
        .collect();
    keys.dedup();
    if change.kind == ChangeKind::Deleted && keys.is_empty() {
        let own = |stored: &&Arc<bus::Stored>| {
            let volume = stored.object::<PersistentVolume>();
            volume.spec.claim_ref.as_ref().is_some_and(|owner| owner.uid == claim.metadata.uid)
        };
        keys.extend(reader.list(PersistentVolume::ID, None).filter(own).map(|volume| volume.key.clone()));
    }
    keys
}

#[cfg(test)]
mod tests;
