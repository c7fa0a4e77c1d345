//! `proxy` below pods, services and nodes, through an agent of the test's own.

use std::convert::Infallible;

use api::messages::PortForwardRequest;
use bytes::Bytes;
use futures::StreamExt;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::cluster::{Cluster, PODS, SERVICES, pod};

/// A pod `web` on node `n1` that answers on port 8080.
async fn with_a_pod() -> Cluster {
    let cluster = Cluster::start().await;
    let mut requests =
        cluster.bus.accept_streams::<PortForwardRequest>("odeon.node.n1.portforward").await.unwrap();
    tokio::spawn(async move {
        while let Some(incoming) = requests.next().await {
            if incoming.request.port != 8080 {
                incoming.refuse("connection refused").await;
                continue;
            }
            let stream = TokioIo::new(incoming.accept().await.unwrap().into_io());
            let served =
                hyper::server::conn::http1::Builder::new().serve_connection(stream, service_fn(serve));
            tokio::spawn(served.with_upgrades());
        }
    });
    let mut web = pod("web");
    web["spec"]["nodeName"] = json!("n1");
    web["spec"]["containers"][0]["ports"] = json!([{"containerPort": 8080}]);
    cluster.post(PODS, &web).await.ok();
    cluster
}

/// Says what it was asked; sends on, switches to an echo, or fails when it is told so.
async fn serve(mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let upgraded = hyper::upgrade::on(&mut request);
    let (head, body) = request.into_parts();
    let header =
        |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("-").to_owned();
    let mut response = Response::new(Full::default());
    match head.uri.path() {
        "/away" => {
            *response.status_mut() = hyper::StatusCode::FOUND;
            response.headers_mut().insert("location", "/login?next=%2F".parse().unwrap());
        }
        "/echo" => {
            *response.status_mut() = hyper::StatusCode::SWITCHING_PROTOCOLS;
            response.headers_mut().insert("connection", "Upgrade".parse().unwrap());
            response.headers_mut().insert("upgrade", header("upgrade").parse().unwrap());
            tokio::spawn(async move {
                let (mut from, mut to) = tokio::io::split(TokioIo::new(upgraded.await.unwrap()));
                tokio::io::copy(&mut from, &mut to).await.unwrap();
            });
        }
        _ => {
            let said = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
            *response.status_mut() = hyper::StatusCode::IM_A_TEAPOT;
            let text = format!(
                "{} {} {said} authorization={} x={} forwarded={}",
                head.method,
                head.uri,
                header("authorization"),
                header("x-test"),
                header("x-forwarded-uri")
            );
            *response.body_mut() = Full::new(Bytes::from(text));
        }
    }
    Ok(response)
}

fn service(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"ports": [{"name": "http", "port": 80, "targetPort": 8080}]}})
}

