//! Makes the claims of pods' ephemeral volumes, which go with their pods.

use std::sync::Arc;

use actor::{AnyActor, Thought, Wake, World, Write};
use api::json::{items, text};
use api::views::{PersistentVolumeClaim, Pod};
use api::volumes::{self, ephemeral_claim};
use api::{Object, ObjectKey, Resource, Timestamp};
use bus::{Change, ChangeKind, Reader, Stored};
use serde_json::{Map, Value, json};

use super::ownership::{controller_reference, references_json};
use super::warning;

/// Makes what `ephemeral.volumeClaimTemplate` asks for (Kubernetes' `ephemeral_volume` controller).
#[derive(Debug)]
pub struct PodClaims;

impl AnyActor for PodClaims {
    const NAME: &'static str = "pod-claims";

    fn concerns(object: &Stored) -> bool {
        object.key.resource == Pod::ID
            && object.object::<Pod>().spec.volumes.iter().any(|volume| volume.claim.is_none())
    }

    fn stirs(change: &Change) -> bool {
        change.previous.is_none()
    }

    fn wakes() -> Vec<Wake> {
        vec![Wake::By { resource: Some(PersistentVolumeClaim::ID), keys: in_the_way }]
    }

    fn decide(me: &Arc<Stored>, world: &World<'_>, _now: Timestamp) -> Thought {
        let pod = me.object::<Pod>();
        if pod.metadata.is_terminating() || pod.has_ended() {
            return Thought::default();
        }
        let value = me.value();
        let ephemeral = items(&value, "/spec/volumes").iter().filter_map(|volume| {
            Some((text(volume, "/name"), volume.pointer("/ephemeral/volumeClaimTemplate")?))
        });
        let commands = ephemeral.filter_map(|(name, template)| missing(&pod, name, template, world));
        Thought { commands: commands.collect(), ..Thought::default() }
    }
}

/// The claim of a volume, unless it is there; says so if another one has its name.
fn missing(pod: &Object<Pod>, volume: &str, template: &Value, world: &World<'_>) -> Option<Write> {
    let name = ephemeral_claim(&pod.key.name, volume);
    let namespace = pod.key.namespace();
    match world.get::<PersistentVolumeClaim>(namespace, &name) {
        Some(claim) if volumes::is_owned(&claim, &pod.metadata.uid) => None,
        Some(_) => {
            let message = format!(
                "PVC {namespace}/{name} was not created for pod {namespace}/{} (pod is not owner)",
                pod.key.name
            );
            Some(Write::Tell {
                key: pod.key.clone(),
                event: warning("EphemeralVolumeClaimConflict", message)?,
            })
        }
        None => Some(create(pod, &name, template)),
    }
}

fn create(pod: &Object<Pod>, name: &str, template: &Value) -> Write {
    let mut metadata = Map::new();
    for field in ["labels", "annotations"] {
        let stated = template.pointer("/metadata").and_then(|metadata| metadata.get(field));
        metadata.extend(stated.map(|value| (field.to_owned(), value.clone())));
    }
    metadata.insert("name".into(), json!(name));
    metadata.insert("namespace".into(), json!(pod.key.namespace()));
    let owner = controller_reference("v1", "Pod", &pod.metadata);
    metadata.insert("ownerReferences".into(), references_json(&[owner]));
    Write::Create {
        key: ObjectKey::namespaced(PersistentVolumeClaim::ID, pod.key.namespace(), name),
        object: json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata,
            "spec": template.get("spec").cloned().unwrap_or_default(),
        }),
        because: "the pod has an ephemeral volume".into(),
        event: None,
    }
}

/// The pod whose claim is gone, or could be made now that another of the name is gone.
fn in_the_way(change: &Change, reader: &Reader<'_>) -> Vec<ObjectKey> {
    if change.kind != ChangeKind::Deleted {
        return Vec::new();
    }
    let pods = reader.list(Pod::ID, change.key().namespace.as_deref()).filter(|stored| {
        let pod = stored.object::<Pod>();
        volumes::claims_of(&pod).any(|(name, own)| own && *name == *change.key().name)
    });
    pods.map(|pod| pod.key.clone()).collect()
}
