//! Nodes as `kubectl get nodes` shows them.

use serde_json::{Value, json};

use super::{AGE, NAME, age, name, or_none, shown, wide};
use crate::Timestamp;
use crate::json::{entries, flag, items, text};
use crate::kinds::Column;

const ROLE_PREFIX: &str = "node-role.kubernetes.io/";

/// Columns of nodes.
pub const NODE: &[Column] = &[
    NAME,
    shown("Status", "string", "Whether it is ready and takes pods."),
    shown("Roles", "string", "From its role labels."),
    AGE,
    shown("Version", "string", "Of its agent."),
    wide("Internal-IP", "string", "Its address within the cluster's network."),
    wide("External-IP", "string", "Its address from outside."),
    wide("OS-Image", "string", "Its operating system."),
    wide("Kernel-Version", "string", "Its kernel."),
    wide("Container-Runtime", "string", "What runs its containers."),
];

/// Cells of a node.
pub fn node(node: &Value, now: Timestamp) -> Vec<Value> {
    let ready =
        items(node, "/status/conditions").iter().find(|condition| text(condition, "/type") == "Ready");
    let mut status = match ready.map(|ready| text(ready, "/status")) {
        Some("True") => "Ready".to_owned(),
        Some(_) => "NotReady".to_owned(),
        None => "Unknown".to_owned(),
    };
    if flag(node, "/spec/unschedulable") {
        status.push_str(",SchedulingDisabled");
    }
    let address = |kind: &str| {
        let addresses = items(node, "/status/addresses");
        let found = addresses.iter().find(|address| text(address, "/type") == kind);
        json!(or_none(found.map_or("", |address| text(address, "/address"))))
    };
    let info = |key: &str| match text(node, &format!("/status/nodeInfo/{key}")) {
        "" => json!("<unknown>"),
        known => json!(known),
    };
    vec![
        name(node),
        json!(status),
        json!(roles(node)),
        age(node, now),
        json!(text(node, "/status/nodeInfo/kubeletVersion")),
        address("InternalIP"),
        address("ExternalIP"),
        info("osImage"),
        info("kernelVersion"),
        info("containerRuntimeVersion"),
    ]
}

fn roles(node: &Value) -> String {
    let role = |(key, value): (&'_ str, &'_ Value)| match key.strip_prefix(ROLE_PREFIX) {
        Some(role) if !role.is_empty() => Some(role.to_owned()),
        _ if key == "kubernetes.io/role" => value.as_str().filter(|role| !role.is_empty()).map(str::to_owned),
        _ => None,
    };
    let mut roles: Vec<String> = entries(node, "/metadata/labels").filter_map(role).collect();
    roles.sort();
    roles.dedup();
    or_none(&roles.join(",")).to_owned()
}
