//! Cluster roles, for the actor that puts aggregated ones together.

use serde::{Deserialize, Serialize};

use super::{LabelSelector, resource};
use crate::rbac::Rule;

/// A cluster role.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterRole {
    /// What it allows.
    pub rules: Option<Vec<Rule>>,
    /// Whose rules it takes over, if it has none of its own.
    pub aggregation_rule: Option<AggregationRule>,
    /// Nothing: cluster roles have no status.
    #[serde(skip)]
    pub status: (),
}
resource!(ClusterRole, "clusterroles.rbac.authorization.k8s.io", ());

/// Which cluster roles another one is made of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AggregationRule {
    /// Those that any of these selects.
    pub cluster_role_selectors: Vec<LabelSelector>,
}

impl ClusterRole {
    /// What selects the roles that it is made of; nothing for a role with rules of its own.
    pub fn selectors(&self) -> &[LabelSelector] {
        self.aggregation_rule.as_ref().map(|rule| rule.cluster_role_selectors.as_slice()).unwrap_or_default()
    }
}
