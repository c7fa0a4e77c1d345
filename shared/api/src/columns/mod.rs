//! What `kubectl get` shows of each kind: columns, and the cells of one object.

mod admission;
mod age;
mod api_service;
mod autoscaler;
mod batch;
mod certificates;
mod classes;
mod config;
mod extension;
mod ingress;
mod network;
mod node;
mod pod;
mod policy;
mod rbac;
mod storage;
mod workload;

pub use admission::{
    ADMISSION_POLICY, ADMISSION_POLICY_BINDING, MUTATING_POLICY, WEBHOOK_CONFIGURATION, admission_policy,
    admission_policy_binding, mutating_policy, webhook_configuration,
};
pub use age::{ago, human_duration};
pub use api_service::{API_SERVICE, api_service};
pub use autoscaler::{AUTOSCALER, autoscaler};
pub use batch::{CRON_JOB, JOB, cron_job, job};
pub use certificates::{SIGNING_REQUEST, signing_request};
pub use classes::{
    NAME_AND_TIME, POD_TEMPLATE, PRIORITY_CLASS, RESOURCE_QUOTA, RUNTIME_CLASS, name_and_time, pod_template,
    priority_class, resource_quota, runtime_class,
};
pub use config::{
    CONFIG_MAP, EVENT, LEASE, NAMESPACE, SECRET, SERVICE_ACCOUNT, config_map, event, lease, namespace,
    secret, service_account,
};
pub use extension::{CUSTOM_RESOURCE_DEFINITION, custom_resource_definition};
pub use ingress::{INGRESS, INGRESS_CLASS, NETWORK_POLICY, ingress, ingress_class, network_policy};
pub use network::{ENDPOINT_SLICE, ENDPOINTS, SERVICE, endpoint_slice, endpoints, service};
pub use node::{NODE, node};
pub use pod::{POD, pod};
pub use policy::{DISRUPTION_BUDGET, disruption_budget};
pub use rbac::{BINDING, ROLE, binding, role};
pub use storage::{
    CSI_DRIVER, CSI_NODE, PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM, STORAGE_CLASS, VOLUME_ATTACHMENT,
    csi_driver, csi_node, persistent_volume, persistent_volume_claim, storage_class, volume_attachment,
};
pub use workload::{
    CONTROLLER_REVISION, DAEMON_SET, DEPLOYMENT, REPLICA_SET, STATEFUL_SET, controller_revision, daemon_set,
    deployment, replica_set, stateful_set,
};

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::Timestamp;
use crate::json::text;
use crate::kinds::Column;

/// The first column of every table.
pub(crate) const NAME: Column = named(0, "The object's name, unique in its namespace.");
/// How long ago the object was made.
pub(crate) const AGE: Column = shown("Age", "string", "How long ago the object was created.");

/// A column that is always shown.
const fn shown(name: &'static str, kind: &'static str, description: &'static str) -> Column {
    column([name, kind, "", description], 0)
}

/// A column that `-o wide` shows.
const fn wide(name: &'static str, kind: &'static str, description: &'static str) -> Column {
    column([name, kind, "", description], 1)
}

/// The column of names.
const fn named(priority: i32, description: &'static str) -> Column {
    column(["Name", "string", "name", description], priority)
}

const fn column([name, kind, format, description]: [&'static str; 4], priority: i32) -> Column {
    Column {
        name: Cow::Borrowed(name),
        kind: Cow::Borrowed(kind),
        format: Cow::Borrowed(format),
        priority,
        description: Cow::Borrowed(description),
    }
}

fn name(object: &Value) -> Value {
    json!(text(object, "/metadata/name"))
}

/// The `Age` cell.
fn age(object: &Value, now: Timestamp) -> Value {
    json!(ago(text(object, "/metadata/creationTimestamp"), now))
}

/// The text, or Kubernetes' mark for nothing.
fn or_none(text: &str) -> &str {
    or("<none>", text)
}

/// The text, or what stands for none.
fn or<'a>(other: &'a str, text: &'a str) -> &'a str {
    if text.is_empty() { other } else { text }
}

#[cfg(test)]
mod cluster_tests;
#[cfg(test)]
mod tests;
