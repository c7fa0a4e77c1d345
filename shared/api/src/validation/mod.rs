//! What Kubernetes refuses, with its field paths and in its words. One entry point per kind.

mod address;
mod admission;
mod affinity;
mod api_service;
mod autoscaler;
mod batch;
mod certificates;
mod claim;
mod classes;
mod client_config;
mod config;
mod container;
mod endpoints;
mod environment;
mod ephemeral;
pub(crate) mod errors;
mod event;
mod extension;
mod format;
mod ingress;
mod job_indexes;
mod job_status;
mod limits;
mod meta;
mod mounts;
mod mutating_policy;
mod network_policy;
mod node;
mod pod;
mod pod_change;
mod policy;
mod probe;
mod rbac;
mod resize;
mod resources;
mod security;
mod service;
mod stateful_set;
mod status;
mod storage;
mod volume;
mod workload;

pub use admission::{
    admission_policy, admission_policy_binding, mutating_policy_binding, mutating_webhook_configuration,
    webhook_configuration,
};
pub use api_service::api_service;
pub use autoscaler::autoscaler;
pub use batch::{cron_job, job};
pub use certificates::{signing_conditions, signing_request};
pub use claim::persistent_volume_claim;
pub use classes::{pod_template, priority_class, resource_quota, runtime_class};
pub use config::{config_map, lease, namespace, secret, service_account};
pub use endpoints::{endpoint_slice, endpoints};
pub use ephemeral::ephemeral_containers;
pub use event::{event, new_event};
pub use extension::{
    converted_metadata, custom_resource, custom_resource_definition, custom_resource_definition_status,
    embedded_resource, scale_of_custom_resource,
};
pub use format::{dns_1035_label, dns_label, dns_subdomain, label_value, qualified_name};
pub use ingress::{ingress, ingress_class};
pub use limits::limit_range;
pub use mutating_policy::mutating_policy;
pub use network_policy::network_policy;
pub use node::node;
pub use pod::pod;
pub use policy::disruption_budget;
pub use rbac::{cluster_role, cluster_role_binding, role, role_binding};
pub use resize::resize;
pub use service::{cluster_ips, service};
pub use stateful_set::{controller_revision, daemon_set, stateful_set};
pub use status::status;
pub use storage::{csi_driver, csi_node, persistent_volume, storage_class, volume_attachment};
pub use workload::{deployment, replica_set, replication_controller};

use errors::Errors;

#[cfg(test)]
mod change_tests;
#[cfg(test)]
mod cluster_tests;
#[cfg(test)]
mod pod_tests;
#[cfg(test)]
mod status_tests;
#[cfg(test)]
mod tests;
