//! Speaks with a pod over a real bus; the pod's agent and the server in it are the test's own.

use std::convert::Infallible;

use api::messages::PortForwardRequest;
use bus::testing::NatsServer;
use bytes::Bytes;
use futures::StreamExt;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;

use super::*;

const LIMIT: Duration = Duration::from_secs(10);

/// A node's agent with a pod that answers on port 8080 in the clear and on 8443 over TLS, is silent on 8000, and says good-bye after
/// each answer on 8081.
struct Pod {
    /// How many were made.
    connections: Arc<AtomicUsize>,
    _nats: NatsServer,
    dialer: Dialer,
    /// The certificate of its authority.
    bundle: String,
}

impl Pod {
    async fn start() -> Self {
        let nats = NatsServer::start().await;
        let (asking, agent) = (nats.bus().await, nats.connect().await);
        let (acceptor, bundle) = certified(&["web.shop.svc"]);
        let connections = Arc::new(AtomicUsize::new(0));
        let made = Arc::clone(&connections);
        let mut requests =
            agent.accept_streams::<PortForwardRequest>("odeon.node.n1.portforward").await.unwrap();
        tokio::spawn(async move {
            while let Some(incoming) = requests.next().await {
                assert_eq!(
                    (incoming.request.pod.as_str(), incoming.request.uid.as_str()),
                    ("web-1", "u-web-1")
                );
                let port = incoming.request.port;
                if ![8000, 8080, 8081, 8443].contains(&port) {
                    incoming
                        .refuse(&format!("failed to connect to 10.1.0.1:{port}: connection refused"))
                        .await;
                    continue;
                }
                made.fetch_add(1, Ordering::SeqCst);
                let stream = incoming.accept().await.unwrap().into_io();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    match port {
                        8000 => std::future::pending().await,
                        8080 => serve(stream, true).await,
                        8081 => serve(stream, false).await,
                        _ => {
                            if let Ok(secured) = acceptor.accept(stream).await {
                                serve(secured, true).await;
                            }
                        }
                    }
                });
            }
        });
        Self { dialer: Dialer::new(asking, View::of(objects())), connections, bundle, _nats: nats }
    }

    async fn ask(&self, port: &str, trust: Option<&Trust>, limit: Duration) -> String {
        let service = ServicePort { namespace: "shop".into(), name: "web".into(), port: Port::parse(port) };
        let request = Request::post("/hook?x=1").body(Bytes::from(vec![b'x'; 300_000])).unwrap();
        said(self.dialer.send(&Destination::Service(service), trust, request, limit).await)
    }

    /// Asks a short question, and tells how many connections have been made by then.
    async fn ask_kept(&self, port: u16, trust: Option<&Trust>) -> (String, usize) {
        self.ask_kept_at("/hook", port, trust).await
    }

    async fn ask_kept_at(&self, path: &str, port: u16, trust: Option<&Trust>) -> (String, usize) {
        let service = ServicePort { namespace: "shop".into(), name: "web".into(), port: Port::Number(port) };
        let request = Request::post(path).body(Bytes::from_static(b"x")).unwrap();
        let answer = self.dialer.send_kept(&Destination::Service(service), trust, request, LIMIT).await;
        (said(answer), self.connections.load(Ordering::SeqCst))
    }
}

fn said(answer: Result<http::Answer, DialError>) -> String {
    match answer {
        Ok(answer) => format!("{} {}", answer.status(), String::from_utf8_lossy(answer.body())),
        Err(error) => error.chain(),
    }
}

/// Says what it has heard, or, at `/endless`, more than anybody reads.
async fn serve(connection: impl Connection + 'static, stays: bool) {
    let answer = |request: Request<hyper::body::Incoming>| async move {
        let (head, body) = request.into_parts();
        let length = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes().len();
        let host = head.headers["host"].to_str().unwrap().to_owned();
        let said = match head.uri.path() {
            "/endless" => "x".repeat(11 << 20),
            _ => format!("{} {} {host} {length}", head.method, head.uri),
        };
        Ok::<_, Infallible>(Response::builder().status(202).body(Full::new(Bytes::from(said))).unwrap())
    };
    let mut server = hyper::server::conn::http1::Builder::new();
    let _ = server.keep_alive(stays).serve_connection(TokioIo::new(connection), service_fn(answer)).await;
}

fn certified(names: &[&str]) -> (TlsAcceptor, String) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    (TlsAcceptor::from(Arc::new(config)), certificate.pem())
}

