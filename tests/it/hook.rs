//! A webhook for tests: a real server over TLS, which does what its path says.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;

/// A webhook on this machine, which writes down what it is asked.
pub struct Hook {
    address: SocketAddr,
    /// Its certificate, in PEM and base64, as `caBundle` wants it.
    pub bundle: String,
    /// What it was asked, oldest first: paths and requests.
    pub asked: Arc<Mutex<Vec<Value>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Hook {
    /// Starts on a port of its own.
    pub fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![made.cert.der().clone()],
                PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let log = Arc::clone(&asked);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, log) = (acceptor.clone(), Arc::clone(&log));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(move |request| answer(request, Arc::clone(&log)));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, bundle: STANDARD.encode(made.cert.pem()), asked, _runtime: runtime }
    }

    /// A configuration of one webhook: `fields` are added to it.
    pub fn configuration(&self, kind: &str, name: &str, path: &str, fields: Value) -> String {
        let mut webhook = json!({
            "name": format!("{name}.example.com"), "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "clientConfig": {"url": format!("https://{}{path}", self.address), "caBundle": self.bundle},
            "rules": [{"operations": ["CREATE", "UPDATE", "DELETE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}],
        });
        webhook.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "webhooks": [webhook],
        })
        .to_string()
    }
}

async fn answer(
    request: Request<Incoming>,
    log: Arc<Mutex<Vec<Value>>>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    let review: Value = serde_json::from_slice(&body).unwrap();
    let asked = &review["request"];
    let mut response = json!({"uid": asked["uid"], "allowed": true});
    match path.as_str() {
        "/mutate" => {
            let patch = json!([{"op": "add", "path": "/data/mutated", "value": asked["name"]}]);
            response["patchType"] = json!("JSONPatch");
            response["patch"] = json!(STANDARD.encode(patch.to_string()));
            response["warnings"] = json!(["it was changed"]);
        }
        "/break" => {
            let patch = json!([{"op": "add", "path": "/data/number", "value": 7}]);
            response["patchType"] = json!("JSONPatch");
            response["patch"] = json!(STANDARD.encode(patch.to_string()));
        }
        "/inject" => {
            let patch = json!([
                {"op": "add", "path": "/metadata/labels/injected", "value": "yes"},
                {"op": "add", "path": "/spec/containers/-", "value": {"name": "helper", "image": "helper:1"}},
            ]);
            response["patchType"] = json!("JSONPatch");
            response["patch"] = json!(STANDARD.encode(patch.to_string()));
        }
        "/deny" => {
            let at = |object: &Value, place: &str| object.pointer(place)?.as_str().map(str::to_owned);
            let said = |object: &Value| {
                at(object, "/data/deny").or_else(|| at(object, "/metadata/annotations/deny"))
            };
            if let Some(why) = said(&asked["object"]).or(said(&asked["oldObject"])) {
                response["allowed"] = json!(false);
                response["status"] = json!({"message": why});
            }
        }
        _ => {}
    }
    let uid = asked["uid"].clone();
    log.lock().unwrap().push(json!({"path": path, "request": asked, "uid": uid}));
    let answer =
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response});
    Ok(Response::new(Full::new(Bytes::from(answer.to_string()))))
}
