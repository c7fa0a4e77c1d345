//! What an agent is told about a pod, and which changes are worth telling.

use std::collections::BTreeSet;

use api::ObjectKey;
use api::messages::{AssignedPod, ConfigObject};
use api::views::Pod;
use bus::{Change, ChangeKind, Reader, Stored};
use serde_bytes::ByteBuf;

use super::config_refs::config_refs;

/// The DNS domain of every cluster.
const DOMAIN: &str = "cluster.local";

/// The pod with the ConfigMaps and Secrets it uses, and the keys of those, whether they exist or not.
pub fn assigned(reader: &Reader<'_>, pod: &Stored, stop: Option<u32>) -> (AssignedPod, BTreeSet<ObjectKey>) {
    let refs = config_refs(pod);
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

/// Whether the agent of the pod's node must hear of the change. A status alone is its own report coming back.
pub fn is_news(change: &Change) -> bool {
    let Some(previous) = &change.previous else { return true };
    let bound = |stored: &Stored| stored.object::<Pod>().spec.node_name.clone();
    change.kind == ChangeKind::Deleted
        || previous.metadata != change.object.metadata
        || bound(previous) != bound(&change.object)
}
