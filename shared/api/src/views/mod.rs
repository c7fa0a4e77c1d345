//! Small typed views of the kinds that decisions read: what `decide` needs and nothing else, decoded straight from the stored bytes.

mod autoscaler;
mod cluster_role;
mod config;
mod controller_revision;
mod daemon_set;
mod deployment;
mod disruption_budget;
mod endpoint_slice;
mod extension;
mod job;
mod namespace;
mod node;
mod pod;
mod replica_set;
mod replication_controller;
mod resource_quota;
mod service;
mod signing_request;
mod stateful_set;
mod storage;

pub use autoscaler::{
    AutoscalerSpec, AutoscalerStatus, Behavior, HorizontalPodAutoscaler, Metric, MetricTarget,
    ResourceMetric, ScaleTarget, ScalingPolicy, ScalingRules,
};
pub use cluster_role::{AggregationRule, ClusterRole};
pub use config::{ConfigMap, Secret};
pub use controller_revision::ControllerRevision;
pub use daemon_set::{DaemonSet, DaemonSetSpec, DaemonSetStatus, DaemonSetUpdateStrategy};
pub use deployment::{Deployment, DeploymentSpec, DeploymentStatus, RollingUpdate, Strategy};
pub use disruption_budget::{PodDisruptionBudget, PodDisruptionBudgetSpec, PodDisruptionBudgetStatus};
pub use endpoint_slice::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice, TargetRef};
pub use extension::{CustomResourceDefinition, CustomResourceDefinitionSpec, CustomResourceDefinitionStatus};
pub use job::{
    CronJob, CronJobSpec, CronJobStatus, ExitCodes, Job, JobReference, JobSpec, JobStatus,
    PodConditionPattern, PodFailurePolicy, PodFailureRule, SuccessPolicy, SuccessRule, UncountedPods,
};
pub use namespace::{Namespace, NamespaceStatus};
pub use node::{Node, NodeAddress, NodeSpec, NodeStatus, Taint};
pub use pod::{
    Affinity, Container, ContainerExit, ContainerPort, ContainerState, ContainerStatus, NodeSelector,
    NodeSelectorRequirement, NodeSelectorTerm, Pod, PodSpec, PodStatus, PodVolume, PreemptionPolicy,
    PreferredSchedulingTerm, ResourceRequirements, Toleration, TopologySpreadConstraint,
};
pub use replica_set::{ReplicaSet, ReplicaSetSpec, ReplicaSetStatus};
pub use replication_controller::ReplicationController;
pub use resource_quota::{ResourceQuota, ResourceQuotaSpec, ResourceQuotaStatus};
pub use service::{Service, ServicePort, ServiceSpec, ServiceStatus};
pub use signing_request::{CertificateSigningRequest, CertificateSigningRequestStatus};
pub use stateful_set::{
    ClaimRetention, Ordinals, PartitionedUpdate, StatefulSet, StatefulSetSpec, StatefulSetStatus,
    StatefulSetUpdateStrategy,
};
pub use storage::{
    ClaimReference, ClaimResources, CsiSource, PersistentVolume, PersistentVolumeClaim,
    PersistentVolumeClaimSpec, PersistentVolumeClaimStatus, PersistentVolumeSpec, PersistentVolumeStatus,
    StorageClass, TopologyLabel, TopologyTerm, VolumeNodeAffinity,
};

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// A condition, as every Kubernetes status has them. Fields that only some kinds have stay `None` and are not written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Condition {
    /// `Ready`, `Available`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// CamelCase.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When `status` last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Timestamp>,
    /// Deployments only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_update_time: Option<Timestamp>,
    /// Jobs only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_probe_time: Option<Timestamp>,
    /// Nodes only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_heartbeat_time: Option<Timestamp>,
    /// Pods and others that count generations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// `metav1.LabelSelector`, as workloads carry it; `crate::selector` evaluates it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LabelSelector {
    /// All must be equal.
    pub match_labels: std::collections::BTreeMap<std::sync::Arc<str>, std::sync::Arc<str>>,
    /// All must hold.
    pub match_expressions: Vec<LabelRequirement>,
}

/// One `matchExpressions` entry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LabelRequirement {
    /// The label.
    pub key: String,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`.
    pub operator: String,
    /// For `In` and `NotIn`.
    pub values: Vec<String>,
}

impl LabelSelector {
    /// Whether labels satisfy the selector. An empty selector matches everything (Kubernetes' rule for workloads).
    pub fn matches(
        &self,
        labels: &std::collections::BTreeMap<std::sync::Arc<str>, std::sync::Arc<str>>,
    ) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self
                .match_expressions
                .iter()
                .all(|requirement| requirement.holds(labels.get(requirement.key.as_str())))
    }
}

impl LabelRequirement {
    fn holds(&self, value: Option<&std::sync::Arc<str>>) -> bool {
        let listed = value.is_some_and(|value| self.values.iter().any(|wanted| **wanted == **value));
        match self.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    }
}

/// Counts that Kubernetes leaves out when they are zero.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_zero(number: &i32) -> bool {
    *number == 0
}

macro_rules! resource {
    ($view:ident, $id:literal, $status:ty) => {
        impl crate::Resource for $view {
            const ID: crate::ResourceId = crate::ResourceId::new($id);
            type Status = $status;

            fn status(&self) -> &Self::Status {
                &self.status
            }
        }
    };
}
use resource;
