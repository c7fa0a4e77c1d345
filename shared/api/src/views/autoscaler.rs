//! HorizontalPodAutoscalers, for their own actor.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Condition, resource};
use crate::Timestamp;

/// An autoscaler.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HorizontalPodAutoscaler {
    /// Desired.
    pub spec: AutoscalerSpec,
    /// Observed.
    pub status: AutoscalerStatus,
}
resource!(HorizontalPodAutoscaler, "horizontalpodautoscalers.autoscaling", AutoscalerStatus);

/// `spec` of an autoscaler.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AutoscalerSpec {
    /// Whose replicas it sets.
    pub scale_target_ref: ScaleTarget,
    /// No fewer replicas; one if nothing is said.
    pub min_replicas: Option<i32>,
    /// No more replicas.
    pub max_replicas: i32,
    /// What it looks at.
    pub metrics: Vec<Metric>,
    /// How fast it reacts.
    pub behavior: Behavior,
}

/// A workload by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ScaleTarget {
    /// `apps/v1`.
    pub api_version: String,
    /// `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// One thing to look at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Metric {
    /// `Resource` or `ContainerResource`; there are no others here.
    #[serde(rename = "type")]
    pub kind: String,
    /// What pods use.
    pub resource: Option<ResourceMetric>,
    /// What one container of pods uses.
    pub container_resource: Option<ResourceMetric>,
}

/// The use of a resource, and how much of it there shall be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceMetric {
    /// `cpu` or `memory`.
    pub name: String,
    /// Of this container only.
    pub container: Option<String>,
    /// The aim.
    pub target: MetricTarget,
}

/// How much of a resource there shall be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct MetricTarget {
    /// `Utilization` or `AverageValue`.
    #[serde(rename = "type")]
    pub kind: String,
    /// In hundredths of what pods request.
    pub average_utilization: Option<i32>,
    /// Per pod.
    pub average_value: Option<crate::quantity::Quantity>,
}

/// How fast it reacts, up and down.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Behavior {
    /// Upwards.
    pub scale_up: ScalingRules,
    /// Downwards.
    pub scale_down: ScalingRules,
}

/// How fast it reacts in one direction. What is absent is as Kubernetes has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ScalingRules {
    /// How long a recommendation must hold.
    pub stabilization_window_seconds: Option<i32>,
    /// `Max`, `Min` or `Disabled`.
    pub select_policy: Option<String>,
    /// Limits of change.
    pub policies: Vec<ScalingPolicy>,
    /// How far the use may be off before anything happens: a quantity, a tenth if nothing is said.
    pub tolerance: Option<Value>,
}

/// A limit of change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ScalingPolicy {
    /// `Pods` or `Percent`.
    #[serde(rename = "type")]
    pub kind: String,
    /// So many.
    pub value: i32,
    /// Within so many seconds.
    pub period_seconds: i32,
}

/// `status` of an autoscaler.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AutoscalerStatus {
    /// The generation this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When it last changed the replicas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_scale_time: Option<Timestamp>,
    /// The replicas that the target wants now.
    pub current_replicas: i32,
    /// The replicas that it should want.
    pub desired_replicas: i32,
    /// What the metrics showed.
    pub current_metrics: Vec<Value>,
    /// `AbleToScale`, `ScalingActive`, `ScalingLimited`.
    pub conditions: Vec<Condition>,
}
