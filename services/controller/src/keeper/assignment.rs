//! What an agent is told about a pod, and which changes are worth telling.

use std::collections::BTreeSet;

use api::messages::{AssignedPod, ConfigObject};
use api::views::{PersistentVolume, PersistentVolumeClaim, Pod};
use api::{ObjectKey, Resource, volumes};
use bus::{Change, ChangeKind, Reader, Stored};
use serde_bytes::ByteBuf;

use super::config_refs::config_refs;

/// The DNS domain of every cluster.
const DOMAIN: &str = "cluster.local";

/// The pod with the ConfigMaps and Secrets it uses, and the keys of those, whether they exist or not.
pub fn assigned(reader: &Reader<'_>, pod: &Stored, stop: Option<u32>) -> (AssignedPod, BTreeSet<ObjectKey>) {
    let refs = refs(reader, pod);
    let config = refs.iter().filter_map(|key| reader.get(key)).map(|stored| ConfigObject {
        resource: stored.key.resource,
        name: stored.key.name.to_string(),
        revision: stored.revision,
        object: ByteBuf::from(stored.bytes().to_vec()),
    });
    let assigned = AssignedPod {
        key: pod.key.clone(),
        uid: pod.metadata.uid.clone(),
        revision: pod.revision,
        object: ByteBuf::from(pod.bytes().to_vec()),
        config: config.collect(),
        stop,
        cluster_domain: DOMAIN.to_owned(),
    };
    (assigned, refs)
}

/// What an agent has to know besides the pod, whether it exists or not: what its spec refers to, its claims and their volumes.
pub fn refs(reader: &Reader<'_>, pod: &Stored) -> BTreeSet<ObjectKey> {
    let mut refs = config_refs(pod);
    let object = pod.object::<Pod>();
    for (name, own) in volumes::claims_of(&object) {
        let key = ObjectKey::namespaced(PersistentVolumeClaim::ID, pod.key.namespace(), &name);
        let claim = reader.get(&key).map(|stored| stored.object::<PersistentVolumeClaim>());
        // Another's claim of that name is none of the pod's business.
        if claim.as_ref().is_some_and(|claim| own && !volumes::is_owned(claim, &pod.metadata.uid)) {
            continue;
        }
        let volume = claim.filter(|claim| !claim.spec.volume_name.is_empty());
        refs.extend(volume.map(|claim| ObjectKey::cluster(PersistentVolume::ID, &claim.spec.volume_name)));
        refs.insert(key);
    }
    refs
}

/// Whether the agent of the pod's node must hear of the change. A status alone is its own report coming back.
pub fn is_news(change: &Change) -> bool {
    let Some(previous) = &change.previous else { return true };
    let bound = |stored: &Stored| stored.object::<Pod>().spec.node_name.clone();
    change.kind == ChangeKind::Deleted
        || previous.metadata != change.object.metadata
        || bound(previous) != bound(&change.object)
}
