//! The Node actor: conditions and taints that follow from how the node stands, and eviction of its pods.

use std::time::Duration;

use actor::{Decision, ResourceActor, Wake, World, Write};
use api::journal::EventView;
use api::views::{Condition, Node, Pod, Taint};
use api::{NodeName, Object, ObjectKey, Resource, Timestamp};
use bus::{Change, Reader};
use serde_json::{Value, json};

use super::evict::{Eviction, evictions};
use super::standing::Standing;

/// The agent is heard, but not well; or it has left.
pub const NOT_READY: &str = "node.kubernetes.io/not-ready";
/// The agent is silent.
pub const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
/// The node is cordoned.
pub const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// The keeper's brain, one per node.
#[derive(Debug)]
pub struct NodeActor;

impl ResourceActor for NodeActor {
    type Kind = Node;
    type Command = Write;

    fn wakes() -> Vec<Wake> {
        vec![Wake::By { resource: Some(Pod::ID), keys: tainted_node_of }]
    }

    fn decide(me: &Object<Node>, world: &World<'_>, now: Timestamp) -> Decision<Self> {
        let name = NodeName::from(&*me.key.name);
        let presence = world.presence(&name);
        let (standing, look_again) = Standing::of(presence.as_ref(), now);
        let taints = taints(me, &standing, now);
        let lease_until = presence.map(|presence| presence.lease_until).unwrap_or_default();
        let Eviction { mut commands, wake_after } =
            evictions(&name, &standing, &taints, lease_until, world.pods_on(&name), now);
        commands.extend(keep_in_order(me, &standing, taints, now));
        let wakes: [Option<Duration>; 2] = [look_again, wake_after];
        Decision { commands, status: None, wake_after: wakes.into_iter().flatten().min() }
    }
}

/// A pod concerns its node's actor only while the node drives pods out.
fn tainted_node_of(change: &Change, reader: &Reader<'_>) -> Vec<ObjectKey> {
    let pod = change.object.object::<Pod>();
    let Some(node) = &pod.spec.node_name else { return Vec::new() };
    let key = ObjectKey::cluster(Node::ID, node.as_str());
    let drives_out = reader.get(&key).is_some_and(|stored| {
        stored.object::<Node>().spec.taints.iter().any(|taint| taint.effect == "NoExecute")
    });
    if drives_out { vec![key] } else { Vec::new() }
}

/// One patch for everything that is not as it should be; none if all is.
fn keep_in_order(
    me: &Object<Node>,
    standing: &Standing,
    taints: Vec<Taint>,
    now: Timestamp,
) -> Option<Write> {
    let mut merge = serde_json::Map::new();
    let mut reasons = Vec::new();
    let mut event = None;
    if taints != me.spec.taints {
        merge.insert("spec".to_owned(), json!({"taints": taints.iter().map(precise).collect::<Vec<_>>()}));
        reasons.push("its taints follow from how it stands".to_owned());
    }
    if let Some(conditions) = conditions(me, standing, now) {
        let ready = conditions.iter().find(|condition| condition.kind == "Ready");
        if let Some(ready) = ready {
            reasons.push(format!("it is {}: {}", said(&ready.status), ready.message));
            event = changed(me, &ready.status).then(|| node_event(me, &ready.status));
        }
        merge.insert("status".to_owned(), json!({ "conditions": conditions }));
    }
    (!merge.is_empty()).then(|| Write::Patch {
        key: me.key.clone(),
        seen: me.revision,
        merge: Value::Object(merge),
        subresource_status: true,
        because: reasons.join("; "),
        event,
    })
}

