//! Pods, for controllers and the scheduler. Agents read the whole object instead.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

use super::{Condition, LabelSelector, Taint, resource};
use crate::quantity::Quantity;
use crate::{NodeName, Timestamp};

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pod {
    /// Desired.
    pub spec: PodSpec,
    /// Observed.
    pub status: PodStatus,
}
resource!(Pod, "pods", PodStatus);

/// What scheduling and controllers read of a pod's spec.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodSpec {
    /// Written by the scheduler (through the binding), once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_name: Option<NodeName>,
    /// Labels the node must have.
    pub node_selector: BTreeMap<String, String>,
    /// Node and pod affinity.
    pub affinity: Affinity,
    /// Taints it tolerates.
    pub tolerations: Vec<Toleration>,
    /// Wishes about spreading.
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
    /// Who schedules it; `default-scheduler`.
    pub scheduler_name: String,
    /// Higher is scheduled first.
    pub priority: i32,
    /// Whether pods of lower priority may have to go for it.
    pub preemption_policy: PreemptionPolicy,
    /// Containers.
    pub containers: Vec<Container>,
    /// Containers that run before.
    pub init_containers: Vec<Container>,
    /// What the pod costs beyond its containers.
    pub overhead: BTreeMap<String, Quantity>,
    /// `Always`, `OnFailure`, `Never`.
    pub restart_policy: String,
    /// Shares the node's network.
    pub host_network: bool,
    /// Name in DNS, with `subdomain`.
    pub hostname: String,
    /// The headless service's name.
    pub subdomain: String,
    /// Seconds that it may take to end.
    pub termination_grace_period_seconds: Option<i64>,
    /// Extra conditions that make it ready.
    pub readiness_gates: Vec<serde_json::Value>,
    /// While there are any, it is not scheduled.
    pub scheduling_gates: Vec<serde_json::Value>,
    /// Volumes that are claims; others are for agents alone.
    #[serde(deserialize_with = "claimed", skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<PodVolume>,
}

/// `spec.preemptionPolicy` of a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PreemptionPolicy {
    /// Pods of lower priority go if that makes room for it.
    #[default]
    PreemptLowerPriority,
    /// It only goes before them in the queue.
    Never,
}

/// A volume that is a claim.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PodVolume {
    /// Its name in the pod.
    pub name: String,
    /// The claim; `None`: one that is made for the pod.
    pub claim: Option<Arc<str>>,
}

/// Keeps the volumes that are claims.
fn claimed<'de, D: Deserializer<'de>>(volumes: D) -> Result<Vec<PodVolume>, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Claim {
        claim_name: Arc<str>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Volume {
        name: String,
        persistent_volume_claim: Option<Claim>,
        ephemeral: Option<serde::de::IgnoredAny>,
    }
    let all = Option::<Vec<Volume>>::deserialize(volumes)?.unwrap_or_default();
    let claimed =
        all.into_iter().filter_map(|volume| match (volume.persistent_volume_claim, volume.ephemeral) {
            (Some(claim), _) => Some(PodVolume { name: volume.name, claim: Some(claim.claim_name) }),
            (None, Some(_)) => Some(PodVolume { name: volume.name, claim: None }),
            (None, None) => None,
        });
    Ok(claimed.collect())
}

/// What scheduling reads of a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// Ports it declares.
    pub ports: Vec<ContainerPort>,
    /// What it needs.
    pub resources: ResourceRequirements,
    /// `Always` makes an init container a sidecar (KEP-753).
    pub restart_policy: Option<String>,
}

/// A declared port.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ContainerPort {
    /// Services may refer to it by name.
    pub name: String,
    /// The port.
    pub container_port: u16,
    /// A port of the node, if wanted.
    pub host_port: u16,
    /// `TCP` or `UDP`.
    pub protocol: String,
}

/// Requests and limits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceRequirements {
    /// Reserved.
    pub requests: BTreeMap<String, Quantity>,
    /// Not exceeded.
    pub limits: BTreeMap<String, Quantity>,
}

/// A toleration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Toleration {
    /// Empty with `Exists` tolerates everything.
    pub key: String,
    /// `Equal` (default) or `Exists`.
    pub operator: String,
    /// For `Equal`.
    pub value: String,
    /// Empty: every effect.
    pub effect: String,
    /// How long a `NoExecute` taint is tolerated; `None` is for ever.
    pub toleration_seconds: Option<i64>,
}

/// Affinity, as far as the scheduler reads it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Affinity {
    /// Which nodes.
    pub node_affinity: NodeAffinity,
    /// Pods of which it wants to be far.
    pub pod_anti_affinity: Option<serde_json::Value>,
    /// Pods of which it wants to be near.
    pub pod_affinity: Option<serde_json::Value>,
}

/// Node affinity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeAffinity {
    /// Must hold.
    pub required_during_scheduling_ignored_during_execution: Option<NodeSelector>,
    /// Better if they hold.
    pub preferred_during_scheduling_ignored_during_execution: Vec<PreferredSchedulingTerm>,
}

/// A weighed wish about nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PreferredSchedulingTerm {
    /// 1 to 100.
    pub weight: i32,
    /// The wish.
    pub preference: NodeSelectorTerm,
}

/// Any of its terms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeSelector {
    /// One must hold.
    pub node_selector_terms: Vec<NodeSelectorTerm>,
}

