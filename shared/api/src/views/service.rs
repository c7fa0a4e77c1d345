//! Services, for their own actor and the proxies' route table.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Condition, resource};

/// A service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Service {
    /// Desired.
    pub spec: ServiceSpec,
    /// Observed.
    pub status: ServiceStatus,
}
resource!(Service, "services", ServiceStatus);

/// `spec` of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceSpec {
    /// `ClusterIP`, `NodePort`, `LoadBalancer`, `ExternalName`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The first cluster IP; `None` (the word) for headless services.
    #[serde(rename = "clusterIP")]
    pub cluster_ip: String,
    /// All cluster IPs.
    #[serde(rename = "clusterIPs")]
    pub cluster_ips: Vec<String>,
    /// Empty: endpoints are made by hand.
    pub selector: BTreeMap<Arc<str>, Arc<str>>,
    /// Ports.
    pub ports: Vec<ServicePort>,
    /// `None` or `ClientIP`.
    pub session_affinity: String,
    /// Its time-out.
    pub session_affinity_config: Option<serde_json::Value>,
    /// Publish pods that are not ready too.
    pub publish_not_ready_addresses: bool,
    /// `Cluster` or `Local`.
    pub external_traffic_policy: String,
    /// `Cluster` or `Local`.
    pub internal_traffic_policy: String,
    /// For `ExternalName`.
    pub external_name: String,
}

/// A port of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServicePort {
    /// Required if there are several.
    pub name: String,
    /// `TCP` or `UDP`.
    pub protocol: String,
    /// Hint for proxies.
    pub app_protocol: String,
    /// The service's port.
    pub port: u16,
    /// The pods' port: a number or the name of a container port.
    pub target_port: serde_json::Value,
    /// The port on every node.
    pub node_port: u16,
}

/// `status` of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceStatus {
    /// Addresses of a load balancer.
    pub load_balancer: serde_json::Map<String, serde_json::Value>,
    /// Conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
