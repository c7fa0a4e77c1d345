//! Rules of the endpoints of services, old and new.

use std::collections::HashSet;

use serde_json::Value;

use super::address::{ip, parse, reachable};
use super::container::number_in_range;
use super::format::{dns_label, dns_subdomain, full_domain, label_value, qualified_name};
use super::service::PROTOCOLS;
use super::{Errors, meta};
use crate::json::{entries, given, int, items, text};
use crate::kinds::FieldError;

/// What a slice may hold.
const MOST_ENDPOINTS: usize = 1000;
const MOST_PORTS: usize = 20_000;
const MOST_ADDRESSES: usize = 100;
const MOST_HINTS: usize = 8;
const MOST_TOPOLOGY: usize = 16;

/// Checks the legacy endpoints of a service.
pub fn endpoints(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    for (index, subset) in items(object, "/subsets").iter().enumerate() {
        let path = format!("subsets[{index}]");
        let lists = ["addresses", "notReadyAddresses"];
        if lists.iter().all(|list| items(subset, &format!("/{list}")).is_empty()) {
            errors.required(path.as_str(), "must specify `addresses` or `notReadyAddresses`");
        }
        for list in lists {
            for (index, one) in items(subset, &format!("/{list}")).iter().enumerate() {
                address(&mut errors, one, &format!("{path}.{list}[{index}]"));
            }
        }
        let ports = items(subset, "/ports");
        for (index, one) in ports.iter().enumerate() {
            let path = format!("{path}.ports[{index}]");
            if ports.len() > 1 {
                errors.needs(one, &path, "name");
            }
            errors.formatted(one, &path, "name", dns_label);
            number_in_range(&mut errors, &format!("{path}.port"), int(one, "/port").unwrap_or(0));
            errors.one_of(format!("{path}.protocol"), text(one, "/protocol"), &PROTOCOLS, true);
            app_protocol(&mut errors, one, &path);
        }
    }
    errors.0
}

fn address(errors: &mut Errors, one: &Value, path: &str) {
    let address = text(one, "/ip");
    errors.format(&format!("{path}.ip"), address, ip(address));
    errors.formatted(one, path, "hostname", dns_label);
    if let Some(node) = given(one, "/nodeName").and_then(Value::as_str) {
        errors.format(&format!("{path}.nodeName"), node, dns_subdomain(node));
    }
    errors.format(&format!("{path}.ip"), address, reachable(address));
}

fn app_protocol(errors: &mut Errors, port: &Value, path: &str) {
    if let Some(protocol) = given(port, "/appProtocol").and_then(Value::as_str) {
        errors.format(&format!("{path}.appProtocol"), protocol, qualified_name(protocol));
    }
}

/// Checks an endpoint slice.
pub fn endpoint_slice(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::standard(&mut errors, object, old);
    let family = text(object, "/addressType");
    errors.one_of("addressType".into(), family, &["FQDN", "IPv4", "IPv6"], true);
    let endpoints = items(object, "/endpoints");
    match endpoints.len() > MOST_ENDPOINTS {
        true => errors.too_many("endpoints", endpoints.len(), MOST_ENDPOINTS),
        false => {
            for (index, one) in endpoints.iter().enumerate() {
                endpoint(&mut errors, one, &format!("endpoints[{index}]"), family);
            }
        }
    }
    ports(&mut errors, object);
    if let Some(old) = old {
        errors.immutable("addressType", object.get("addressType"), old.get("addressType"));
    }
    errors.0
}

fn endpoint(errors: &mut Errors, endpoint: &Value, path: &str, family: &str) {
    let addresses = items(endpoint, "/addresses");
    let list = format!("{path}.addresses");
    if addresses.is_empty() {
        errors.required(list.as_str(), "must contain at least 1 address");
    } else if addresses.len() > MOST_ADDRESSES {
        errors.too_many(list.as_str(), addresses.len(), MOST_ADDRESSES);
    }
    for (index, address) in addresses.iter().filter_map(Value::as_str).enumerate() {
        let path = format!("{list}[{index}]");
        match family {
            "FQDN" if address.is_empty() => errors.required(path, ""),
            "FQDN" => errors.format(&path, address, full_domain(address)),
            "IPv4" | "IPv6" => {
                let right = parse(address).is_some_and(|address| address.is_ipv6() == (family == "IPv6"));
                if !right {
                    errors.invalid(path.as_str(), address, &format!("must be a valid {family} address"));
                }
                errors.format(&path, address, reachable(address));
            }
            _ => {}
        }
    }
    if let Some(node) = given(endpoint, "/nodeName").and_then(Value::as_str) {
        errors.format(&format!("{path}.nodeName"), node, dns_subdomain(node));
    }
    let topology = entries(endpoint, "/deprecatedTopology").count();
    if topology > MOST_TOPOLOGY {
        errors.too_many(format!("{path}.deprecatedTopology"), topology, MOST_TOPOLOGY);
    }
    meta::labels(errors, endpoint, "/deprecatedTopology", &format!("{path}.deprecatedTopology"));
    if let Some(name) = given(endpoint, "/hostname").and_then(Value::as_str) {
        errors.format(&format!("{path}.hostname"), name, dns_label(name));
    }
    hints(errors, endpoint, path);
}

/// Who the endpoint had best serve.
fn hints(errors: &mut Errors, endpoint: &Value, path: &str) {
    for (list, format) in [("forZones", label_value as fn(&str) -> Vec<String>), ("forNodes", dns_subdomain)]
    {
        let hints = items(endpoint, &format!("/hints/{list}"));
        let path = format!("{path}.hints.{list}");
        if hints.len() > MOST_HINTS {
            errors.too_many(path, hints.len(), MOST_HINTS);
            continue;
        }
        let mut seen = HashSet::new();
        for (index, name) in hints.iter().map(|hint| text(hint, "/name")).enumerate() {
            let path = format!("{path}[{index}].name");
            if !seen.insert(name) {
                errors.duplicate(path.as_str(), name);
            }
            errors.format(&path, name, format(name));
        }
    }
}

fn ports(errors: &mut Errors, object: &Value) {
    let ports = items(object, "/ports");
    if ports.len() > MOST_PORTS {
        return errors.too_many("ports", ports.len(), MOST_PORTS);
    }
    let mut names = HashSet::new();
    for (index, port) in ports.iter().enumerate() {
        let path = format!("ports[{index}]");
        let name = text(port, "/name");
        errors.formatted(port, &path, "name", dns_label);
        if !names.insert(name) {
            errors.duplicate(format!("{path}.name"), name);
        }
        errors.one_of(format!("{path}.protocol"), text(port, "/protocol"), &PROTOCOLS, true);
        app_protocol(errors, port, &path);
    }
}
