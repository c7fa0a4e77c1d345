//! What proxies need to know of a Service: its addresses, its ports, and the endpoints behind them.

use std::net::IpAddr;
use std::sync::Arc;

use api::messages::{Backend, PortRoutes, ServiceRoutes};
use api::views::{Endpoint, EndpointPort, EndpointSlice, Service, ServicePort};
use api::{NodeName, Object};

/// Kubernetes' default time-out of `sessionAffinity: ClientIP`, in seconds.
const AFFINITY_SECONDS: u64 = 10_800;

/// The routes of one Service from its slices.
pub fn routes(service: &Object<Service>, slices: &[Arc<Object<EndpointSlice>>]) -> ServiceRoutes {
    let spec = &service.spec;
    let cluster_ips = match spec.cluster_ips.is_empty() {
        true => vec![spec.cluster_ip.as_str()],
        false => spec.cluster_ips.iter().map(String::as_str).collect(),
    };
    ServiceRoutes {
        namespace: service.key.namespace().to_owned(),
        name: service.key.name.to_string(),
        cluster_ips: cluster_ips.into_iter().filter_map(|ip| ip.parse().ok()).collect(),
        headless: spec.cluster_ip == "None",
        publish_not_ready: spec.publish_not_ready_addresses,
        affinity_seconds: (spec.session_affinity == "ClientIP").then(|| affinity(service)),
        external_local: spec.external_traffic_policy == "Local",
        internal_local: spec.internal_traffic_policy == "Local",
        external_name: (spec.kind == "ExternalName").then(|| spec.external_name.clone()),
        ports: ports(service, slices),
    }
}

fn affinity(service: &Object<Service>) -> u32 {
    let config = service.spec.session_affinity_config.as_ref();
    let seconds = config
        .and_then(|config| config.pointer("/clientIP/timeoutSeconds"))
        .and_then(serde_json::Value::as_u64);
    u32::try_from(seconds.unwrap_or(AFFINITY_SECONDS)).unwrap_or(u32::MAX)
}

fn ports(service: &Object<Service>, slices: &[Arc<Object<EndpointSlice>>]) -> Vec<PortRoutes> {
    // A headless Service may have no ports at all: its endpoints still have names in DNS.
    if service.spec.ports.is_empty() && service.spec.cluster_ip == "None" {
        let mut backends = Vec::new();
        for slice in slices {
            backends.extend(slice.endpoints.iter().flat_map(|endpoint| backends_of(endpoint, 0)));
        }
        return vec![PortRoutes { protocol: "TCP".to_owned(), backends, ..PortRoutes::default() }];
    }
    service.spec.ports.iter().map(|port| port_routes(port, slices)).collect()
}

fn port_routes(port: &ServicePort, slices: &[Arc<Object<EndpointSlice>>]) -> PortRoutes {
    let protocol = non_empty(&port.protocol, "TCP");
    let mut backends: Vec<Backend> = Vec::new();
    for slice in slices {
        for target in slice.ports.iter().filter(|target| is_for(target, port, protocol)) {
            let number = target.port.unwrap_or(0);
            for backend in slice.endpoints.iter().flat_map(|endpoint| backends_of(endpoint, number)) {
                // While the slices of a Service are rearranged an endpoint may be in two of them.
                match backends.iter_mut().find(|known| (known.ip, known.port) == (backend.ip, backend.port)) {
                    Some(known) if backend.ready && !known.ready => *known = backend,
                    Some(_) => {}
                    None => backends.push(backend),
                }
            }
        }
    }
    PortRoutes {
        name: port.name.clone(),
        protocol: protocol.to_owned(),
        port: port.port,
        node_port: port.node_port,
        app_protocol: port.app_protocol.clone(),
        backends,
    }
}

fn is_for(target: &EndpointPort, port: &ServicePort, protocol: &str) -> bool {
    target.name.as_deref().unwrap_or_default() == port.name
        && non_empty(target.protocol.as_deref().unwrap_or_default(), "TCP") == protocol
}

fn backends_of(endpoint: &Endpoint, port: u16) -> impl Iterator<Item = Backend> {
    let target = endpoint.target_ref.as_ref().filter(|target| &*target.kind == "Pod");
    let conditions = &endpoint.conditions;
    let ready = conditions.ready.unwrap_or(true);
    endpoint.addresses.iter().filter_map(|address| address.parse::<IpAddr>().ok()).map(move |ip| Backend {
        ip,
        port,
        node: NodeName::from(endpoint.node_name.as_deref().unwrap_or_default()),
        pod: target.map(|target| target.name.to_string()).unwrap_or_default(),
        hostname: endpoint.hostname.clone().unwrap_or_default(),
        ready,
        serving: conditions.serving.unwrap_or(ready),
        terminating: conditions.terminating.unwrap_or(false),
    })
}

fn non_empty<'a>(text: &'a str, default: &'a str) -> &'a str {
    if text.is_empty() { default } else { text }
}
