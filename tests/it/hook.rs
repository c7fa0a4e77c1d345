//! A webhook for tests: a real server over TLS, which does what its path says.

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use serde_json::{Value, json};

use crate::tls_server::TlsServer;

/// A webhook on this machine, which writes down what it is asked.
pub struct Hook {
    /// What answers.
    pub server: TlsServer,
    /// What it was asked, oldest first: paths and requests.
    pub asked: Arc<Mutex<Vec<Value>>>,
}

impl Hook {
    /// Starts on a port of its own.
    pub fn start() -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let server = TlsServer::start("127.0.0.1:0", "127.0.0.1", None, move |request| {
            answer(request, Arc::clone(&log))
        });
        Self { server, asked }
    }

    /// A configuration of one webhook: `fields` are added to it.
    pub fn configuration(&self, kind: &str, name: &str, path: &str, fields: Value) -> String {
        let mut webhook = json!({
            "name": format!("{name}.example.com"), "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "clientConfig": {"url": format!("https://{}{path}", self.server.address), "caBundle": self.server.bundle},
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
