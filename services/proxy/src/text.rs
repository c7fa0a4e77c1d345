//! Route tables as a few lines of text, for tests.

use std::sync::Arc;

use api::Revision;
use api::messages::{Backend, PortRoutes, ServiceRoutes};

use crate::table::Table;

/// `service ns/name ip=… sticky=60 headless` begins a Service, `port name 80 UDP node=30080: ip:port@node,unready …` a port of it.
pub fn table(text: &str) -> Table {
    let mut services: Vec<ServiceRoutes> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.split_once(' ').unwrap() {
            ("service", rest) => services.push(service(rest)),
            ("port", rest) => services.last_mut().unwrap().ports.push(port(rest)),
            (other, _) => panic!("what is `{other}`?"),
        }
    }
    let named = services
        .into_iter()
        .map(|routes| (format!("{}/{}", routes.namespace, routes.name), Arc::new(routes)));
    Table { revision: Revision(1), services: named.collect() }
}

fn service(text: &str) -> ServiceRoutes {
    let mut words = text.split_whitespace();
    let (namespace, name) = words.next().unwrap().split_once('/').unwrap();
    let mut routes = ServiceRoutes { namespace: namespace.into(), name: name.into(), ..Default::default() };
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("ip", ip) => routes.cluster_ips.push(ip.parse().unwrap()),
            ("sticky", seconds) => routes.affinity_seconds = Some(seconds.parse().unwrap()),
            ("external", name) => routes.external_name = Some(name.into()),
            ("headless", _) => routes.headless = true,
            ("external-local", _) => routes.external_local = true,
            ("internal-local", _) => routes.internal_local = true,
            ("publish-not-ready", _) => routes.publish_not_ready = true,
            (other, _) => panic!("what is `{other}`?"),
        }
    }
    routes
}

fn port(text: &str) -> PortRoutes {
    let (head, backends) = text.split_once(": ").unwrap_or((text.trim_end_matches(':'), ""));
    let mut words = head.split_whitespace();
    let name = words.next().unwrap().trim_start_matches('-').to_owned();
    let number = words.next().unwrap().parse().unwrap();
    let mut port = PortRoutes { name, protocol: "TCP".into(), port: number, ..Default::default() };
    for word in words {
        match word.split_once('=') {
            Some(("node", number)) => port.node_port = number.parse().unwrap(),
            Some(("app", protocol)) => port.app_protocol = protocol.into(),
            _ => port.protocol = word.to_owned(),
        }
    }
    port.backends = backends.split_whitespace().map(backend).collect();
    port
}

/// `10.0.0.1:80@node,unready,terminating,hostname=web-0`
fn backend(text: &str) -> Backend {
    let mut words = text.split(',');
    let (address, node) = words.next().unwrap().split_once('@').unwrap();
    let address: std::net::SocketAddr = address.parse().unwrap();
    let mut backend = Backend {
        ip: address.ip(),
        port: address.port(),
        node: node.into(),
        pod: String::new(),
        hostname: String::new(),
        ready: true,
        serving: true,
        terminating: false,
    };
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("unready", _) => (backend.ready, backend.serving) = (false, false),
            ("terminating", _) => (backend.ready, backend.terminating) = (false, true),
            ("hostname", name) => backend.hostname = name.into(),
            (other, _) => panic!("what is `{other}`?"),
        }
    }
    backend
}