/// All of its requirements.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeSelectorTerm {
    /// Over labels.
    pub match_expressions: Vec<NodeSelectorRequirement>,
    /// Over fields (`metadata.name`).
    pub match_fields: Vec<NodeSelectorRequirement>,
}

/// `key operator values`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeSelectorRequirement {
    /// The label or field.
    pub key: String,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt`, `Lt`.
    pub operator: String,
    /// Operands.
    pub values: Vec<String>,
}

/// A spreading wish.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TopologySpreadConstraint {
    /// How uneven it may be.
    pub max_skew: i32,
    /// The node label that names a domain.
    pub topology_key: String,
    /// `DoNotSchedule` or `ScheduleAnyway`.
    pub when_unsatisfiable: String,
    /// Which pods are counted.
    pub label_selector: LabelSelector,
}

/// What controllers read of a pod's status. Complete statuses are written by agents as JSON, never from this view.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed`.
    pub phase: String,
    /// `PodScheduled`, `Ready`, …
    pub conditions: Vec<Condition>,
    /// Why it is in this phase.
    pub reason: String,
    /// For people.
    pub message: String,
    /// Its address.
    #[serde(rename = "podIP")]
    pub pod_ip: String,
    /// The node's address.
    #[serde(rename = "hostIP")]
    pub host_ip: String,
    /// When the agent took it.
    pub start_time: Option<Timestamp>,
    /// Its containers.
    pub container_statuses: Vec<ContainerStatus>,
    /// Its containers that run before.
    pub init_container_statuses: Vec<ContainerStatus>,
    /// The node where others have to go first, while it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nominated_node_name: Option<NodeName>,
}

/// What controllers read of a container's status.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ContainerStatus {
    /// Its name.
    pub name: Arc<str>,
    /// Ready.
    pub ready: bool,
    /// How often it was restarted.
    pub restart_count: i32,
    /// What it does now.
    pub state: ContainerState,
}

/// What controllers read of a container's state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerState {
    /// How it ended, if it did.
    pub terminated: Option<ContainerExit>,
}

/// How a container ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ContainerExit {
    /// What its process returned.
    pub exit_code: i32,
    /// When.
    pub finished_at: Option<Timestamp>,
}

impl Toleration {
    /// Whether it covers the taint, for however long (Kubernetes' `Toleration.ToleratesTaint`).
    pub fn covers(&self, taint: &Taint) -> bool {
        (self.effect.is_empty() || self.effect == taint.effect)
            && (self.key.is_empty() || self.key == taint.key)
            && match self.operator.as_str() {
                "Exists" => true,
                "" | "Equal" => !self.key.is_empty() && self.value == taint.value,
                _ => false,
            }
    }
}

impl PodSpec {
    /// Whether the node selector and the required node affinity name a node of this name and these labels.
    pub fn wants_node(&self, name: &str, labels: &BTreeMap<Arc<str>, Arc<str>>) -> bool {
        let label = |key: &str| labels.get(key).map(|value| &**value);
        let selected = self.node_selector.iter().all(|(key, value)| label(key) == Some(value));
        let required = &self.affinity.node_affinity.required_during_scheduling_ignored_during_execution;
        selected
            && required.as_ref().is_none_or(|required| {
                required.node_selector_terms.iter().any(|term| term.holds(name, label))
            })
    }
}

impl NodeSelectorTerm {
    /// Whether it holds of a node. An empty term holds of nothing (Kubernetes' rule).
    pub fn holds<'a>(&self, name: &'a str, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        let empty = self.match_expressions.is_empty() && self.match_fields.is_empty();
        let fields = |it: &NodeSelectorRequirement| it.holds((it.key == "metadata.name").then_some(name));
        !empty
            && self.match_expressions.iter().all(|it| it.holds(label(&it.key)))
            && self.match_fields.iter().all(fields)
    }
}

impl NodeSelectorRequirement {
    fn holds(&self, value: Option<&str>) -> bool {
        let listed = value.is_some_and(|value| self.values.iter().any(|wanted| wanted == value));
        let number = |text: &str| text.parse::<i64>().ok();
        let operand = || self.values.first().and_then(|text| number(text));
        match self.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            "Gt" => value.and_then(number).zip(operand()).is_some_and(|(own, limit)| own > limit),
            "Lt" => value.and_then(number).zip(operand()).is_some_and(|(own, limit)| own < limit),
            _ => false,
        }
    }
}

impl Pod {
    /// The Ready condition is True.
    pub fn is_ready(&self) -> bool {
        self.status.conditions.iter().any(|condition| condition.kind == "Ready" && condition.status == "True")
    }

    /// When it became ready, if it is.
    pub fn ready_since(&self) -> Option<Timestamp> {
        let ready = self.status.conditions.iter().find(|condition| condition.kind == "Ready")?;
        (ready.status == "True").then_some(ready.last_transition_time).flatten()
    }

    /// When it ended, if it did: when the last of its containers ended.
    pub fn ended_at(&self) -> Option<Timestamp> {
        let exits =
            self.status.container_statuses.iter().filter_map(|status| status.state.terminated.as_ref());
        exits.filter_map(|exit| exit.finished_at).max().filter(|_| self.has_ended())
    }

    /// Succeeded or Failed: it will never run again.
    pub fn has_ended(&self) -> bool {
        matches!(self.status.phase.as_str(), "Succeeded" | "Failed")
    }
}
