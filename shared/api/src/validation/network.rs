//! Rules of services and their endpoints.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::container::number_in_range;
use super::format::{dns_1035_label, dns_label, dns_subdomain, ip, port_name};
use super::{Errors, meta};
use crate::json::{int, items, text};
use crate::kinds::FieldError;

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
const NODE_PORTS: std::ops::RangeInclusive<i64> = 30_000..=32_767;

/// Checks a service.
pub fn service(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::metadata(&mut errors, object, old, dns_1035_label);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let kind = text(spec, "/type");
    let headless = text(spec, "/clusterIP") == "None";
    if items(spec, "/ports").is_empty() && !headless && kind != "ExternalName" {
        errors.required("spec.ports", "");
    }
    if headless && matches!(kind, "LoadBalancer" | "NodePort") {
        let detail = format!("may not be set to 'None' for {kind} services");
        errors.invalid("spec.clusterIPs[0]", "None", &detail);
    }
    ports(&mut errors, spec);
    meta::labels(&mut errors, spec, "/selector", "spec.selector");
    affinity(&mut errors, spec);
    addresses(&mut errors, spec, kind, headless);
    errors.one_of("spec.type".into(), kind, &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"], true);
    shared_ports(&mut errors, spec, kind);
    policies(&mut errors, spec, kind);
    if let Some(old) = old {
        keep_address(&mut errors, spec, old.get("spec").unwrap_or(&Value::Null));
    }
    errors.0
}

/// Each port by itself, and their names.
fn ports(errors: &mut Errors, spec: &Value) {
    let ports = items(spec, "/ports");
    let mut names = HashSet::new();
    for (index, port) in ports.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        match text(port, "/name") {
            "" if ports.len() > 1 => errors.required(format!("{path}.name"), ""),
            "" => {}
            name => {
                errors.format(&format!("{path}.name"), name, dns_label(name));
                if !names.insert(name) {
                    errors.duplicate(format!("{path}.name"), name);
                }
            }
        }
        let number = int(port, "/port").unwrap_or(0);
        let protocol = text(port, "/protocol");
        number_in_range(errors, &format!("{path}.port"), number);
        errors.one_of(format!("{path}.protocol"), protocol, &PROTOCOLS, true);
        match port.get("targetPort") {
            Some(Value::String(name)) => errors.format(&format!("{path}.targetPort"), name, port_name(name)),
            Some(number) => {
                number_in_range(errors, &format!("{path}.targetPort"), number.as_i64().unwrap_or(0))
            }
            None => {}
        }
    }
}

/// No two ports are the same, on the service's address or on nodes.
fn shared_ports(errors: &mut Errors, spec: &Value, kind: &str) {
    let (mut numbers, mut node_ports) = (HashSet::new(), HashSet::new());
    for (index, port) in items(spec, "/ports").iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        let (protocol, number) = (text(port, "/protocol"), int(port, "/port").unwrap_or(0));
        if !numbers.insert((protocol, number)) {
            let shown = format!(
                "{{\"Name\":\"\",\"Protocol\":{protocol:?},\"AppProtocol\":null,\"Port\":{number},\"TargetPort\":0,\"NodePort\":0}}"
            );
            errors.duplicate_as(path.as_str(), &shown);
        }
        let node_port = int(port, "/nodePort").unwrap_or(0);
        let path = format!("{path}.nodePort");
        match node_port {
            0 => {}
            _ if matches!(kind, "ClusterIP" | "ExternalName") => {
                errors.forbidden(path, &format!("may not be used when `type` is '{kind}'"));
            }
            number if !NODE_PORTS.contains(&number) => errors.invalid(
                path,
                number,
                "provided port is not in the valid range. The range of valid ports is 30000-32767",
            ),
            number if !node_ports.insert((protocol, number)) => errors.duplicate(path, number),
            _ => {}
        }
    }
}

fn addresses(errors: &mut Errors, spec: &Value, kind: &str, headless: bool) {
    let cluster_ip = text(spec, "/clusterIP");
    if kind == "ExternalName" {
        if !cluster_ip.is_empty() {
            let detail = "may not be set when `type` is 'ExternalName'";
            errors.forbidden("spec.clusterIPs[0]", detail);
        }
        match text(spec, "/externalName") {
            "" => errors.required("spec.externalName", ""),
            name => errors.format("spec.externalName", name, dns_subdomain(name.trim_end_matches('.'))),
        }
    } else if !cluster_ip.is_empty() && !headless {
        errors.format("spec.clusterIPs[0]", cluster_ip, ip(cluster_ip));
    }
    if let Some(first) = items(spec, "/clusterIPs").first().filter(|first| first.as_str() != Some(cluster_ip))
    {
        errors.invalid("spec.clusterIP", first.clone(), "must be the same as `spec.clusterIPs[0]`");
    }
    for (index, address) in items(spec, "/externalIPs").iter().filter_map(Value::as_str).enumerate() {
        errors.format(&format!("spec.externalIPs[{index}]"), address, ip(address));
    }
}

