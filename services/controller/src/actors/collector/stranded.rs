//! Pods bound to nodes that do not exist: nobody will ever run or end them.

use std::sync::Arc;
use std::time::Duration;

use actor::{Propagation, Write};
use api::views::{Node, Pod};
use api::{NodeName, ObjectKey, Resource, Timestamp};
use bus::{Change, ChangeKind, Reader, Stored};

/// A pod may be bound before its node registers, so young pods are given this time (as Kubernetes gives it).
const QUARANTINE: Duration = Duration::from_secs(40);

/// Whether an object is a pod with a node.
pub(super) fn is_bound(object: &Stored) -> bool {
    object.key.resource == Pod::ID && object.object::<Pod>().spec.node_name.is_some()
}

/// Pods of a node that is gone.
pub(super) fn of_node(change: &Change, reader: &Reader<'_>) -> Vec<ObjectKey> {
    match change.kind {
        ChangeKind::Put => Vec::new(),
        ChangeKind::Deleted => {
            let node = NodeName(change.object.key.name.clone());
            reader.pods_on(&node).map(|pod| pod.key.clone()).collect()
        }
    }
}

/// Removes a pod whose node does not exist, or tells when to look again.
pub(super) fn judge(
    me: &Arc<Stored>,
    reader: &Reader<'_>,
    now: Timestamp,
) -> (Option<Write>, Option<Duration>) {
    if me.key.resource != Pod::ID {
        return (None, None);
    }
    let pod = me.object::<Pod>();
    let Some(node) = &pod.spec.node_name else { return (None, None) };
    if reader.get(&ObjectKey::cluster(Node::ID, node.as_str())).is_some() {
        return (None, None);
    }
    let left = QUARANTINE.saturating_sub(now.since(pod.metadata.creation_timestamp));
    if !left.is_zero() && !pod.metadata.is_terminating() {
        return (None, Some(left));
    }
    let delete = Write::Delete {
        key: me.key.clone(),
        uid: pod.metadata.uid.clone(),
        grace: Some(0),
        propagation: Propagation::Background,
        because: format!("its node {node} does not exist"),
        event: None,
    };
    // A finalizer on the pod outlives even grace 0: then it is marked, and there is nothing more to ask for.
    let is_marked = pod.metadata.is_terminating() && pod.metadata.deletion_grace_period_seconds == Some(0);
    ((!is_marked).then_some(delete), None)
}
