//! Leases of nodes (`kube-node-lease`): answered when somebody asks, because heartbeats never touch the store.

use std::sync::Arc;

use api::views::Node;
use api::{NodeName, ObjectKey, Resource, ResourceId, Timestamp, json};
use bus::{ChangeKind, Stored, View};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use serde_json::{Value, json as value};

use crate::call::Call;
use crate::context::Context;
use crate::usage;

const LEASES: ResourceId = ResourceId::new("leases.coordination.k8s.io");
/// The namespace of nodes' leases.
const NAMESPACE: &str = "kube-node-lease";
/// A node is lost after so many seconds of silence.
const DURATION: u32 = 2;
/// Nodes that are asked at the same time.
const AT_ONCE: usize = 64;

/// What a read of nodes' leases shows; `None`: it is about something else. Leases that somebody has stored are shown as they are.
pub fn shown<'a>(context: &'a Context, call: &'a Call) -> Option<BoxFuture<'a, Arc<View>>> {
    let asked = call.kind.id == LEASES && call.path.namespace.as_deref() == Some(NAMESPACE);
    asked.then(|| leases(context, call).boxed())
}

async fn leases(context: &Context, call: &Call) -> Arc<View> {
    let wanted = |name: &str| call.path.name.as_deref().is_none_or(|wanted| wanted == name);
    let (mut leases, nodes): (Vec<Arc<Stored>>, Vec<Arc<Stored>>) = {
        let reader = context.view.read();
        let stored = reader.list(LEASES, Some(NAMESPACE)).filter(|lease| wanted(&lease.key.name));
        let stored: Vec<Arc<Stored>> = stored.cloned().collect();
        let others = |node: &&Arc<Stored>| !stored.iter().any(|lease| lease.key.name == node.key.name);
        let nodes = reader.list(Node::ID, None).filter(|node| wanted(&node.key.name)).filter(others);
        let nodes = nodes.cloned().collect();
        (stored, nodes)
    };
    let asked = stream::iter(nodes).map(|node| lease(context, node)).buffer_unordered(AT_ONCE);
    leases.extend(asked.collect::<Vec<_>>().await);
    leases.sort_by_key(|lease| lease.revision);
    let view = View::offline();
    leases.into_iter().for_each(|lease| view.apply(ChangeKind::Put, lease));
    view
}

/// A node renews its lease by answering; of one that is silent the last that was heard is told.
async fn lease(context: &Context, node: Arc<Stored>) -> Arc<Stored> {
    let heard = usage::ask(context, &NodeName::from(&*node.key.name)).await.map(|usage| usage.at);
    let key = ObjectKey::namespaced(LEASES, NAMESPACE, &node.key.name);
    Stored::test_at(key, told(&node, heard.ok()), node.revision.0)
}

fn told(node: &Stored, heard: Option<Timestamp>) -> Value {
    let object = node.value();
    let conditions = json::items(&object, "/status/conditions").iter();
    let ready = conditions.filter(|condition| json::text(condition, "/type") == "Ready");
    let last = ready.flat_map(|condition| {
        ["/lastHeartbeatTime", "/lastTransitionTime"]
            .map(|field| Timestamp::parse(json::text(condition, field)))
    });
    let renewed = heard.or(last.flatten().next()).unwrap_or(node.metadata.creation_timestamp);
    let name = &node.key.name;
    value!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {
            "name": name, "namespace": NAMESPACE, "uid": node.metadata.uid,
            "creationTimestamp": node.metadata.creation_timestamp,
            "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": name, "uid": node.metadata.uid}],
        },
        "spec": {"holderIdentity": name, "leaseDurationSeconds": DURATION, "renewTime": renewed.to_micro_text()},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_node_shows_when_it_was_heard_last() {
        let node = Stored::test(
            value!({
                "apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"},
                "status": {"conditions": [{"type": "Ready", "lastHeartbeatTime": "2026-01-02T00:00:00Z"}]},
            }),
            7,
        );
        let silent = told(&node, None);
        assert_eq!(silent["spec"]["holderIdentity"], "n1");
        assert_eq!(silent["spec"]["renewTime"], "2026-01-02T00:00:00.000000Z");
        let alive = told(&node, Timestamp::parse("2026-01-03T00:00:00Z"));
        assert_eq!(alive["spec"]["renewTime"], "2026-01-03T00:00:00.000000Z");
    }
}
