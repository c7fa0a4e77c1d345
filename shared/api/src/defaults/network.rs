//! Defaults of services and their endpoints.

use serde_json::{Map, Value, json};

use super::{each, each_in, existing, set_nonzero};
use crate::json::{child, set_default};

const CLIENT_IP_SECONDS: i64 = 10_800;

/// A `ClusterIP` service over TCP, for IPv4 only. Addresses and node ports are allocated by the gateway.
pub fn service(object: &mut Value) {
    let Some(spec) = child(object, "spec") else { return };
    set_nonzero(spec, "type", "ClusterIP");
    set_nonzero(spec, "sessionAffinity", "None");
    session_affinity(spec);
    let kind = spec.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    if kind != "ExternalName" {
        set_default(spec, "internalTrafficPolicy", "Cluster");
        set_default(spec, "ipFamilies", json!(["IPv4"]));
        set_nonzero(spec, "ipFamilyPolicy", "SingleStack");
    }
    let listed = spec.get("externalIPs").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") || kind == "ClusterIP" && listed {
        set_nonzero(spec, "externalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        set_default(spec, "allocateLoadBalancerNodePorts", true);
    }
    let is_balanced = kind == "LoadBalancer";
    for port in each_in(spec, "ports") {
        set_nonzero(port, "protocol", "TCP");
        if let Some(number) = port.get("port").cloned() {
            set_nonzero(port, "targetPort", number);
        }
    }
    if is_balanced {
        for ingress in each(object, "/status/loadBalancer/ingress") {
            if ingress.get("ip").and_then(Value::as_str).is_some_and(|ip| !ip.is_empty()) {
                set_default(ingress, "ipMode", "VIP");
            }
        }
    }
}

fn session_affinity(spec: &mut Map<String, Value>) {
    match spec.get("sessionAffinity").and_then(Value::as_str) {
        Some("ClientIP") => {
            set_default(spec, "sessionAffinityConfig", json!({}));
            if let Some(config) = existing(spec, "sessionAffinityConfig") {
                set_default(config, "clientIP", json!({}));
                if let Some(client) = existing(config, "clientIP") {
                    set_default(client, "timeoutSeconds", CLIENT_IP_SECONDS);
                }
            }
        }
        Some("None") => {
            spec.remove("sessionAffinityConfig");
        }
        _ => {}
    }
}

/// Ports speak TCP.
pub fn endpoints(object: &mut Value) {
    for subset in each(object, "/subsets") {
        for port in each_in(subset, "ports") {
            set_nonzero(port, "protocol", "TCP");
        }
    }
}

/// Ports speak TCP and have a name, if an empty one.
pub fn endpoint_slice(object: &mut Value) {
    for port in each(object, "/ports") {
        set_nonzero(port, "protocol", "TCP");
        set_default(port, "name", "");
    }
    for endpoint in each(object, "/endpoints") {
        set_default(endpoint, "conditions", serde_json::json!({}));
    }
}