fn affinity(errors: &mut Errors, spec: &Value) {
    let affinity = text(spec, "/sessionAffinity");
    errors.one_of("spec.sessionAffinity".into(), affinity, &["ClientIP", "None"], true);
    let seconds = int(spec, "/sessionAffinityConfig/clientIP/timeoutSeconds");
    if let Some(seconds) = seconds.filter(|seconds| affinity == "ClientIP" && !(1..=86_400).contains(seconds))
    {
        let path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
        errors.invalid(path, seconds, "must be greater than 0 and less than 86400");
    }
}

fn policies(errors: &mut Errors, spec: &Value, kind: &str) {
    let external = text(spec, "/externalTrafficPolicy");
    let outside = matches!(kind, "NodePort" | "LoadBalancer") || !items(spec, "/externalIPs").is_empty();
    if !external.is_empty() && !outside {
        let detail = "may only be set for externally-accessible services";
        errors.invalid("spec.externalTrafficPolicy", external, detail);
    } else {
        errors.one_of("spec.externalTrafficPolicy".into(), external, &["Cluster", "Local"], false);
    }
    let internal = text(spec, "/internalTrafficPolicy");
    errors.one_of("spec.internalTrafficPolicy".into(), internal, &["Cluster", "Local"], false);
    let families = ["SingleStack", "PreferDualStack", "RequireDualStack"];
    errors.one_of("spec.ipFamilyPolicy".into(), text(spec, "/ipFamilyPolicy"), &families, false);
}

/// A service's address stays, unless it becomes or was an external name.
fn keep_address(errors: &mut Errors, new: &Value, old: &Value) {
    let external = |spec: &Value| text(spec, "/type") == "ExternalName";
    let (wanted, known) = (text(new, "/clusterIP"), text(old, "/clusterIP"));
    if !external(new) && !external(old) && !known.is_empty() && wanted != known {
        errors.invalid("spec.clusterIPs[0]", json!([wanted]), "may not change once set");
    }
}

/// Checks the legacy endpoints of a service.
pub fn endpoints(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    for (index, subset) in items(object, "/subsets").iter().enumerate() {
        let path = format!("subsets[{index}]");
        for list in ["addresses", "notReadyAddresses"] {
            for (index, address) in items(subset, &format!("/{list}")).iter().enumerate() {
                let address = text(address, "/ip");
                errors.format(&format!("{path}.{list}[{index}].ip"), address, ip(address));
            }
        }
        for (index, port) in items(subset, "/ports").iter().enumerate() {
            let path = format!("{path}.ports[{index}]");
            number_in_range(&mut errors, &format!("{path}.port"), int(port, "/port").unwrap_or(0));
            errors.one_of(format!("{path}.protocol"), text(port, "/protocol"), &PROTOCOLS, true);
            if items(subset, "/ports").len() > 1 {
                errors.needs(port, &path, "name");
            }
        }
    }
    errors.0
}

/// Checks an endpoint slice.
pub fn endpoint_slice(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    let family = text(object, "/addressType");
    errors.one_of("addressType".into(), family, &["FQDN", "IPv4", "IPv6"], true);
    for (index, endpoint) in items(object, "/endpoints").iter().enumerate() {
        let path = format!("endpoints[{index}].addresses");
        let addresses = items(endpoint, "/addresses");
        if addresses.is_empty() {
            errors.required(path.as_str(), "must contain at least 1 address");
        }
        for (index, address) in addresses.iter().filter_map(Value::as_str).enumerate() {
            let format = if family == "FQDN" { dns_subdomain } else { ip };
            errors.format(&format!("{path}[{index}]"), address, format(address));
        }
    }
    let mut names = HashSet::new();
    for (index, port) in items(object, "/ports").iter().enumerate() {
        let path = format!("ports[{index}]");
        let name = text(port, "/name");
        if !names.insert(name) {
            errors.duplicate(format!("{path}.name"), name);
        }
        errors.one_of(format!("{path}.protocol"), text(port, "/protocol"), &PROTOCOLS, true);
    }
    if let Some(old) = old {
        errors.immutable("addressType", object.get("addressType"), old.get("addressType"));
    }
    errors.0
}
