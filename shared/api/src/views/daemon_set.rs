//! DaemonSets, for their own actor.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Condition, LabelSelector, RollingUpdate, resource};

/// A daemon set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DaemonSet {
    /// Desired.
    pub spec: DaemonSetSpec,
    /// Observed.
    pub status: DaemonSetStatus,
}
resource!(DaemonSet, "daemonsets.apps", DaemonSetStatus);

/// `spec` of a daemon set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DaemonSetSpec {
    /// How a new template reaches the pods.
    pub update_strategy: DaemonSetUpdateStrategy,
    /// How many old revisions are kept.
    pub revision_history_limit: Option<i32>,
    /// A pod counts as available after so many seconds of being ready.
    pub min_ready_seconds: i32,
    /// Which pods are its own.
    pub selector: LabelSelector,
    /// The pods to make, as JSON.
    pub template: Value,
}

/// How a new template reaches the pods of a daemon set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DaemonSetUpdateStrategy {
    /// `RollingUpdate` or `OnDelete`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Limits of a rolling update, of the nodes.
    pub rolling_update: RollingUpdate,
}

/// `status` of a daemon set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DaemonSetStatus {
    /// Nodes that have a pod and should.
    pub current_number_scheduled: i32,
    /// Nodes that have a pod and should not.
    pub number_misscheduled: i32,
    /// Nodes that should have a pod.
    pub desired_number_scheduled: i32,
    /// Of the desired ones: with a ready pod.
    pub number_ready: i32,
    /// The generation this status is about.
    pub observed_generation: i64,
    /// Of the desired ones: with a pod of the present template.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub updated_number_scheduled: i32,
    /// Of the desired ones: with an available pod.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub number_available: i32,
    /// Of the desired ones: all others.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub number_unavailable: i32,
    /// None that Odeon sets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
