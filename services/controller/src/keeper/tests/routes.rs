//! The route table: what a Service becomes, and what leads from one table to the next.

use std::sync::Arc;

use api::messages::RouteTable;
use api::views::{EndpointSlice, Service};
use api::{Object, Revision};
use bus::{Change, ChangeKind, Stored, View};
use expect_test::expect;
use serde_json::{Value, json};

use super::super::routes::routes;
use super::super::table::Table;

fn service(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"}, "spec": spec})
}

fn slice(name: &str, service: &str, endpoints: &Value) -> Value {
    json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": name, "namespace": "default", "labels": {"kubernetes.io/service-name": service}},
        "endpoints": endpoints, "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}, {"name": "dns", "port": 53, "protocol": "UDP"}]})
}

fn shown(spec: &Value, slices: &[Value]) -> String {
    let service: Arc<Object<Service>> = Stored::test(service("web", spec), 1).object();
    let slices: Vec<Arc<Object<EndpointSlice>>> =
        slices.iter().map(|it| Stored::test(it.clone(), 2).object()).collect();
    let routes = routes(&service, &slices);
    let mut lines = vec![format!(
        "{}/{} ips={:?} headless={} affinity={:?} local={}/{} external={:?}",
        routes.namespace,
        routes.name,
        routes.cluster_ips,
        routes.headless,
        routes.affinity_seconds,
        routes.external_local,
        routes.internal_local,
        routes.external_name
    )];
    for port in routes.ports {
        lines.push(format!(
            "  {} {}/{} node {} {}",
            port.name, port.port, port.protocol, port.node_port, port.app_protocol
        ));
        for it in port.backends {
            lines.push(format!(
                "    {}:{} {} on {} ready={} serving={} terminating={} {}",
                it.ip, it.port, it.pod, it.node, it.ready, it.serving, it.terminating, it.hostname
            ));
        }
    }
    lines.join("\n")
}

fn endpoints() -> Value {
    json!([
        {"addresses": ["10.1.0.1"], "nodeName": "n1", "conditions": {"ready": true}, "targetRef": {"kind": "Pod", "name": "web-1", "uid": "1"}},
        {"addresses": ["10.1.0.2"], "nodeName": "n2", "hostname": "web-2",
            "conditions": {"ready": false, "serving": true, "terminating": true}, "targetRef": {"kind": "Pod", "name": "web-2", "uid": "2"}},
    ])
}

