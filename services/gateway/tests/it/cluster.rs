//! A gateway with a server of its own, and a client that speaks to it over TLS.

use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use bus::testing::NatsServer;
use bytes::Bytes;
use gateway::{Config, Gateway, Pki};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

/// Everything must happen within this.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// A gateway that runs until this is dropped.
pub struct Cluster {
    pub nats: NatsServer,
    pub bus: Bus,
    pub directory: tempfile::TempDir,
    client: Client,
    shutdown: CancellationToken,
}

/// Speaks to one gateway.
pub struct Client {
    pub pki: Pki,
    pub address: std::net::SocketAddr,
}

impl std::ops::Deref for Cluster {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// An answer, read whole.
pub struct Answer {
    pub code: u16,
    pub headers: hyper::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The object of an answer that must have succeeded.
    pub fn ok(&self) -> Value {
        assert!((200..300).contains(&self.code), "{}: {}", self.code, self.text);
        self.json()
    }

    /// `404 NotFound: message` of an answer that must have failed.
    pub fn failure(&self) -> String {
        let status = self.json();
        assert_eq!(status["kind"], "Status", "{}", self.text);
        assert_eq!(status["code"], self.code, "{}", self.text);
        format!(
            "{} {}: {}",
            self.code,
            status["reason"].as_str().unwrap(),
            status["message"].as_str().unwrap()
        )
    }
}

impl Cluster {
    pub async fn start() -> Self {
        let nats = NatsServer::start().await;
        let bus = nats.bus().await;
        let directory = tempfile::tempdir().unwrap();
        let (gateway, shutdown) = bind(&bus, directory.path()).await;
        let (pki, address) = (gateway.pki().clone(), gateway.local_addr());
        tokio::spawn(gateway.serve(shutdown.clone()));
        Self { nats, bus, directory, client: Client { pki, address }, shutdown }
    }

    /// The same cluster through another gateway.
    pub fn at(&self, address: std::net::SocketAddr) -> Client {
        Client { pki: self.pki.clone(), address }
    }
}

impl Client {
    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], Bytes::new()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, &[("content-type", "application/json")], Bytes::from(body.to_string())).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.ask("PUT", path, &[("content-type", "application/json")], Bytes::from(body.to_string())).await
    }

    pub async fn patch(&self, path: &str, kind: &str, body: &Value) -> Answer {
        let kind = format!("application/{kind}");
        self.ask("PATCH", path, &[("content-type", kind.as_str())], Bytes::from(body.to_string())).await
    }

    pub async fn delete(&self, path: &str, options: &Value) -> Answer {
        self.ask("DELETE", path, &[("content-type", "application/json")], Bytes::from(options.to_string()))
            .await
    }

    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Bytes) -> Answer {
        self.ask_as(true, method, path, headers, body).await
    }

    /// With or without the admin's certificate.
    pub async fn ask_as(
        &self,
        certified: bool,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Answer {
        let answering = async {
            let response = self.send(certified, method, path, headers, body).await;
            let (head, body) = response.into_parts();
            let bytes = body.collect().await.unwrap().to_bytes();
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            Answer { code: head.status.as_u16(), headers: head.headers, text }
        };
        tokio::time::timeout(DEADLINE, answering)
            .await
            .unwrap_or_else(|_| panic!("{method} {path} took too long"))
    }

    pub async fn send(
        &self,
        certified: bool,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> hyper::Response<Incoming> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let connector = TlsConnector::from(Arc::new(self.tls(certified)));
        let tls = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(tls)).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        let mut request = hyper::Request::builder().method(method).uri(path).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        sender.send_request(request.body(Full::new(body)).unwrap()).await.unwrap()
    }

    fn tls(&self, certified: bool) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pki.ca_certificate.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        if !certified {
            return builder.with_no_client_auth();
        }
        let certificate = CertificateDer::from_pem_slice(self.pki.admin_certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(self.pki.admin_key.as_bytes()).unwrap();
        builder.with_client_auth_cert(vec![certificate], key).unwrap()
    }

    /// Opens a watch.
    pub async fn watch(&self, path: &str, accept: &str) -> Watch {
        let response = self.send(true, "GET", path, &[("accept", accept)], Bytes::new()).await;
        assert_eq!(response.status().as_u16(), 200);
        Watch { body: response.into_body(), rest: String::new() }
    }
}

/// A second gateway on the same bus, with the same authority.
pub async fn bind(bus: &Bus, directory: &std::path::Path) -> (Gateway, CancellationToken) {
    let config = Config {
        listen: std::net::SocketAddr::from(([127, 0, 0, 1], 0)),
        pki_dir: directory.join("pki"),
        ..Config::default()
    };
    (Gateway::bind(config, bus.clone()).await.unwrap(), CancellationToken::new())
}

/// An open watch.
pub struct Watch {
    body: Incoming,
    rest: String,
}

impl Watch {
    /// The next event; `None` when the server has ended the watch.
    pub async fn next(&mut self) -> Option<Value> {
        let reading = async {
            loop {
                if let Some((line, rest)) = self.rest.split_once('\n') {
                    let event = serde_json::from_str(line).unwrap();
                    self.rest = rest.to_owned();
                    return Some(event);
                }
                let frame = self.body.frame().await?.ok()?;
                self.rest.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
            }
        };
        tokio::time::timeout(DEADLINE, reading).await.expect("no event in time")
    }

    /// The next event as `ADDED name`.
    pub async fn line(&mut self) -> String {
        let event = self.next().await.unwrap_or_else(|| json!({"type": "END"}));
        let kind = event["type"].as_str().unwrap_or_default();
        match event["object"]["metadata"]["name"].as_str() {
            Some(name) => format!("{kind} {name}"),
            None => kind.to_owned(),
        }
    }
}

pub fn config_map(name: &str, app: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"app": app}}, "data": {"k": "v"}})
}

pub fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "nginx:1"}]},
    })
}

pub fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "nginx:1"}]}}},
    })
}

pub const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
pub const PODS: &str = "/api/v1/namespaces/default/pods";
pub const SERVICES: &str = "/api/v1/namespaces/default/services";
pub const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
