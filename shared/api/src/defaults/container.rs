//! Defaults of containers: pull policy by tag, probes, ports, termination messages, requests from limits.

use serde_json::{Map, Value, json};

use super::{each_in, existing, set_nonzero, volume};
use crate::json::set_default;

/// Fills in one container.
pub(super) fn fill(container: &mut Map<String, Value>) {
    let policy = pull_policy(container.get("image").and_then(Value::as_str).unwrap_or_default());
    set_nonzero(container, "imagePullPolicy", policy);
    set_nonzero(container, "terminationMessagePath", "/dev/termination-log");
    set_nonzero(container, "terminationMessagePolicy", "File");
    set_default(container, "resources", json!({}));
    for port in each_in(container, "ports") {
        set_nonzero(port, "protocol", "TCP");
    }
    for variable in each_in(container, "env") {
        if let Some(source) = existing(variable, "valueFrom") {
            volume::references(source);
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = existing(container, name) {
            fill_probe(probe);
        }
    }
    for hook in ["postStart", "preStop"] {
        if let Some(handler) =
            existing(container, "lifecycle").and_then(|lifecycle| existing(lifecycle, hook))
        {
            fill_http(handler);
        }
    }
}

/// With the node's network a container's port is the node's.
pub(super) fn ports_of_node(container: &mut Map<String, Value>) {
    for port in each_in(container, "ports") {
        if let Some(number) = port.get("containerPort").cloned() {
            set_nonzero(port, "hostPort", number);
        }
    }
}

/// When the image of a container or of a volume is pulled, if that is not said.
pub(super) fn pull_policy(image: &str) -> &'static str {
    if is_latest(image) { "Always" } else { "IfNotPresent" }
}

/// What is limited and not requested is requested in full.
pub(super) fn requests_from_limits(container: &mut Map<String, Value>) {
    let Some(resources) = existing(container, "resources") else { return };
    let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned() else { return };
    let requests = resources.entry("requests").or_insert_with(|| json!({}));
    if let Some(requests) = requests.as_object_mut() {
        for (resource, limit) in limits {
            requests.entry(resource).or_insert(limit);
        }
    }
}

/// No tag and no digest means `latest`.
fn is_latest(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

fn fill_probe(probe: &mut Map<String, Value>) {
    set_nonzero(probe, "timeoutSeconds", 1);
    set_nonzero(probe, "periodSeconds", 10);
    set_nonzero(probe, "successThreshold", 1);
    set_nonzero(probe, "failureThreshold", 3);
    fill_http(probe);
    if let Some(grpc) = existing(probe, "grpc") {
        set_default(grpc, "service", "");
    }
}

fn fill_http(handler: &mut Map<String, Value>) {
    if let Some(http) = existing(handler, "httpGet") {
        set_nonzero(http, "path", "/");
        set_nonzero(http, "scheme", "HTTP");
    }
}
