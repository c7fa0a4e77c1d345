//! Nodes, for the keeper and the scheduler.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Condition, resource};
use crate::Timestamp;
use crate::quantity::Quantity;

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Node {
    /// Desired.
    pub spec: NodeSpec,
    /// Observed.
    pub status: NodeStatus,
}
resource!(Node, "nodes", NodeStatus);

/// `spec` of a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeSpec {
    /// Cordoned.
    pub unschedulable: bool,
    /// What pods must tolerate.
    pub taints: Vec<Taint>,
    /// The pod range of the node, if it has one.
    #[serde(rename = "podCIDR")]
    pub pod_cidr: String,
}

/// A taint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Taint {
    /// The key.
    pub key: String,
    /// May be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule`, `NoExecute`.
    pub effect: String,
    /// When a `NoExecute` taint was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_added: Option<Timestamp>,
}

/// `status` of a node. The keeper writes it from what the agent registered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeStatus {
    /// All there is.
    pub capacity: BTreeMap<String, Quantity>,
    /// What pods may use.
    pub allocatable: BTreeMap<String, Quantity>,
    /// `Ready`, `MemoryPressure`, …
    pub conditions: Vec<Condition>,
    /// `InternalIP`, `Hostname`, …
    pub addresses: Vec<NodeAddress>,
    /// `nodeInfo`, `daemonEndpoints`, `images`: as registered, not interpreted.
    #[serde(flatten)]
    pub rest: BTreeMap<String, serde_json::Value>,
}

/// An address of a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeAddress {
    /// `InternalIP`, `ExternalIP`, `Hostname`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The address.
    pub address: String,
}