#[test]
fn ports_are_matched_by_name_and_protocol() {
    let spec = json!({"type": "NodePort", "clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"], "externalTrafficPolicy": "Local", "ports": [
        {"name": "http", "port": 80, "protocol": "TCP", "nodePort": 30080, "appProtocol": "http"},
        {"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]});
    expect![[r#"
        default/web ips=[10.96.0.1] headless=false affinity=None local=true/false external=None
          http 80/TCP node 30080 http
            10.1.0.1:8080 web-1 on n1 ready=true serving=true terminating=false 
            10.1.0.2:8080 web-2 on n2 ready=false serving=true terminating=true web-2
          dns 53/UDP node 0 
            10.1.0.1:53 web-1 on n1 ready=true serving=true terminating=false 
            10.1.0.2:53 web-2 on n2 ready=false serving=true terminating=true web-2
          dns-tcp 53/TCP node 0 "#]]
    .assert_eq(&shown(&spec, &[slice("web-a", "web", &endpoints())]));
}

#[test]
fn an_endpoint_in_two_slices_is_one_backend() {
    let spec = json!({"clusterIP": "10.96.0.1", "ports": [{"name": "http", "port": 80}]});
    expect![[r#"
        default/web ips=[10.96.0.1] headless=false affinity=None local=false/false external=None
          http 80/TCP node 0 
            10.1.0.1:8080 web-1 on n1 ready=true serving=true terminating=false 
            10.1.0.2:8080 web-2 on n2 ready=false serving=true terminating=true web-2"#]]
    .assert_eq(&shown(&spec, &[slice("a", "web", &endpoints()), slice("b", "web", &endpoints())]));
}

#[test]
fn headless_external_and_sticky() {
    expect![[r#"
        default/web ips=[] headless=true affinity=None local=false/false external=None
           0/TCP node 0 
            10.1.0.1:0 web-1 on n1 ready=true serving=true terminating=false 
            10.1.0.2:0 web-2 on n2 ready=false serving=true terminating=true web-2"#]]
    .assert_eq(&shown(&json!({"clusterIP": "None"}), &[slice("a", "web", &endpoints())]));
    expect![[
        r#"default/web ips=[] headless=false affinity=None local=false/false external=Some("example.com")"#
    ]]
    .assert_eq(&shown(&json!({"type": "ExternalName", "externalName": "example.com"}), &[]));
    expect![
        "default/web ips=[10.96.0.1] headless=false affinity=Some(10800) local=false/false external=None"
    ]
    .assert_eq(&shown(&json!({"clusterIP": "10.96.0.1", "sessionAffinity": "ClientIP"}), &[]));
}

/// A proxy that follows the rules of `RouteTable::Delta`, to see that every table can be reached.
#[derive(Default)]
struct Proxy {
    revision: u64,
    services: std::collections::BTreeMap<String, usize>,
}

impl Proxy {
    fn hear(&mut self, table: RouteTable) -> bool {
        let RouteTable::Delta { previous, revision, upserts, removed } = table else { panic!("a delta") };
        if self.revision < previous.0 {
            return false;
        }
        for name in removed {
            self.services.remove(&name);
        }
        for service in upserts {
            let backends = service.ports.iter().map(|port| port.backends.len()).sum();
            self.services.insert(format!("{}/{}", service.namespace, service.name), backends);
        }
        self.revision = self.revision.max(revision.0);
        true
    }
}

#[test]
fn deltas_lead_from_table_to_table() {
    let view = View::offline();
    let spec = json!({"clusterIP": "10.96.0.1", "ports": [{"name": "http", "port": 80}]});
    let mut table = Table::of(&view.read());
    let step = |table: &mut Table, kind, value: Value, revision| {
        let object = Stored::test(value, revision);
        let previous = view.get(&object.key);
        view.apply(kind, object.clone());
        table.apply(&[Arc::new(Change { kind, object, previous })], &view.read())
    };
    let mut proxy = Proxy::default();
    assert!(step(&mut table, ChangeKind::Put, service("web", &spec), 1));
    assert!(step(&mut table, ChangeKind::Put, service("db", &spec), 2));
    assert!(proxy.hear(table.since(Revision(0))));
    assert!(step(&mut table, ChangeKind::Put, slice("web-a", "web", &endpoints()), 3));
    assert!(!step(
        &mut table,
        ChangeKind::Put,
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "default"}}),
        4
    ));
    assert!(step(&mut table, ChangeKind::Deleted, service("db", &spec), 5));
    let RouteTable::Delta { upserts, removed, revision, .. } = table.since(Revision(2)) else {
        panic!("a delta")
    };
    assert_eq!((upserts.len(), removed, revision), (1, vec!["default/db".to_owned()], Revision(5)));
    assert!(proxy.hear(table.since(Revision(2))));
    assert_eq!(proxy.services, [("default/web".to_owned(), 2)].into());
    assert!(step(&mut table, ChangeKind::Deleted, slice("web-a", "web", &endpoints()), 6));
    assert!(step(&mut table, ChangeKind::Put, service("db", &spec), 7));
    assert!(proxy.hear(table.since(Revision(5))));
    assert_eq!(proxy.services, [("default/db".to_owned(), 0), ("default/web".to_owned(), 0)].into());
    assert!(!Proxy::default().hear(table.since(Revision(5))), "who is behind asks for a snapshot");
}
