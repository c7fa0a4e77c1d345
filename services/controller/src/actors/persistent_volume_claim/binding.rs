//! What a claim is bound to, and what is to be written until both sides say so.
//!
//! The volume's `claimRef` decides: it is written first, compare-and-set, and only who finds itself there writes its own side. So two
//! claims never share a volume, however many controllers act.

use std::sync::Arc;

use actor::{World, Write};
use api::Object;
use api::journal::EventView;
use api::views::{Node, PersistentVolume, PersistentVolumeClaim, StorageClass};
use api::volumes::{
    self, BIND_COMPLETED, BOUND_BY_CONTROLLER, CLAIM_PROTECTION, LOCAL_DRIVER, SELECTED_NODE,
};
use serde_json::{Value, json};

use super::super::{normal, warning};
use super::provision::{self, Place};

/// What became of a claim.
pub(super) struct Binding {
    /// `Pending`, `Bound` or `Lost`.
    pub phase: &'static str,
    /// What it is bound to.
    pub volume: Option<Arc<Object<PersistentVolume>>>,
    /// What is to be written.
    pub commands: Vec<Write>,
}

impl Binding {
    /// Kubernetes' `syncClaim`.
    pub fn of(me: &Object<PersistentVolumeClaim>, world: &World<'_>) -> Self {
        if let Some(guard) = guard(me) {
            return Self { phase: phase(me), volume: None, commands: vec![guard] };
        }
        match (me.metadata.annotations.contains_key(BIND_COMPLETED), me.spec.volume_name.as_str()) {
            (true, "") => Self::lost(
                me,
                "ClaimLost",
                "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!",
            ),
            (true, name) => match world.get::<PersistentVolume>(None, name) {
                Some(volume) => Self::kept(me, volume),
                None => Self::lost(
                    me,
                    "ClaimLost",
                    "Bound claim has lost its PersistentVolume. Data on the volume is lost!",
                ),
            },
            (false, "") => Self::wished(me, world),
            (false, name) => match world.get::<PersistentVolume>(None, name) {
                Some(volume) => Self::named(me, volume),
                None => Self::pending(Vec::new()),
            },
        }
    }

    fn pending(commands: Vec<Write>) -> Self {
        Self { phase: "Pending", volume: None, commands }
    }

    fn lost(me: &Object<PersistentVolumeClaim>, reason: &str, message: &str) -> Self {
        Self { phase: "Lost", volume: None, commands: tell(me, warning(reason, message.into())) }
    }

    /// The claim was bound before.
    fn kept(me: &Object<PersistentVolumeClaim>, volume: Arc<Object<PersistentVolume>>) -> Self {
        match &volume.spec.claim_ref {
            None => Self { phase: phase(me), commands: vec![take(me, &volume)], volume: None },
            Some(owner) if owner.uid == me.metadata.uid => {
                let commands = provision::grow(me, &volume).into_iter().collect();
                Self { phase: "Bound", volume: Some(volume), commands }
            }
            Some(_) => Self::lost(
                me,
                "ClaimMisbound",
                "Two claims are bound to the same volume, this one is bound incorrectly",
            ),
        }
    }

    /// The claim names the volume that it wants.
    fn named(me: &Object<PersistentVolumeClaim>, volume: Arc<Object<PersistentVolume>>) -> Self {
        if volumes::is_kept_for(&volume, me) {
            return Self::joined(me, volume);
        }
        let name = &volume.key.name;
        match (&volume.spec.claim_ref, volumes::mismatch(&volume, me)) {
            (Some(_), _) => Self::pending(tell(
                me,
                warning("FailedBinding", format!("volume {name:?} already bound to a different claim.")),
            )),
            (None, Some(why)) => Self::pending(tell(
                me,
                warning("VolumeMismatch", format!("Cannot bind to requested volume {name:?}: {why}")),
            )),
            (None, None) => Self::pending(vec![take(me, &volume)]),
        }
    }

