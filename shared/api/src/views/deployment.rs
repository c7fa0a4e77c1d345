//! Deployments, for their own actor.

use serde::{Deserialize, Serialize};

use super::{Condition, LabelSelector, resource};

/// A deployment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Deployment {
    /// Desired.
    pub spec: DeploymentSpec,
    /// Observed.
    pub status: DeploymentStatus,
}
resource!(Deployment, "deployments.apps", DeploymentStatus);

/// `spec` of a deployment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DeploymentSpec {
    /// How many pods; the gateway defaults it to 1.
    pub replicas: i32,
    /// Which pods are its own.
    pub selector: LabelSelector,
    /// The pods to make, as JSON: controllers pass it on and hash it.
    pub template: serde_json::Value,
    /// How to replace pods.
    pub strategy: Strategy,
    /// A pod counts as available after it has been ready for so many seconds.
    pub min_ready_seconds: i32,
    /// Old ReplicaSets to keep; defaults to 10.
    pub revision_history_limit: Option<i32>,
    /// Do not roll.
    pub paused: bool,
    /// After so many seconds without progress the rollout counts as failed; defaults to 600.
    pub progress_deadline_seconds: Option<i32>,
}

/// How to replace pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Strategy {
    /// `RollingUpdate` or `Recreate`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Limits of a rolling update.
    pub rolling_update: Option<RollingUpdate>,
}

/// Limits of a rolling update: numbers or percentages (`intstr`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RollingUpdate {
    /// Pods above `replicas`; percentages round up.
    pub max_surge: serde_json::Value,
    /// Pods below `replicas`; percentages round down.
    pub max_unavailable: serde_json::Value,
}

/// `status` of a deployment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DeploymentStatus {
    /// The generation this status is about.
    pub observed_generation: i64,
    /// All pods.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub replicas: i32,
    /// Pods of the current template.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub updated_replicas: i32,
    /// Ready pods.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub ready_replicas: i32,
    /// Pods ready for `minReadySeconds`.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub available_replicas: i32,
    /// Pods that are still missing.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub unavailable_replicas: i32,
    /// `Available`, `Progressing`.
    pub conditions: Vec<Condition>,
    /// Avoids hash collisions of templates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collision_count: Option<i32>,
}
