//! What Kubernetes refuses, with its field paths and in its words. One entry point per kind.

mod affinity;
mod batch;
mod config;
mod container;
mod ephemeral;
mod errors;
mod format;
mod meta;
mod network;
mod node;
mod pod;
mod policy;
mod probe;
mod rbac;
mod resources;
mod stateful_set;
mod volume;
mod workload;

pub use batch::{cron_job, job};
pub use config::{config_map, event, lease, namespace, secret, service_account};
pub use ephemeral::ephemeral_containers;
pub use format::{dns_label, dns_subdomain, label_value, qualified_name};
pub use network::{endpoint_slice, endpoints, service};
pub use node::node;
pub use pod::pod;
pub use policy::disruption_budget;
pub use rbac::{cluster_role, cluster_role_binding, role, role_binding};
pub use stateful_set::{controller_revision, daemon_set, stateful_set};
pub use workload::{deployment, replica_set, replication_controller};

use errors::Errors;

#[cfg(test)]
mod tests;
