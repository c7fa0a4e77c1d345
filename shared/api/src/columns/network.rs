//! Services and their endpoints as `kubectl get` shows them.

use serde_json::{Value, json};

use super::{AGE, NAME, age, name, or_none, shown, wide};
use crate::Timestamp;
use crate::json::{entries, int, items, text};
use crate::kinds::Column;

/// More endpoints than these are only counted.
const MOST_ENDPOINTS: usize = 3;

/// Columns of services.
pub const SERVICE: &[Column] = &[
    NAME,
    shown("Type", "string", "How it is reached."),
    shown("Cluster-IP", "string", "Its address within the cluster."),
    shown("External-IP", "string", "Its addresses from outside."),
    shown("Port(s)", "string", "Its ports, with node ports after a colon."),
    AGE,
    wide("Selector", "string", "Which pods serve it."),
];

/// Columns of endpoints.
pub const ENDPOINTS: &[Column] =
    &[NAME, shown("Endpoints", "string", "Addresses and ports that serve."), AGE];

/// Columns of endpoint slices.
pub const ENDPOINT_SLICE: &[Column] = &[
    NAME,
    shown("AddressType", "string", "IPv4, IPv6 or FQDN."),
    shown("Ports", "string", "Ports of all endpoints."),
    shown("Endpoints", "string", "Addresses."),
    AGE,
];

/// Cells of a service.
pub fn service(service: &Value, now: Timestamp) -> Vec<Value> {
    let pairs = entries(service, "/spec/selector")
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    let mut selector: Vec<String> = pairs.collect();
    selector.sort();
    vec![
        name(service),
        json!(text(service, "/spec/type")),
        json!(or_none(text(service, "/spec/clusterIP"))),
        json!(external(service)),
        json!(ports(service)),
        age(service, now),
        json!(or_none(&selector.join(","))),
    ]
}

fn external(service: &Value) -> String {
    let own: Vec<&str> = items(service, "/spec/externalIPs").iter().filter_map(Value::as_str).collect();
    match text(service, "/spec/type") {
        "ExternalName" => text(service, "/spec/externalName").to_owned(),
        "LoadBalancer" => {
            let ingress = items(service, "/status/loadBalancer/ingress").iter().map(|ingress| {
                [text(ingress, "/ip"), text(ingress, "/hostname")].into_iter().find(|text| !text.is_empty())
            });
            let all: Vec<&str> = ingress.flatten().chain(own).collect();
            if all.is_empty() { "<pending>".into() } else { all.join(",") }
        }
        _ => or_none(&own.join(",")).to_owned(),
    }
}

fn ports(service: &Value) -> String {
    let one = |port: &Value| {
        let (number, protocol) = (int(port, "/port").unwrap_or(0), text(port, "/protocol"));
        match int(port, "/nodePort").filter(|number| *number > 0) {
            Some(node_port) => format!("{number}:{node_port}/{protocol}"),
            None => format!("{number}/{protocol}"),
        }
    };
    let ports: Vec<String> = items(service, "/spec/ports").iter().map(one).collect();
    or_none(&ports.join(",")).to_owned()
}

/// Cells of endpoints.
pub fn endpoints(endpoints: &Value, now: Timestamp) -> Vec<Value> {
    let mut all = Vec::new();
    for subset in items(endpoints, "/subsets") {
        for address in items(subset, "/addresses") {
            let ip = text(address, "/ip");
            let ports = items(subset, "/ports");
            if ports.is_empty() {
                all.push(ip.to_owned());
            }
            all.extend(ports.iter().map(|port| socket(ip, int(port, "/port").unwrap_or(0))));
        }
    }
    vec![name(endpoints), json!(shortened(&all)), age(endpoints, now)]
}

fn socket(ip: &str, port: i64) -> String {
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}

/// The first few, and how many more.
fn shortened(all: &[String]) -> String {
    let first: Vec<&str> = all.iter().take(MOST_ENDPOINTS).map(String::as_str).collect();
    match all.len().saturating_sub(MOST_ENDPOINTS) {
        0 => or_none(&first.join(",")).to_owned(),
        more => format!("{} + {more} more...", first.join(",")),
    }
}

/// Cells of an endpoint slice.
pub fn endpoint_slice(slice: &Value, now: Timestamp) -> Vec<Value> {
    let port = |port: &Value| match (int(port, "/port"), text(port, "/name")) {
        (Some(number), _) => number.to_string(),
        (None, "") => "*".into(),
        (None, name) => name.to_owned(),
    };
    let ports: Vec<String> = items(slice, "/ports").iter().map(port).collect();
    let endpoints = items(slice, "/endpoints").iter().flat_map(|endpoint| items(endpoint, "/addresses"));
    let addresses: Vec<String> = endpoints.filter_map(Value::as_str).map(str::to_owned).collect();
    let unset = |text: String| if text == "<none>" { "<unset>".to_owned() } else { text };
    vec![
        name(slice),
        json!(text(slice, "/addressType")),
        json!(unset(shortened(&ports))),
        json!(unset(shortened(&addresses))),
        age(slice, now),
    ]
}
