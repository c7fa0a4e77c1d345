//! ReplicaSets, for their own actor and the Deployment's.

use serde::{Deserialize, Serialize};

use super::{Condition, LabelSelector, resource};

/// A replica set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplicaSet {
    /// Desired.
    pub spec: ReplicaSetSpec,
    /// Observed.
    pub status: ReplicaSetStatus,
}
resource!(ReplicaSet, "replicasets.apps", ReplicaSetStatus);

/// `spec` of a replica set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ReplicaSetSpec {
    /// How many pods.
    pub replicas: i32,
    /// A pod counts as available after so many seconds of being ready.
    pub min_ready_seconds: i32,
    /// Which pods are its own.
    pub selector: LabelSelector,
    /// The pods to make, as JSON.
    pub template: serde_json::Value,
}

/// `status` of a replica set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ReplicaSetStatus {
    /// The generation this status is about.
    pub observed_generation: i64,
    /// All pods.
    pub replicas: i32,
    /// Pods with all labels of the template.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub fully_labeled_replicas: i32,
    /// Ready pods.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub ready_replicas: i32,
    /// Pods ready for `minReadySeconds`.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub available_replicas: i32,
    /// `ReplicaFailure`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