fn objects() -> Vec<Value> {
    let ports = |numbers: [u16; 5]| -> Vec<Value> {
        let names = ["plain", "tls", "silent", "closed", "brief"];
        names.iter().zip(numbers).map(|(name, port)| json!({"name": name, "port": port})).collect()
    };
    vec![
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "shop", "name": "web-1", "uid": "u-web-1"},
            "spec": {"nodeName": "n1"}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "shop", "name": "web", "uid": "s"},
            "spec": {"ports": ports([80, 443, 8000, 81, 82])}}),
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"namespace": "shop", "name": "web-x", "uid": "e", "labels": {"kubernetes.io/service-name": "web"}},
        "ports": ports([8080, 8443, 8000, 9, 8081]), "endpoints": [
            {"addresses": ["10.1.0.9"], "targetRef": {"kind": "Pod", "namespace": "shop", "name": "gone", "uid": "g"}},
            {"addresses": ["10.1.0.1"], "targetRef": {"kind": "Pod", "namespace": "shop", "name": "web-1", "uid": "u-web-1"}},
        ]}),
    ]
}

#[tokio::test]
async fn a_service_answers_through_the_agent_of_a_pod() {
    let pod = Pod::start().await;
    let said = "202 Accepted POST /hook?x=1 web.shop.svc 300000";
    // Endpoints take turns; the one whose pod is gone is passed over.
    for port in ["80", "plain", "80"] {
        assert_eq!(pod.ask(port, None, LIMIT).await, said);
    }
    assert_eq!(pod.ask("83", None, LIMIT).await, "no service port 83 found for service \"web\"");
    assert_eq!(
        pod.ask("81", None, LIMIT).await,
        "failed to connect to port 9 of pod \"web-1\" on node \"n1\": failed to connect to 10.1.0.1:9: connection refused"
    );
    assert_eq!(pod.ask("8000", None, Duration::from_millis(300)).await, "context deadline exceeded");
}

#[tokio::test]
async fn connections_are_kept_for_whoever_trusts_alike() {
    let pod = Pod::start().await;
    let heard = || "202 Accepted POST /hook web.shop.svc 1".to_owned();
    for _ in 0..3 {
        assert_eq!(pod.ask_kept(80, None).await, (heard(), 1));
    }
    for connections in 2..4 {
        assert_eq!(pod.ask_kept(82, None).await, (heard(), connections), "it says good-bye each time");
    }
    let trust = |roots| Trust { roots, server_name: "web.shop.svc".to_owned(), identity: None };
    let trusted = trust(Roots::Bundle(pod.bundle.clone()));
    for _ in 0..2 {
        assert_eq!(pod.ask_kept(443, Some(&trusted)).await, (heard(), 4));
    }
    let wary = trust(Roots::Bundle(certified(&["web.shop.svc"]).1));
    let (refused, _) = pod.ask_kept(443, Some(&wary)).await;
    assert!(refused.contains("invalid peer certificate"), "{refused}");
    assert_eq!(pod.ask_kept(443, Some(&trusted)).await, (heard(), 5));
}

#[tokio::test]
async fn what_is_too_long_is_not_asked_again() {
    let pod = Pod::start().await;
    assert_eq!(pod.ask_kept(80, None).await.1, 1);
    let refused = ("the answer is larger than 10485760 bytes".to_owned(), 1);
    assert_eq!(pod.ask_kept_at("/endless", 80, None).await, refused);
}

#[tokio::test]
async fn a_server_proves_who_it_is() {
    let pod = Pod::start().await;
    let said = "202 Accepted POST /hook?x=1 web.shop.svc 300000";
    let trust = |roots, name: &str| Trust { roots, server_name: name.to_owned(), identity: None };
    let bundle = || Roots::Bundle(pod.bundle.clone());
    assert_eq!(pod.ask("443", Some(&trust(bundle(), "web.shop.svc")), LIMIT).await, said);
    assert_eq!(pod.ask("443", Some(&trust(Roots::Unchecked, "web.shop.svc")), LIMIT).await, said);
    let another = Roots::Bundle(certified(&["web.shop.svc"]).1);
    for (roots, name, why) in [
        (another, "web.shop.svc", "invalid peer certificate"),
        (bundle(), "db.shop.svc", "not valid for name"),
        (Roots::Bundle(String::new()), "web.shop.svc", "there are no authorities to trust"),
        (bundle(), "web shop", "invalid dns name"),
    ] {
        let failed = pod.ask("443", Some(&trust(roots, name)), LIMIT).await;
        assert!(failed.contains(why), "{failed}");
    }
}
