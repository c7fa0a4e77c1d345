//! An API that another server serves, as kubectl meets it; the server is a real one, which believes front proxies only.

use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use odeon_tests::{Cluster, eventually};
use serde_json::{Value, json};

use crate::tls_server::TlsServer;

/// A server of orders, which writes down who asks for what.
struct Shop {
    server: TlsServer,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Shop {
    /// Lets in whom `authority`, in PEM, vouches for.
    fn start(authority: &str) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let server = TlsServer::start("0.0.0.0:0", "api.default.svc", Some(authority), move |request| {
            answer(request, Arc::clone(&log))
        });
        Self { server, asked }
    }
}

async fn answer(
    request: Request<Incoming>,
    log: Arc<Mutex<Vec<String>>>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let header = |name: &str| {
        let values = request.headers().get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.collect::<Vec<_>>().join(",")
    };
    let path = request.uri().path();
    let who = format!("{} {} {}", header("x-remote-user"), header("x-remote-group"), header("authorization"));
    log.lock().unwrap().push(format!("{} {path} {}", request.method(), who.trim_end()));
    let orders = json!({
        "name": "orders", "singularName": "order", "namespaced": true, "kind": "Order", "shortNames": ["od"],
        "verbs": ["get", "list"],
    });
    let (code, body) = match path {
        "/apis/shop.example.com/v1" => (
            200,
            json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "shop.example.com/v1", "resources": [orders]}),
        ),
        "/apis/shop.example.com/v1/namespaces/default/orders" => (
            200,
            json!({"kind": "OrderList", "apiVersion": "shop.example.com/v1", "metadata": {}, "items": [
                {"kind": "Order", "apiVersion": "shop.example.com/v1", "metadata": {"name": "tea", "namespace": "default"}},
            ]}),
        ),
        "/openapi/v3" => (
            200,
            json!({"paths": {"apis/shop.example.com/v1": {"serverRelativeURL": "/openapi/v3/apis/shop.example.com/v1?hash=A"}}}),
        ),
        "/openapi/v3/apis/shop.example.com/v1" => (200, described()),
        _ => (
            404,
            json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound", "message": "no such order"}),
        ),
    };
    let response = Response::builder().status(code).header("content-type", "application/json");
    Ok(response.body(Full::new(Bytes::from(body.to_string()))).unwrap())
}

/// The server's own document.
fn described() -> Value {
    let kind = json!([{"group": "shop.example.com", "version": "v1", "kind": "Order"}]);
    let order = json!({
        "type": "object", "description": "Order is what somebody wants.", "x-kubernetes-group-version-kind": kind,
        "properties": {"size": {"type": "string", "enum": ["small", "large"], "description": "How much of it."}},
    });
    let read = json!({"get": {"x-kubernetes-group-version-kind": kind[0], "x-kubernetes-action": "list"}});
    json!({
        "openapi": "3.0.0", "info": {"title": "Shop", "version": "v1"},
        "paths": {"/apis/shop.example.com/v1/namespaces/{namespace}/orders": read},
        "components": {"schemas": {"com.example.shop.v1.Order": order}},
    })
}

/// An address of this machine that endpoints may have.
fn own_address() -> String {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // Nothing is sent; the machine only chooses the address it would send from.
    socket.connect("192.0.2.1:9").unwrap();
    socket.local_addr().unwrap().ip().to_string()
}

