//! Which records a cluster name has, by the Kubernetes DNS specification 1.1.0.

use std::collections::BTreeSet;
use std::net::IpAddr;

use api::messages::{Backend, PortRoutes, ServiceRoutes};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, PTR, SRV, TXT};
use hickory_proto::rr::{Name, RData};

use crate::table::Table;

/// What is known about a name.
#[derive(Debug, Default)]
pub struct Found {
    /// All its records; none if it only has names below it.
    pub records: Vec<RData>,
    /// Addresses of the names that the records point to.
    pub additional: Vec<(Name, RData)>,
}

/// The records of `labels`, which precede the cluster's domain. `None`: there is no such name.
pub fn find(table: &Table, domain: &str, labels: &[&str]) -> Option<Found> {
    match labels {
        [] | ["svc"] | ["pod"] => Some(Found::default()),
        ["dns-version"] => Some(Found::of(vec![RData::TXT(TXT::new(vec!["1.1.0".to_owned()]))])),
        [namespace, "svc" | "pod"] => table.has_namespace(namespace).then(Found::default),
        [address, namespace, "pod"] if table.has_namespace(namespace) => {
            Some(Found::of(vec![address_record(&dashed_address(address)?)]))
        }
        [service, namespace, "svc"] => Some(service_records(table.service(namespace, service)?, domain)),
        [protocol @ ("_tcp" | "_udp"), service, namespace, "svc"] => {
            let routes = table.service(namespace, service)?;
            routes.ports.iter().any(|port| speaks(port, protocol)).then(Found::default)
        }
        [endpoint, service, namespace, "svc"] => {
            let routes = table.service(namespace, service).filter(|routes| routes.headless)?;
            let named = endpoints(routes).into_iter().filter(|(host, _)| host == endpoint);
            let records: Vec<_> = named.map(|(_, ip)| address_record(&ip)).collect();
            (!records.is_empty()).then(|| Found::of(records))
        }
        [port, protocol, service, namespace, "svc"] => {
            let routes = table.service(namespace, service)?;
            let wanted = |known: &&PortRoutes| {
                port.strip_prefix('_').is_some_and(|name| name.eq_ignore_ascii_case(&known.name))
                    && speaks(known, protocol)
            };
            let found = ports(routes, domain, routes.ports.iter().filter(wanted));
            routes.ports.iter().any(|known| wanted(&known)).then_some(found)
        }
        _ => None,
    }
}

/// The names of an address: of a Service if it is a cluster IP, of endpoints of headless Services.
pub fn pointers(table: &Table, domain: &str, address: IpAddr) -> Vec<RData> {
    let services = table.services.values().filter(|routes| routes.cluster_ips.contains(&address));
    let mut names: BTreeSet<String> = services.map(|routes| service_name(routes, domain)).collect();
    if names.is_empty() {
        for routes in table.services.values().filter(|routes| routes.headless) {
            let ours = endpoints(routes).into_iter().filter(|(_, ip)| *ip == address);
            names.extend(ours.map(|(host, _)| format!("{host}.{}", service_name(routes, domain))));
        }
    }
    names.iter().filter_map(|name| Some(RData::PTR(PTR(Name::from_ascii(name).ok()?)))).collect()
}

impl Found {
    fn of(records: Vec<RData>) -> Self {
        Self { records, additional: Vec::new() }
    }
}

fn service_records(routes: &ServiceRoutes, domain: &str) -> Found {
    if let Some(target) = &routes.external_name {
        let target = Name::from_ascii(format!("{}.", target.trim_end_matches('.')));
        return Found::of(target.into_iter().map(|target| RData::CNAME(CNAME(target))).collect());
    }
    let addresses: BTreeSet<IpAddr> = match routes.headless {
        true => endpoints(routes).into_iter().map(|(_, ip)| ip).collect(),
        false => routes.cluster_ips.iter().copied().collect(),
    };
    let mut found = ports(routes, domain, routes.ports.iter());
    found.records.extend(addresses.iter().map(address_record));
    found
}

/// SRV records for some ports of a Service, and the addresses of their targets.
fn ports<'a>(routes: &ServiceRoutes, domain: &str, ports: impl Iterator<Item = &'a PortRoutes>) -> Found {
    let mut targets = BTreeSet::new();
    let service = service_name(routes, domain);
    for port in ports {
        match routes.headless {
            true => targets.extend(
                port.backends
                    .iter()
                    .filter(|backend| answers(routes, backend))
                    .map(|backend| (format!("{}.{service}", host(backend)), backend.port, backend.ip)),
            ),
            false => targets.extend(routes.cluster_ips.iter().map(|ip| (service.clone(), port.port, *ip))),
        }
    }
    let mut found = Found::default();
    let mut seen = BTreeSet::new();
    for (target, port, ip) in &targets {
        let Ok(name) = Name::from_ascii(target) else { continue };
        if seen.insert((target, port)) {
            found.records.push(RData::SRV(SRV::new(0, 100, *port, name.clone())));
        }
        found.additional.push((name, address_record(ip)));
    }
    found.additional.dedup();
    found
}

/// Hosts of a headless Service and their addresses.
fn endpoints(routes: &ServiceRoutes) -> BTreeSet<(String, IpAddr)> {
    let backends = routes.ports.iter().flat_map(|port| &port.backends);
    backends.filter(|backend| answers(routes, backend)).map(|backend| (host(backend), backend.ip)).collect()
}

fn answers(routes: &ServiceRoutes, backend: &Backend) -> bool {
    backend.ready || routes.publish_not_ready
}

/// The pod's hostname, or its address with dashes.
fn host(backend: &Backend) -> String {
    match backend.hostname.is_empty() {
        true => backend.ip.to_string().replace(['.', ':'], "-"),
        false => backend.hostname.to_ascii_lowercase(),
    }
}

fn service_name(routes: &ServiceRoutes, domain: &str) -> String {
    format!("{}.{}.svc.{domain}.", routes.name, routes.namespace)
}

fn speaks(port: &PortRoutes, protocol: &str) -> bool {
    protocol.strip_prefix('_').is_some_and(|name| name.eq_ignore_ascii_case(&port.protocol))
}

fn address_record(address: &IpAddr) -> RData {
    match address {
        IpAddr::V4(v4) => RData::A(A(*v4)),
        IpAddr::V6(v6) => RData::AAAA(AAAA(*v6)),
    }
}

/// `10-0-0-1` or `fd00--1`.
fn dashed_address(text: &str) -> Option<IpAddr> {
    let v4 = text.replace('-', ".").parse().map(IpAddr::V4);
    v4.or_else(|_| text.replace('-', ":").parse().map(IpAddr::V6)).ok()
}
