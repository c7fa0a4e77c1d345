//! Disruption budgets, for their own actor and for evictions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Condition, LabelSelector, resource};
use crate::Timestamp;
use crate::intstr::IntOrPercent;

/// A disruption budget.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodDisruptionBudget {
    /// Desired.
    pub spec: PodDisruptionBudgetSpec,
    /// Observed.
    pub status: PodDisruptionBudgetStatus,
}
resource!(PodDisruptionBudget, "poddisruptionbudgets.policy", PodDisruptionBudgetStatus);

/// `spec` of a disruption budget.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodDisruptionBudgetSpec {
    /// A number or a share of pods that stay.
    pub min_available: Option<Value>,
    /// A number or a share of pods that may be away.
    pub max_unavailable: Option<Value>,
    /// Its pods; none if it is absent, all of the namespace if it is empty.
    pub selector: Option<LabelSelector>,
    /// `IfHealthyBudget` or `AlwaysAllow`.
    pub unhealthy_pod_eviction_policy: Option<String>,
}

/// `status` of a disruption budget.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodDisruptionBudgetStatus {
    /// The generation this status is about.
    pub observed_generation: i64,
    /// Pods whose eviction was granted and that still look alive.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub disrupted_pods: BTreeMap<String, Timestamp>,
    /// How many pods may be evicted now.
    pub disruptions_allowed: i64,
    /// Pods that are healthy.
    pub current_healthy: i64,
    /// Pods that must be healthy.
    pub desired_healthy: i64,
    /// Pods that there should be.
    pub expected_pods: i64,
    /// `DisruptionAllowed`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

impl PodDisruptionBudgetSpec {
    /// What may be away, if that is how it is said.
    pub fn most_unavailable(&self) -> Option<IntOrPercent> {
        self.max_unavailable.as_ref().and_then(IntOrPercent::parse)
    }

    /// What must stay, if that is how it is said.
    pub fn least_available(&self) -> Option<IntOrPercent> {
        self.min_available.as_ref().and_then(IntOrPercent::parse)
    }

    /// Whether a pod with these labels is its own.
    pub fn selects(&self, labels: &BTreeMap<std::sync::Arc<str>, std::sync::Arc<str>>) -> bool {
        self.selector.as_ref().is_some_and(|selector| selector.matches(labels))
    }
}

impl PodDisruptionBudgetStatus {
    /// Says in the condition whether a pod may be evicted; `since` is when that changed, if it did.
    pub fn set_condition(&mut self, since: Timestamp) {
        let (status, reason) = match self.disruptions_allowed {
            1.. => ("True", "SufficientPods"),
            _ => ("False", "InsufficientPods"),
        };
        let before = self.conditions.iter().find(|condition| condition.kind == DISRUPTION_ALLOWED);
        let last_transition_time = match before {
            Some(before) if before.status == status => before.last_transition_time,
            _ => Some(since),
        };
        let condition = Condition {
            kind: DISRUPTION_ALLOWED.into(),
            status: status.into(),
            reason: reason.into(),
            last_transition_time,
            observed_generation: Some(self.observed_generation),
            ..Condition::default()
        };
        self.conditions = vec![condition];
    }
}

/// The condition of every budget.
const DISRUPTION_ALLOWED: &str = "DisruptionAllowed";