fn slice(service: &str, endpoint: &Value) -> Value {
    json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": format!("{service}-1"), "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4", "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}], "endpoints": [endpoint]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_answer_through_the_gateway() {
    let cluster = with_a_pod().await;
    let path = format!("{PODS}/web/proxy/a%20b/?c=d");
    let token = format!("Bearer {}", cluster.pki.admin_token);
    let headers = [("x-test", "1"), ("authorization", token.as_str())];
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        let said = if method == "GET" { "" } else { "body" };
        let answer = cluster.ask(method, &path, &headers, Bytes::from(said)).await;
        let forwarded = format!("{PODS}/web/proxy/a%20b/");
        assert_eq!(
            (answer.code, answer.text),
            (418, format!("{method} /a%20b/?c=d {said} authorization=- x=1 forwarded={forwarded}"))
        );
    }
    let root = cluster.get(&format!("{PODS}/web:8080/proxy?a=b")).await;
    assert_eq!(
        (root.code, root.headers["location"].to_str().unwrap()),
        (301, format!("{PODS}/web:8080/proxy/?a=b").as_str())
    );
    let away = cluster.get(&format!("{PODS}/http:web:8080/proxy/away")).await;
    let location = format!("{PODS}/http:web:8080/proxy/login?next=%2F");
    assert_eq!((away.code, away.headers["location"].to_str().unwrap()), (302, location.as_str()));
    assert_eq!(
        cluster.get(&format!("{PODS}/web:9/proxy/")).await.failure(),
        "503 ServiceUnavailable: error trying to reach service: failed to connect to port 9 of pod \"web\" on node \"n1\": connection refused"
    );
    assert_eq!(
        cluster.get(&format!("{PODS}/db/proxy/")).await.failure(),
        "404 NotFound: pods \"db\" not found"
    );
    assert_eq!(
        cluster.get(&format!("{PODS}/ftp:web:1/proxy/")).await.failure(),
        "400 BadRequest: invalid pod request \"ftp:web:1\""
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_answer_by_their_pods_only() {
    let cluster = with_a_pod().await;
    for name in ["web", "outside", "empty"] {
        cluster.post(SERVICES, &service(name)).await.ok();
    }
    let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
    let target = json!({"kind": "Pod", "namespace": "default", "name": "web"});
    cluster.post(slices, &slice("web", &json!({"addresses": ["10.1.0.1"], "targetRef": target}))).await.ok();
    cluster.post(slices, &slice("outside", &json!({"addresses": ["10.1.0.2"]}))).await.ok();
    for port in ["80", "http"] {
        let answer = cluster.get(&format!("{SERVICES}/web:{port}/proxy/x")).await;
        assert!(answer.text.starts_with("GET /x "), "{}", answer.text);
    }
    for (whom, why) in [
        ("web", "no endpoints available for service \"web\""),
        ("web:81", "no service port 81 found for service \"web\""),
        ("outside:80", "no endpoints available for service \"outside\""),
        ("empty:80", "no endpoints available for service \"empty\""),
    ] {
        let refused = cluster.get(&format!("{SERVICES}/{whom}/proxy/")).await.failure();
        assert_eq!(refused, format!("503 ServiceUnavailable: {why}"));
    }
    let missing = cluster.get(&format!("{SERVICES}/none:80/proxy/")).await.failure();
    assert_eq!(missing, "404 NotFound: services \"none\" not found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_protocols_pass() {
    let cluster = with_a_pod().await;
    let headers = [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-key", "x")];
    let answer = cluster.send(true, "GET", &format!("{PODS}/web/proxy/echo"), &headers, Bytes::new()).await;
    assert_eq!((answer.status().as_u16(), answer.headers()["upgrade"].to_str().unwrap()), (101, "websocket"));
    let mut socket = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
    socket.write_all(b"hello").await.unwrap();
    let mut said = [0; 5];
    socket.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"hello");
    let refused =
        cluster.send(true, "GET", &format!("{PODS}/web:9/proxy/echo"), &headers, Bytes::new()).await;
    assert_eq!(refused.status().as_u16(), 503);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_answer_what_is_known_of_them() {
    let cluster = with_a_pod().await;
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}});
    cluster.post("/api/v1/nodes", &node).await.ok();
    let pods = cluster.get("/api/v1/nodes/n1/proxy/pods").await.ok();
    assert_eq!(
        (pods["kind"].as_str(), pods["items"][0]["metadata"]["name"].as_str()),
        (Some("PodList"), Some("web"))
    );
    let silent = cluster.get("/api/v1/nodes/n1/proxy/healthz").await;
    assert_eq!(silent.code, 503, "its agent does not answer");
    let unknown = cluster.get("/api/v1/nodes/n1/proxy/configz").await.failure();
    assert!(unknown.starts_with("404 NotFound: the agent of node \"n1\" is no kubelet"), "{unknown}");
    assert_eq!(
        cluster.get("/api/v1/nodes/n2/proxy/pods").await.failure(),
        "404 NotFound: nodes \"n2\" not found"
    );
    assert_eq!(cluster.ask("DELETE", "/api/v1/nodes/n1/proxy/pods", &[], Bytes::new()).await.code, 405);
}
