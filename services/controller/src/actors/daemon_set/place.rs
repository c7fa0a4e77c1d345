//! Makes the pod of one node: tied to it by affinity, and tolerating what ails nodes.

use actor::Write;
use api::json::{child, set_default};
use api::views::{Pod, Toleration};
use api::{Object, Uid};
use serde_json::{Map, Value, json};

use super::super::history::REVISION_HASH;
use super::super::names::free_names;
use super::super::pods;
use super::Turn;

/// Taints that no daemon minds, by their effects.
const TOLERATED: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];
/// One more, for daemons that use the node's network.
const NETWORK: (&str, &str) = ("node.kubernetes.io/network-unavailable", "NoSchedule");

/// What a daemon tolerates besides what its template says.
pub(super) fn tolerations(host_network: bool) -> impl Iterator<Item = Toleration> {
    let network = host_network.then_some(NETWORK);
    TOLERATED.into_iter().chain(network).map(|(key, effect)| Toleration {
        key: key.into(),
        operator: "Exists".into(),
        effect: effect.into(),
        ..Toleration::default()
    })
}

/// The node that a daemon runs on or is meant for.
pub(super) fn target(pod: &Object<Pod>) -> Option<String> {
    if let Some(node) = &pod.spec.node_name {
        return Some(node.to_string());
    }
    let required = &pod.spec.affinity.node_affinity.required_during_scheduling_ignored_during_execution;
    let fields = required.as_ref()?.node_selector_terms.first()?.match_fields.first()?;
    (fields.key == "metadata.name").then(|| fields.values.first().cloned()).flatten()
}

/// Makes the pod of a node. Its name is a function of the node, so deciding twice asks for the same pod twice.
pub(super) fn create(turn: &Turn<'_>, node: &str, because: &str) -> Write {
    let base = format!("{}-", turn.me.key.name);
    let seed = Uid::from(format!("{}/{node}", turn.me.metadata.uid).as_str());
    let taken = |name: &str| turn.world.stored(&pods::key(turn.owner, name)).is_some();
    let name = free_names(&base, &seed, 1, taken).pop().unwrap_or_default();
    let mut pod = pods::from_template(&turn.me.spec.template, turn.owner, &name, Some(&base));
    if let Some(labels) = pod.get_mut("metadata").and_then(|metadata| child(metadata, "labels")) {
        labels.insert(REVISION_HASH.into(), json!(turn.current.hash));
    }
    if let Some(spec) = child(&mut pod, "spec") {
        tie(spec, node);
    }
    pods::create(turn.owner, &name, pod, &format!("{because}: {node}"))
}

/// Only this node, whatever taints it has.
fn tie(spec: &mut Map<String, Value>, node: &str) {
    let terms = json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]);
    let host_network = spec.get("hostNetwork") == Some(&json!(true));
    set_default(spec, "affinity", json!({}));
    if let Some(affinity) = spec.get_mut("affinity").and_then(|affinity| child(affinity, "nodeAffinity")) {
        affinity.insert(
            "requiredDuringSchedulingIgnoredDuringExecution".into(),
            json!({"nodeSelectorTerms": terms}),
        );
    }
    let known = spec.entry("tolerations").or_insert_with(|| json!([]));
    let Some(known) = known.as_array_mut() else { return };
    for Toleration { key, effect, .. } in tolerations(host_network) {
        let has = |toleration: &Value| {
            toleration.get("key") == Some(&json!(key)) && toleration.get("effect") == Some(&json!(effect))
        };
        if !known.iter().any(has) {
            known.push(json!({"key": key, "operator": "Exists", "effect": effect}));
        }
    }
}
