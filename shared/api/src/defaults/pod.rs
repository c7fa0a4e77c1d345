//! Defaults of pods and of pod templates; a template gets fewer, as in Kubernetes.

use serde_json::{Map, Value, json};

use super::{container, each_in, volume};
use crate::json::{child, set_default};

/// Fills in a pod: what every pod spec gets, and what only a pod (not a template) gets.
pub fn pod(object: &mut Value) {
    let Some(spec) = child(object, "spec") else { return };
    pod_spec(spec);
    set_default(spec, "enableServiceLinks", true);
    set_default(spec, "priority", 0);
    set_default(spec, "preemptionPolicy", "PreemptLowerPriority");
    let account =
        ["serviceAccountName", "serviceAccount"].map(|key| spec.get(key).cloned().filter(|name| name != ""));
    let account = account.into_iter().flatten().next().unwrap_or_else(|| json!("default"));
    spec.insert("serviceAccountName".into(), account.clone());
    spec.insert("serviceAccount".into(), account);
    let host_network = spec.get("hostNetwork") == Some(&Value::Bool(true));
    for list in ["initContainers", "containers"] {
        each_in(spec, list).for_each(container::requests_from_limits);
        each_in(spec, list).filter(|_| host_network).for_each(container::ports_of_node);
    }
    own_requests(spec);
}

/// A pod that has limits of its own requests what its containers request together, or else what it is limited to.
fn own_requests(spec: &mut Map<String, Value>) {
    let limits = spec.get("resources").and_then(|own| own.get("limits")).and_then(Value::as_object).cloned();
    let Some(limits) = limits.filter(|limits| !limits.is_empty()) else { return };
    let containers = ["initContainers", "containers"].map(|list| (list.to_owned(), spec.get(list).cloned()));
    let containers: Value = containers.into_iter().filter_map(|(list, all)| Some((list, all?))).collect();
    let asked = crate::admission::pod_amounts(&json!({"spec": containers}), "requests");
    let Some(own) = super::existing(spec, "resources") else { return };
    let requests = own.entry("requests").or_insert_with(|| json!({}));
    let Some(requests) = requests.as_object_mut() else { return };
    for (resource, sum) in
        asked.into_iter().filter(|(resource, _)| matches!(resource.as_str(), "cpu" | "memory"))
    {
        requests.entry(resource).or_insert_with(|| json!(sum));
    }
    for (resource, limit) in limits {
        requests.entry(resource).or_insert(limit);
    }
}

/// Fills in the pod template of a workload.
pub fn pod_template(object: &mut Value) {
    pod_template_at(object, "/spec/template");
}

/// Fills in a pod template that is an object of its own.
pub fn template(object: &mut Value) {
    pod_template_at(object, "/template");
}

/// Fills in the pod template at a JSON pointer.
pub(super) fn pod_template_at(object: &mut Value, pointer: &str) {
    let Some(template) = object.pointer_mut(pointer) else { return };
    child(template, "metadata");
    if let Some(spec) = child(template, "spec") {
        pod_spec(spec);
    }
}

fn pod_spec(spec: &mut Map<String, Value>) {
    super::set_nonzero(spec, "restartPolicy", "Always");
    super::set_nonzero(spec, "dnsPolicy", "ClusterFirst");
    super::set_nonzero(spec, "schedulerName", "default-scheduler");
    set_default(spec, "terminationGracePeriodSeconds", 30);
    set_default(spec, "securityContext", json!({}));
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        each_in(spec, list).for_each(container::fill);
    }
    each_in(spec, "volumes").for_each(volume::fill);
}
