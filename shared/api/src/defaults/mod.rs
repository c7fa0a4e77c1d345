//! What Kubernetes fills in where an object says nothing, one function per kind.

mod admission;
mod api_service;
mod autoscaler;
mod batch;
mod config;
mod container;
mod event;
mod extension;
mod network;
mod pod;
mod policy;
mod rbac;
mod storage;
mod volume;
mod workload;

pub use admission::{
    admission_policy, admission_policy_binding, mutating_policy, mutating_webhook_configuration,
    webhook_configuration,
};
pub use api_service::api_service;
pub use autoscaler::autoscaler;
pub use batch::{cron_job, job};
pub use config::{namespace, namespace_label, node, none, secret};
pub use event::event;
pub use extension::custom_resource_definition;
pub use network::{endpoint_slice, endpoints, service};
pub use pod::{pod, pod_template, template};
pub use policy::{ingress_class, limit_range, network_policy, priority_class};
pub use rbac::binding;
pub use storage::{csi_driver, persistent_volume, persistent_volume_claim, storage_class};
pub use workload::{daemon_set, deployment, replica_set, replication_controller, stateful_set};

use serde_json::{Map, Value};

/// The objects of the array at a JSON pointer.
fn each<'a>(value: &'a mut Value, pointer: &str) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    value
        .pointer_mut(pointer)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
}

/// The object under `key`, if it is there.
fn existing<'a>(object: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
    object.get_mut(key).and_then(Value::as_object_mut)
}

/// The objects of the array under `key`.
fn each_in<'a>(
    object: &'a mut Map<String, Value>,
    key: &str,
) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    object.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

/// Sets `key` unless it is present and neither null, zero nor empty text (Go's zero value means absent there).
fn set_nonzero(object: &mut Map<String, Value>, key: &str, default: impl Into<Value>) {
    let absent = match object.get(key) {
        None | Some(Value::Null) => true,
        Some(Value::Number(number)) => number.as_i64() == Some(0),
        Some(Value::String(text)) => text.is_empty(),
        Some(_) => false,
    };
    if absent {
        object.insert(key.to_owned(), default.into());
    }
}

#[cfg(test)]
mod cluster_tests;
#[cfg(test)]
mod tests;
