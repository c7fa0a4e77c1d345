//! What Kubernetes refuses, with its field paths and in its words. One entry point per kind.

mod affinity;
mod config;
mod container;
mod errors;
mod format;
mod meta;
mod network;
mod node;
mod pod;
mod probe;
mod resources;
mod volume;
mod workload;

pub use config::{config_map, event, lease, namespace, secret, service_account};
pub use format::{dns_label, dns_subdomain, label_value, qualified_name};
pub use network::{endpoint_slice, endpoints, service};
pub use node::node;
pub use pod::pod;
pub use workload::{deployment, replica_set};

use errors::Errors;

#[cfg(test)]
mod tests;