#[test]
fn requests_are_passed_on_to_the_server_of_an_api() {
    let cluster = Cluster::hollow(1);
    let read = ["get", "configmap", "extension-apiserver-authentication", "-n", "kube-system", "-o", "json"];
    let known: Value = serde_json::from_str(&cluster.kubectl(&read).ok()).unwrap();
    assert_eq!(known["data"]["requestheader-allowed-names"], "[\"front-proxy-client\"]");
    let shop = Shop::start(known["data"]["requestheader-client-ca-file"].as_str().unwrap());
    let apply = |manifest: Value| {
        cluster.kubectl_with(&["apply", "-f", "-"], &manifest.to_string()).ok();
    };
    apply(json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1.shop.example.com"},
        "spec": {
            "group": "shop.example.com", "version": "v1", "groupPriorityMinimum": 1000, "versionPriority": 15,
            "caBundle": shop.server.bundle, "service": {"namespace": "default", "name": "api"},
        },
    }));
    let available = |wanted: &str| {
        eventually(wanted, Duration::from_secs(30), || {
            let seen = cluster.kubectl(&["get", "apiservice", "v1.shop.example.com", "--no-headers"]).ok();
            if seen.contains(wanted) { Ok(()) } else { Err(seen) }
        });
    };
    available("False (ServiceNotFound)");
    apply(json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "api"}, "spec": {"ports": [{"port": 443}]},
    }));
    available("False (EndpointsNotFound)");
    let unavailable = cluster.kubectl(&["get", "--raw", "/apis/shop.example.com/v1"]).err();
    assert!(unavailable.contains("currently unable to handle the request"), "{unavailable}");
    apply(json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "api-1", "labels": {"kubernetes.io/service-name": "api"}},
        "endpoints": [{"addresses": [own_address()], "conditions": {"ready": true}}],
        "ports": [{"name": "", "port": shop.server.address.port(), "protocol": "TCP"}],
    }));
    cluster
        .kubectl(&["wait", "--for=condition=Available", "apiservice/v1.shop.example.com", "--timeout=30s"])
        .ok();
    available("default/api");

    let resources = cluster.kubectl(&["api-resources", "--api-group=shop.example.com", "--no-headers"]).ok();
    let words: Vec<&str> = resources.split_whitespace().collect();
    assert_eq!(words, ["orders", "od", "shop.example.com/v1", "true", "Order"]);
    assert_eq!(cluster.kubectl(&["get", "od", "-o", "name"]).ok().trim(), "order.shop.example.com/tea");
    let raw = cluster.kubectl(&["get", "--raw", "/apis/shop.example.com/v1/namespaces/default/orders"]).ok();
    assert!(raw.starts_with("{\"apiVersion\":\"shop.example.com/v1\""), "{raw}");
    let missing = cluster.kubectl(&["get", "order", "milk"]).err();
    assert!(missing.contains("no such order"), "{missing}");
    let deep = "/apis/shop.example.com/v1/namespaces/default/orders/tea/parts/1/x";
    cluster.kubectl(&["get", "--raw", deep]).err();
    assert!(shop.asked.lock().unwrap().iter().any(|asked| asked.starts_with(&format!("GET {deep} admin "))));
    let versions = cluster.kubectl(&["api-versions"]).ok();
    assert!(versions.contains("shop.example.com/v1\n"), "{versions}");

    let explained = cluster.kubectl(&["explain", "orders.size"]).ok();
    assert!(explained.contains("ENUM:\n    small\n    large"), "{explained}");

    let refused = cluster.kubectl(&["get", "orders", "--as=jane"]).err();
    assert!(refused.contains("User \"jane\" cannot list resource \"orders\""), "{refused}");
    let role = ["create", "clusterrole", "orders", "--verb=list", "--resource=orders.shop.example.com"];
    cluster.kubectl(&role).ok();
    cluster.kubectl(&["create", "clusterrolebinding", "orders", "--clusterrole=orders", "--group=dev"]).ok();
    cluster.kubectl(&["get", "orders", "--as=jane", "--as-group=dev"]).ok();
    let asked = shop.asked.lock().unwrap().clone();
    let list = "GET /apis/shop.example.com/v1/namespaces/default/orders";
    for who in ["admin system:masters,system:authenticated", "jane dev,system:authenticated"] {
        assert!(asked.contains(&format!("{list} {who}")), "{who}: {asked:#?}");
    }
    assert!(
        asked.contains(&"GET /apis/shop.example.com/v1 system:kube-aggregator system:masters".to_owned())
    );

    cluster.kubectl(&["delete", "apiservice", "v1.shop.example.com"]).ok();
    let gone = cluster.kubectl(&["get", "--raw", "/apis/shop.example.com/v1"]).err();
    assert!(gone.contains("could not find the requested resource"), "{gone}");
}