    /// The claim takes what there is.
    fn wished(me: &Object<PersistentVolumeClaim>, world: &World<'_>) -> Self {
        if me.spec.storage_class_name.is_none()
            && let Some(class) = super::default_class(world)
        {
            let merge = json!({"spec": {"storageClassName": class}});
            return Self::pending(vec![patch(me, merge, "there is a default class now", None)]);
        }
        let class = world.get::<StorageClass>(None, me.spec.class()).filter(|_| !me.spec.class().is_empty());
        let selected = me.metadata.annotations.get(SELECTED_NODE);
        let waits = class.as_deref().is_some_and(|class| volumes::waits(class)) && selected.is_none();
        let node = selected.and_then(|name| world.get::<Node>(None, name));
        let reaches = |volume: &PersistentVolume| {
            !waits
                && node
                    .as_ref()
                    .is_none_or(|node| volumes::reaches(volume, &node.key.name, &node.metadata.labels))
        };
        if let Some(volume) = volumes::best(world.list::<PersistentVolume>(None), me, reaches) {
            return Self::joined(me, volume);
        }
        let Some(class) = class.as_deref() else { return Self::classless(me) };
        if waits {
            let message = "waiting for first consumer to be created before binding";
            return Self::pending(tell(me, normal("WaitForFirstConsumer", message.into())));
        }
        Self::pending(match (class.provisioner.as_str(), selected, node) {
            (volumes::NO_PROVISIONER, ..) => {
                let message = format!("no volume plugin matched name: {}", class.provisioner);
                tell(me, warning("ProvisioningFailed", message))
            }
            (_, Some(gone), None) => provision::choose_again(me, gone),
            (LOCAL_DRIVER, _, node) => match provision::place(me, class, node, world) {
                Place::On(node) => provision::local(me, class, &node),
                Place::Nowhere(why) => tell(
                    me,
                    warning(
                        "ProvisioningFailed",
                        format!("failed to provision volume with StorageClass {:?}: {why}", class.key.name),
                    ),
                ),
            },
            (other, ..) => provision::ask(me, other),
        })
    }

    /// No volume serves, and no class makes one.
    fn classless(me: &Object<PersistentVolumeClaim>) -> Self {
        let event = match me.spec.class() {
            "" => normal(
                "FailedBinding",
                "no persistent volumes available for this claim and no storage class is set".into(),
            ),
            class => {
                warning("ProvisioningFailed", format!("storageclass.storage.k8s.io {class:?} not found"))
            }
        };
        Self::pending(tell(me, event))
    }

    /// The volume is the claim's, or kept for it: first the volume says so, then the claim.
    fn joined(me: &Object<PersistentVolumeClaim>, volume: Arc<Object<PersistentVolume>>) -> Self {
        if volume.spec.claim_ref.as_ref().is_none_or(|owner| owner.uid != me.metadata.uid) {
            return Self::pending(vec![take(me, &volume)]);
        }
        let mut annotations = json!({BIND_COMPLETED: "yes"});
        if me.spec.volume_name.is_empty()
            && let Some(annotations) = annotations.as_object_mut()
        {
            annotations.insert(BOUND_BY_CONTROLLER.into(), json!("yes"));
        }
        let merge =
            json!({"metadata": {"annotations": annotations}, "spec": {"volumeName": volume.key.name}});
        let commands = vec![patch(me, merge, "the volume is its own", None)];
        Self { phase: "Bound", volume: Some(volume), commands }
    }
}

fn phase(me: &PersistentVolumeClaim) -> &'static str {
    match me.status.phase.as_str() {
        "Bound" => "Bound",
        "Lost" => "Lost",
        _ => "Pending",
    }
}

/// Whoever made the claim may have left its protection out.
fn guard(me: &Object<PersistentVolumeClaim>) -> Option<Write> {
    let held = &me.metadata.finalizers;
    if held.iter().any(|finalizer| **finalizer == *CLAIM_PROTECTION) {
        return None;
    }
    let finalizers: Vec<&str> = held.iter().map(|name| &**name).chain([CLAIM_PROTECTION]).collect();
    Some(patch(me, json!({"metadata": {"finalizers": finalizers}}), "a pod may come to use it", None))
}

/// Makes the volume the claim's.
fn take(me: &Object<PersistentVolumeClaim>, volume: &Object<PersistentVolume>) -> Write {
    let mut merge = json!({"spec": {"claimRef": reference(me)}});
    if volume.spec.claim_ref.is_none()
        && let Some(merge) = merge.as_object_mut()
    {
        merge.insert("metadata".into(), json!({"annotations": {BOUND_BY_CONTROLLER: "yes"}}));
    }
    Write::Patch {
        key: volume.key.clone(),
        seen: volume.revision,
        merge,
        subresource_status: false,
        because: format!("it is the best for claim {}/{}", me.key.namespace(), me.key.name),
        event: None,
    }
}

/// How a volume refers to its claim.
pub(super) fn reference(me: &Object<PersistentVolumeClaim>) -> Value {
    json!({
        "kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": me.key.namespace(), "name": me.key.name,
        "uid": me.metadata.uid, "resourceVersion": me.revision.0.to_string(),
    })
}

/// Changes the claim itself.
pub(super) fn patch(
    me: &Object<PersistentVolumeClaim>,
    merge: Value,
    because: &str,
    event: Option<EventView>,
) -> Write {
    Write::Patch {
        key: me.key.clone(),
        seen: me.revision,
        merge,
        subresource_status: false,
        because: because.into(),
        event,
    }
}

fn tell(me: &Object<PersistentVolumeClaim>, event: Option<EventView>) -> Vec<Write> {
    event.into_iter().map(|event| Write::Tell { key: me.key.clone(), event }).collect()
}
