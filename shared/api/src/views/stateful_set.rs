//! StatefulSets, for their own actor.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Condition, LabelSelector, resource};

/// A stateful set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatefulSet {
    /// Desired.
    pub spec: StatefulSetSpec,
    /// Observed.
    pub status: StatefulSetStatus,
}
resource!(StatefulSet, "statefulsets.apps", StatefulSetStatus);

/// `spec` of a stateful set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct StatefulSetSpec {
    /// How many pods.
    pub replicas: i32,
    /// The headless service under which its pods have names.
    pub service_name: String,
    /// `OrderedReady` or `Parallel`.
    pub pod_management_policy: String,
    /// How a new template reaches the pods.
    pub update_strategy: StatefulSetUpdateStrategy,
    /// How many old revisions are kept.
    pub revision_history_limit: Option<i32>,
    /// A pod counts as available after so many seconds of being ready.
    pub min_ready_seconds: i32,
    /// Where counting begins.
    pub ordinals: Ordinals,
    /// What becomes of claims whose pod or set goes.
    pub persistent_volume_claim_retention_policy: ClaimRetention,
    /// Which pods are its own.
    pub selector: LabelSelector,
    /// The pods to make, as JSON.
    pub template: Value,
    /// The claims that each pod has, as JSON.
    pub volume_claim_templates: Vec<Value>,
}

/// How a new template reaches the pods of a stateful set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct StatefulSetUpdateStrategy {
    /// `RollingUpdate` or `OnDelete`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Limits of a rolling update.
    pub rolling_update: PartitionedUpdate,
}

/// Limits of a stateful set's rolling update.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PartitionedUpdate {
    /// Pods before this one keep the old template.
    pub partition: i32,
    /// How many pods may be replaced at a time: a number or a percentage; one if it is absent.
    pub max_unavailable: Value,
}

/// The first ordinal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ordinals {
    /// The first pod's.
    pub start: i32,
}

/// `Retain` or `Delete`, twice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClaimRetention {
    /// When the set is deleted.
    pub when_deleted: String,
    /// When the set shrinks.
    pub when_scaled: String,
}

/// `status` of a stateful set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct StatefulSetStatus {
    /// The generation this status is about.
    pub observed_generation: i64,
    /// All pods.
    pub replicas: i32,
    /// Ready pods.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub ready_replicas: i32,
    /// Pods ready for `minReadySeconds`.
    pub available_replicas: i32,
    /// Pods of `currentRevision`.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub current_replicas: i32,
    /// Pods of `updateRevision`.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub updated_replicas: i32,
    /// The revision that pods before the partition have.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub current_revision: String,
    /// The revision of the present template.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub update_revision: String,
    /// Avoids hash collisions of templates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collision_count: Option<i32>,
    /// None that Odeon sets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
