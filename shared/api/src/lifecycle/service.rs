//! What a service's update carries over: addresses and node ports that were allocated, and those that its new type drops.

use serde_json::{Map, Value};

use crate::json::{int, items, text};

/// Fills in what was allocated and is not named again, and clears what the new type has no use for unless it was changed.
pub(super) fn carry_over(new: &mut Value, old: &Value) {
    let new_type = text(new, "/spec/type").to_owned();
    let old_type = text(old, "/spec/type");
    let old_ports: Vec<Value> = items(old, "/spec/ports").to_vec();
    let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut) else { return };
    let old_spec = old.get("spec").unwrap_or(&Value::Null);
    if new_type != "ExternalName" && old_type != "ExternalName" && is_empty(spec, "clusterIP") {
        copy(spec, old_spec, &["clusterIP", "clusterIPs"]);
    }
    if new_type == "ExternalName" && old_type != "ExternalName" {
        clear_unchanged(
            spec,
            old_spec,
            &["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"],
        );
    }
    let exposed = |kind: &str| matches!(kind, "NodePort" | "LoadBalancer");
    if new_type != "LoadBalancer" && old_type == "LoadBalancer" {
        clear_unchanged(spec, old_spec, &["allocateLoadBalancerNodePorts", "loadBalancerClass"]);
    }
    if !is_health_checked(spec) && old_spec.as_object().is_some_and(is_health_checked) {
        clear_unchanged(spec, old_spec, &["healthCheckNodePort"]);
    }
    if !is_reached_from_outside(spec) && old_spec.as_object().is_some_and(is_reached_from_outside) {
        clear_unchanged(spec, old_spec, &["externalTrafficPolicy"]);
    }
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        node_port(port, &old_ports, exposed(&new_type), exposed(old_type));
    }
}

/// A balancer asks its nodes whether they have pods of it.
fn is_health_checked(spec: &Map<String, Value>) -> bool {
    let is = |key: &str, wanted: &str| spec.get(key).and_then(Value::as_str) == Some(wanted);
    is("type", "LoadBalancer") && is("externalTrafficPolicy", "Local")
}

fn is_reached_from_outside(spec: &Map<String, Value>) -> bool {
    let external = spec.get("externalIPs").and_then(Value::as_array).is_some_and(|ips| !ips.is_empty());
    match spec.get("type").and_then(Value::as_str) {
        Some("NodePort" | "LoadBalancer") => true,
        Some("ClusterIP") => external,
        _ => false,
    }
}

/// A port keeps its node port; without node ports, one that nobody changed goes.
fn node_port(port: &mut Value, old: &[Value], exposed: bool, was_exposed: bool) {
    let same = |known: &&Value| {
        known.get("port") == port.get("port") && text(known, "/protocol") == text(port, "/protocol")
    };
    let known = old.iter().find(same).and_then(|known| int(known, "/nodePort")).filter(|number| *number != 0);
    let wanted = int(port, "/nodePort").filter(|number| *number != 0);
    let (Some(known), Some(port)) = (known, port.as_object_mut()) else { return };
    match wanted {
        None if exposed && was_exposed => {
            port.insert("nodePort".into(), known.into());
        }
        Some(wanted) if !exposed && was_exposed && wanted == known => {
            port.remove("nodePort");
        }
        _ => {}
    }
}

fn is_empty(spec: &Map<String, Value>, key: &str) -> bool {
    spec.get(key).and_then(Value::as_str).is_none_or(str::is_empty)
}

fn copy(spec: &mut Map<String, Value>, old: &Value, keys: &[&str]) {
    for key in keys {
        super::replace(spec, key, old.get(*key));
    }
}

fn clear_unchanged(spec: &mut Map<String, Value>, old: &Value, keys: &[&str]) {
    for key in keys.iter().filter(|key| old.get(**key).is_some()) {
        if spec.get(*key) == old.get(*key) {
            spec.remove(*key);
        }
    }
}