/// Taints as they should be: the user's first, as they are, then ours.
fn taints(me: &Object<Node>, standing: &Standing, now: Timestamp) -> Vec<Taint> {
    let ours = [NOT_READY, UNREACHABLE, UNSCHEDULABLE];
    if *standing == Standing::Unheard {
        return me.spec.taints.clone();
    }
    let (mut taints, own): (Vec<Taint>, Vec<Taint>) =
        me.spec.taints.iter().cloned().partition(|taint| !ours.contains(&taint.key.as_str()));
    for taint in taints.iter_mut().filter(|taint| taint.effect == "NoExecute") {
        taint.time_added = taint.time_added.or(Some(now));
    }
    let mut wanted: Vec<(&str, &str, Option<Timestamp>)> = Vec::new();
    if me.spec.unschedulable {
        wanted.push((UNSCHEDULABLE, "NoSchedule", None));
    }
    match standing {
        Standing::Well | Standing::Unheard => {}
        Standing::Unwell(_) => wanted.extend(both_effects(NOT_READY, now)),
        Standing::Left(since) => wanted.extend(both_effects(NOT_READY, *since)),
        Standing::Lost(since) => wanted.extend(both_effects(UNREACHABLE, *since)),
    }
    for (key, effect, time_added) in wanted {
        let known = own.iter().find(|taint| taint.key == key && taint.effect == effect).cloned();
        taints.push(known.unwrap_or_else(|| Taint {
            key: key.to_owned(),
            value: String::new(),
            effect: effect.to_owned(),
            time_added: time_added.or(Some(now)),
        }));
    }
    taints
}

fn both_effects(key: &'static str, since: Timestamp) -> [(&'static str, &'static str, Option<Timestamp>); 2] {
    [(key, "NoSchedule", Some(since)), (key, "NoExecute", Some(since))]
}

/// A taint in JSON with its time to the microsecond: two seconds of toleration deserve better than whole seconds.
fn precise(taint: &Taint) -> Value {
    let mut value = json!(taint);
    if let (Some(fields), Some(added)) = (value.as_object_mut(), taint.time_added) {
        fields.insert("timeAdded".to_owned(), json!(added.to_micro_text()));
    }
    value
}

/// The conditions as they should be; `None` if they are.
fn conditions(me: &Object<Node>, standing: &Standing, now: Timestamp) -> Option<Vec<Condition>> {
    let (status, reason, message) = match standing {
        Standing::Unheard => return None,
        Standing::Well => ("True", "AgentReady", "agent is posting heartbeats".to_owned()),
        Standing::Unwell(wrong) => ("False", "AgentNotReady", wrong.clone()),
        Standing::Left(_) => ("False", "AgentStopped", "agent stopped in order".to_owned()),
        Standing::Lost(_) => ("Unknown", "NodeStatusUnknown", "agent stopped posting heartbeats".to_owned()),
    };
    let known = me.status.conditions.iter().find(|condition| condition.kind == "Ready");
    if known.is_some_and(|it| {
        (it.status.as_str(), it.reason.as_str(), it.message.as_str()) == (status, reason, &message)
    }) {
        return None;
    }
    let since = known.filter(|known| known.status == status).and_then(|known| known.last_transition_time);
    let ready = Condition {
        kind: "Ready".to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message,
        last_transition_time: since.or(Some(now)),
        last_heartbeat_time: Some(now),
        ..Condition::default()
    };
    let others = me.status.conditions.iter().filter(|condition| condition.kind != "Ready");
    Some(others.cloned().chain([ready]).collect())
}

fn changed(me: &Object<Node>, status: &str) -> bool {
    me.status
        .conditions
        .iter()
        .find(|condition| condition.kind == "Ready")
        .is_none_or(|known| known.status != status)
}

fn said(status: &str) -> &'static str {
    if status == "True" { "ready" } else { "not ready" }
}

fn node_event(me: &Object<Node>, status: &str) -> EventView {
    let reason = if status == "True" { "NodeReady" } else { "NodeNotReady" };
    EventView {
        severity: "Normal".to_owned(),
        reason: reason.to_owned(),
        message: format!("Node {} status is now: {reason}", me.key.name),
        regarding: None,
    }
}
