//! What Kubernetes' conformance suite says of API machinery (`test/e2e/apimachinery`), against a whole cluster over TLS.

mod answers;
mod collecting;
mod customs;
mod events;
mod kinds;
mod quotas;
mod watching;

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::Request;
use kube::Client;
use kube::client::Body;
use odeon_tests::Cluster;
use serde_json::{Value, json};

use crate::operator::client;

/// What is awaited must happen within this.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait before a look is repeated.
const PAUSE: Duration = Duration::from_millis(30);

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const PODS: &str = "/api/v1/namespaces/default/pods";

/// A cluster without containers, and a client that says what it wants by path.
struct Api {
    client: Client,
    _cluster: Cluster,
}

/// A status code and a body.
struct Answer {
    code: u16,
    body: Value,
    warnings: Vec<String>,
}

impl Answer {
    /// The object of an answer that must have succeeded.
    #[track_caller]
    fn ok(self) -> Value {
        assert!((200..300).contains(&self.code), "{}: {}", self.code, self.body);
        self.body
    }

    /// `404 NotFound: message` of an answer that must have failed.
    #[track_caller]
    fn failure(&self) -> String {
        assert_eq!(self.body["kind"], "Status", "{}", self.body);
        assert!(self.code >= 400, "{}", self.body);
        format!("{} {}: {}", self.code, text(&self.body, "/reason"), text(&self.body, "/message"))
    }
}

impl Api {
    async fn start() -> Self {
        let cluster = Cluster::hollow(1);
        Self { client: client(&cluster).await, _cluster: cluster }
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        self.send(method, path, headers, body.map(Value::to_string).unwrap_or_default().into_bytes()).await
    }

    /// A request whose body need not be JSON.
    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], bytes: Vec<u8>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.client.send(request.body(Body::from(bytes)).unwrap()).await.unwrap();
        let (head, body) = answer.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let all = head.headers.get_all("warning").iter();
        Answer {
            code: head.status.as_u16(),
            body: serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes).into_owned())),
            warnings: all.map(|warning| warning.to_str().unwrap().to_owned()).collect(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], None).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, &[("content-type", "application/json")], Some(body)).await
    }

    async fn put(&self, path: &str, body: &Value) -> Answer {
        self.ask("PUT", path, &[("content-type", "application/json")], Some(body)).await
    }

    /// `kind` is `merge`, `strategic-merge` or `json`.
    async fn patch(&self, path: &str, kind: &str, body: &Value) -> Answer {
        let kind = format!("application/{kind}-patch+json");
        self.ask("PATCH", path, &[("content-type", &kind)], Some(body)).await
    }

    async fn delete(&self, path: &str, options: &Value) -> Answer {
        self.ask("DELETE", path, &[("content-type", "application/json")], Some(options)).await
    }

    /// Looks at a path until what is there fits.
    async fn settles(&self, path: &str, fits: impl Fn(u16, &Value) -> bool) -> Value {
        let looking = async {
            loop {
                let Answer { code, body, .. } = self.get(path).await;
                if fits(code, &body) {
                    return body;
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        match tokio::time::timeout(PATIENCE, looking).await {
            Ok(body) => body,
            Err(_) => panic!("{path} does not settle: {}", self.get(path).await.body),
        }
    }

    /// Waits until nothing is at a path.
    async fn vanishes(&self, path: &str) {
        self.settles(path, |code, _| code == 404).await;
    }

    async fn watch(&self, path: &str) -> Watch {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = self.client.send(request).await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        Watch { body: answer.into_body(), rest: String::new() }
    }
}

/// An open watch.
struct Watch {
    body: Body,
    rest: String,
}

impl Watch {
    /// The next event.
    async fn next(&mut self) -> Value {
        let reading = async {
            loop {
                if let Some((line, rest)) = self.rest.split_once('\n') {
                    let event = serde_json::from_str(line).unwrap();
                    self.rest = rest.to_owned();
                    return event;
                }
                let frame = self.body.frame().await.expect("the watch goes on").unwrap();
                self.rest.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("an event in time")
    }

    /// The next event as `ADDED name`.
    async fn line(&mut self) -> String {
        let event = self.next().await;
        format!("{} {}", text(&event, "/type"), text(&event, "/object/metadata/name"))
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn items(list: &Value) -> &[Value] {
    list["items"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn names(list: &Value) -> Vec<&str> {
    items(list).iter().map(|item| text(item, "/metadata/name")).collect()
}

fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": "v"}})
}

fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"name": name}},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "nginx:1"}]},
    })
}

fn owner(api_version: &str, kind: &str, of: &Value) -> Value {
    json!({
        "apiVersion": api_version, "kind": kind, "name": of["metadata"]["name"], "uid": of["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true,
    })
}
