//! ResourceQuotas, for their own actor.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::resource;

/// A quota.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceQuota {
    /// Desired.
    pub spec: ResourceQuotaSpec,
    /// Observed.
    pub status: ResourceQuotaStatus,
}
resource!(ResourceQuota, "resourcequotas", ResourceQuotaStatus);

/// `spec` of a quota; its scopes are read where usage is counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceQuotaSpec {
    /// What may be used at most.
    pub hard: BTreeMap<String, String>,
}

/// `status` of a quota.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceQuotaStatus {
    /// What may be used at most, as it was counted for.
    pub hard: BTreeMap<String, String>,
    /// What is used.
    pub used: BTreeMap<String, String>,
}
