//! ReplicationControllers: replica sets whose selector is a plain map.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{LabelSelector, ReplicaSetSpec, ReplicaSetStatus, resource};

/// A replication controller, read as the replica set that it is but for its name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct ReplicationController {
    /// Desired.
    pub spec: ReplicaSetSpec,
    /// Observed.
    pub status: ReplicaSetStatus,
}
resource!(ReplicationController, "replicationcontrollers", ReplicaSetStatus);

/// As it is stored.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Stored {
    spec: StoredSpec,
    status: ReplicaSetStatus,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct StoredSpec {
    replicas: i32,
    min_ready_seconds: i32,
    selector: BTreeMap<Arc<str>, Arc<str>>,
    template: serde_json::Value,
}

impl From<Stored> for ReplicationController {
    fn from(Stored { spec, status }: Stored) -> Self {
        let StoredSpec { replicas, min_ready_seconds, selector, template } = spec;
        let selector = LabelSelector { match_labels: selector, match_expressions: Vec::new() };
        Self { spec: ReplicaSetSpec { replicas, min_ready_seconds, selector, template }, status }
    }
}
