//! Custom objects whose versions a webhook converts, a real server over TLS, as kubectl sees them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use odeon_tests::{Cluster, eventually};
use serde_json::{Value, json};

use crate::tls_server::TlsServer;

const OLD: &str = "apiVersion: stable.example.com/v1beta1
kind: CronTab
metadata: {name: old}
spec: {hostPort: 'localhost:1'}";

const NEW: &str = "apiVersion: stable.example.com/v1
kind: CronTab
metadata: {name: new}
spec: {host: example.com, port: '2'}";

/// A webhook that converts `spec.hostPort` of v1beta1 to `spec.host` and `spec.port` of v1, and back.
struct Converter {
    server: TlsServer,
    /// What it was asked for: wanted versions and how many objects.
    asked: Arc<Mutex<Vec<(String, usize)>>>,
}

impl Converter {
    fn start() -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let server = TlsServer::start("127.0.0.1:0", "127.0.0.1", None, move |request| {
            answer(request, Arc::clone(&log))
        });
        Self { server, asked }
    }

    /// The definition; `stored` is the version that objects are stored in.
    fn definition(&self, stored: &str, path: &str) -> String {
        let version = |name: &str, fields: Value| {
            json!({
                "name": name, "served": true, "storage": name == stored,
                "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}},
                "additionalPrinterColumns": [{"name": "Place", "type": "string", "jsonPath": if name == "v1" { ".spec.host" } else { ".spec.hostPort" }}],
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": fields},
                    "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}}}}},
            })
        };
        let replicas = json!({"type": "integer", "default": 1});
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "crontabs.stable.example.com"},
            "spec": {
                "group": "stable.example.com", "scope": "Namespaced",
                "names": {"plural": "crontabs", "kind": "CronTab", "shortNames": ["ct"]},
                "versions": [
                    version("v1beta1", json!({"hostPort": {"type": "string"}, "replicas": replicas})),
                    version("v1", json!({"host": {"type": "string"}, "port": {"type": "string"}, "replicas": replicas})),
                ],
                "conversion": {"strategy": "Webhook", "webhook": {
                    "conversionReviewVersions": ["v1"],
                    "clientConfig": {"url": format!("https://{}{path}", self.server.address), "caBundle": self.server.bundle}}},
            },
        })
        .to_string()
    }

    /// What it was asked for since the last time.
    fn asked(&self) -> Vec<(String, usize)> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

async fn answer(
    request: Request<Incoming>,
    log: Arc<Mutex<Vec<(String, usize)>>>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    let review: Value = serde_json::from_slice(&body).unwrap();
    let asked = &review["request"];
    let wanted = asked["desiredAPIVersion"].as_str().unwrap().to_owned();
    let objects = asked["objects"].as_array().unwrap();
    let (_, version) = wanted.split_once('/').unwrap();
    log.lock().unwrap().push((version.to_owned(), objects.len()));
    let response = match path.as_str() {
        "/fail" => json!({"uid": asked["uid"], "result": {"status": "Failure", "message": "no idea"}}),
        _ => {
            let converted: Vec<Value> = objects.iter().map(|object| converted(object, &wanted)).collect();
            json!({"uid": asked["uid"], "result": {"status": "Success"}, "convertedObjects": converted})
        }
    };
    let answer =
        json!({"apiVersion": review["apiVersion"], "kind": "ConversionReview", "response": response});
    Ok(Response::new(Full::new(Bytes::from(answer.to_string()))))
}

fn converted(object: &Value, wanted: &str) -> Value {
    let mut object = object.clone();
    assert_ne!(object["apiVersion"], wanted, "what is in the wanted version is not sent");
    object["apiVersion"] = json!(wanted);
    let spec = object["spec"].as_object_mut().unwrap();
    let text = |value: Option<Value>| value.and_then(|value| value.as_str().map(str::to_owned));
    if wanted.ends_with("/v1") {
        let place = text(spec.remove("hostPort")).unwrap_or_default();
        if let Some((host, port)) = place.split_once(':') {
            spec.extend([("host".to_owned(), json!(host)), ("port".to_owned(), json!(port))]);
        }
    } else {
        let (host, port) = (text(spec.remove("host")), text(spec.remove("port")));
        if let (Some(host), Some(port)) = (host, port) {
            spec.insert("hostPort".to_owned(), json!(format!("{host}:{port}")));
        }
    }
    object
}

/// kubectl with these words; what it says.
fn says(cluster: &Cluster, arguments: &str) -> String {
    let words: Vec<&str> = arguments.split(' ').collect();
    cluster.kubectl(&words).ok()
}

fn define(cluster: &Cluster, definition: &str) {
    cluster.kubectl_with(&["apply", "-f", "-"], definition).ok();
    says(cluster, "wait --for=condition=Established crd/crontabs.stable.example.com --timeout=20s");
}

/// Events of a watch of so many seconds: types, names and specs.
fn watched(cluster: &Cluster, version: &str, options: &str) -> Vec<String> {
    let path = format!(
        "/apis/stable.example.com/{version}/namespaces/default/crontabs?watch=true&timeoutSeconds=2{options}"
    );
    let lines = cluster.kubectl(&["get", "--raw", &path]).ok();
    let event = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        let object = &event["object"];
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        assert_eq!(object["apiVersion"], format!("stable.example.com/{version}"), "{line}");
        format!("{} {name} {}", event["type"].as_str().unwrap(), object["spec"])
    };
    lines.lines().map(event).collect()
}

#[test]
fn a_webhook_converts_between_versions() {
    let (cluster, converter) = (Cluster::hollow(1), Converter::start());
    define(&cluster, &converter.definition("v1", "/convert"));
    let apply = |manifest: &str| cluster.kubectl_with(&["apply", "-f", "-"], manifest).ok();
    assert!(apply(OLD).contains("created"));
    assert!(apply(NEW).contains("created"));
    converter.asked();
    // In the version that is stored nobody is asked.
    assert_eq!(
        says(&cluster, "get crontabs.v1.stable.example.com old -o jsonpath={.apiVersion},{.spec}"),
        r#"stable.example.com/v1,{"host":"localhost","port":"1","replicas":1}"#
    );
    assert_eq!(converter.asked(), []);
    assert_eq!(
        says(&cluster, "get crontabs.v1beta1.stable.example.com new -o jsonpath={.apiVersion},{.spec}"),
        r#"stable.example.com/v1beta1,{"hostPort":"example.com:2","replicas":1}"#
    );
    let table = says(&cluster, "get crontabs.v1beta1.stable.example.com");
    assert!(table.contains("new    example.com:2\nold    localhost:1"), "{table}");
    let asked = converter.asked();
    assert!(asked.len() <= 1, "what was converted once is remembered: {asked:?}");

    assert!(apply(&OLD.replace("localhost", "elsewhere")).contains("configured"));
    assert!(apply(&OLD.replace("localhost", "elsewhere")).contains("unchanged"));
    let patch =
        r#"patch crontabs.v1beta1.stable.example.com new --type=merge -p {"spec":{"hostPort":"here:3"}}"#;
    assert!(says(&cluster, patch).contains("patched"));
    says(&cluster, "label crontabs.v1beta1.stable.example.com new a=b");
    says(&cluster, "scale crontabs.v1beta1.stable.example.com new --replicas=4");
    says(
        &cluster,
        r#"patch crontabs.v1beta1.stable.example.com new --subresource=status --type=merge -p {"status":{"replicas":4}}"#,
    );
    assert_eq!(
        says(
            &cluster,
            "get crontabs.v1.stable.example.com new -o jsonpath={.spec},{.status},{.metadata.labels}"
        ),
        r#"{"host":"here","port":"3","replicas":4},{"replicas":4},{"a":"b"}"#
    );
    let server_side = ["apply", "--server-side", "--field-manager=other", "-f", "-"];
    let refused = cluster.kubectl_with(&server_side, &NEW.replace("'2'", "'9'")).err();
    // In which version the change was made, and what it is called there.
    let words = "Apply failed with 1 conflict: conflict with \"kubectl-patch\" using stable.example.com/v1beta1: .spec.hostPort";
    assert!(refused.contains(words), "{refused}");
    let selected = says(&cluster, "get crontabs.v1beta1.stable.example.com -l a=b -o name");
    assert_eq!(selected, "crontab.stable.example.com/new\n");
    says(&cluster, "delete crontabs.v1beta1.stable.example.com old");
    assert_eq!(says(&cluster, "get ct -o name"), "crontab.stable.example.com/new\n");
}

#[test]
fn watches_show_their_own_version() {
    let (cluster, converter) = (Cluster::hollow(1), Converter::start());
    define(&cluster, &converter.definition("v1", "/convert"));
    cluster.kubectl_with(&["apply", "-f", "-"], NEW).ok();
    let before = says(&cluster, "get crontabs.v1.stable.example.com -o jsonpath={.metadata.resourceVersion}");
    let before = match before.is_empty() {
        true => {
            says(&cluster, "get crontabs.v1.stable.example.com new -o jsonpath={.metadata.resourceVersion}")
        }
        false => before,
    };
    cluster.kubectl_with(&["apply", "-f", "-"], OLD).ok();
    says(&cluster, "delete crontabs.v1.stable.example.com old");
    converter.asked();
    let since = format!("&resourceVersion={before}");
    assert_eq!(
        watched(&cluster, "v1", &since),
        [
            r#"ADDED old {"host":"localhost","port":"1","replicas":1}"#,
            r#"DELETED old {"host":"localhost","port":"1","replicas":1}"#
        ]
    );
    assert_eq!(converter.asked(), []);
    let expected = [
        r#"ADDED old {"hostPort":"localhost:1","replicas":1}"#,
        r#"DELETED old {"hostPort":"localhost:1","replicas":1}"#,
    ];
    assert_eq!(watched(&cluster, "v1beta1", &since), expected);
    let initial = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let events = watched(&cluster, "v1beta1", initial);
    // One for the end of what there was, one for the end of the watch.
    let added = r#"ADDED new {"hostPort":"example.com:2","replicas":1}"#;
    assert_eq!(events[..], [added, "BOOKMARK  null", "BOOKMARK  null"]);
    converter.asked();

    // However many watch, a change is converted once.
    says(&cluster, "label crontabs.v1.stable.example.com new a=b");
    std::thread::scope(|threads| {
        let watchers: Vec<_> =
            (0..8).map(|_| threads.spawn(|| watched(&cluster, "v1beta1", &since))).collect();
        for watcher in watchers {
            let events = watcher.join().unwrap();
            assert_eq!(events[..2], expected);
            assert_eq!(events[2..], [r#"MODIFIED new {"hostPort":"example.com:2","replicas":1}"#]);
        }
    });
    assert_eq!(converter.asked(), [("v1beta1".to_owned(), 1)]);
}

#[test]
fn the_stored_version_changes() {
    let (cluster, converter) = (Cluster::hollow(1), Converter::start());
    define(&cluster, &converter.definition("v1beta1", "/convert"));
    cluster.kubectl_with(&["apply", "-f", "-"], OLD).ok();
    define(&cluster, &converter.definition("v1", "/convert"));
    let stored = "get crd crontabs.stable.example.com -o jsonpath={.status.storedVersions}";
    assert_eq!(says(&cluster, stored), r#"["v1beta1","v1"]"#);
    converter.asked();
    let place = "get crontabs.v1.stable.example.com old -o jsonpath={.spec.host}";
    eventually("the definition is known", Duration::from_secs(10), || match says(&cluster, place).as_str() {
        "localhost" => Ok(()),
        other => Err(other.to_owned()),
    });
    assert_eq!(converter.asked(), [("v1".to_owned(), 1)]);
    // What is written without a change moves to the present version.
    let whole = says(&cluster, "get crontabs.v1.stable.example.com old -o json");
    cluster.kubectl_with(&["replace", "-f", "-"], &whole).ok();
    converter.asked();
    assert_eq!(says(&cluster, place), "localhost");
    assert_eq!(converter.asked(), [], "it is stored as v1 now");
    let old = "get crontabs.v1beta1.stable.example.com old -o jsonpath={.spec.hostPort}";
    assert_eq!(says(&cluster, old), "localhost:1");
    let patch = r#"{"status":{"storedVersions":["v1"]}}"#;
    let crd =
        ["patch", "crd", "crontabs.stable.example.com", "--subresource=status", "--type=merge", "-p", patch];
    cluster.kubectl(&crd).ok();
    let mut only: Value = serde_json::from_str(&converter.definition("v1", "/convert")).unwrap();
    only["spec"]["versions"].as_array_mut().unwrap().remove(0);
    define(&cluster, &only.to_string());
    assert_eq!(says(&cluster, place), "localhost");
    // Whoever owned something under the names of the version that is gone owns it no more after the next write.
    let owners = "get crontabs.v1.stable.example.com old --show-managed-fields -o jsonpath={.metadata.managedFields[*].apiVersion}";
    assert!(says(&cluster, owners).contains("v1beta1"));
    says(&cluster, "label crontabs.v1.stable.example.com old a=b");
    let left = says(&cluster, owners);
    assert!(left.contains("v1") && !left.contains("v1beta1"), "{left}");
}

#[test]
fn what_cannot_be_converted_is_told() {
    let (cluster, converter) = (Cluster::hollow(1), Converter::start());
    define(&cluster, &converter.definition("v1", "/convert"));
    cluster.kubectl_with(&["apply", "-f", "-"], NEW).ok();
    define(&cluster, &converter.definition("v1", "/fail"));
    let get = ["get", "crontabs.v1beta1.stable.example.com", "new"];
    let expected =
        "Error from server: conversion webhook for stable.example.com/v1, Kind=CronTab failed: no idea";
    eventually("the new webhook is asked", Duration::from_secs(10), || {
        let answer = cluster.kubectl(&get);
        match answer.stderr.trim() == expected {
            true => Ok(()),
            false => Err(format!("{answer:?}")),
        }
    });
    let refused = cluster.kubectl_with(&["create", "-f", "-"], OLD).err();
    assert!(
        refused.contains("conversion webhook for stable.example.com/v1beta1, Kind=CronTab failed: no idea"),
        "{refused}"
    );
    let failed = watched_raw(&cluster);
    assert!(failed.contains(r#""type":"ERROR""#) && failed.contains("no idea"), "{failed}");
    let collection = "/apis/stable.example.com/v1beta1/namespaces/default/crontabs";
    let refused = cluster.kubectl(&["delete", "--raw", collection]).err();
    assert!(refused.contains("no idea"), "{refused}");
    // Whoever does not want the other version is not kept from anything, and nothing was deleted.
    says(&cluster, "get crontabs.v1.stable.example.com new");
    says(&cluster, "delete crontabs.v1.stable.example.com new");
    let nowhere =
        converter.definition("v1", "/convert").replace(&converter.server.address.to_string(), "127.0.0.1:1");
    define(&cluster, &nowhere);
    let refused = cluster.kubectl_with(&["create", "-f", "-"], OLD).err();
    let words = "failed: Post \"https://127.0.0.1:1/convert?timeout=30s\": dial tcp 127.0.0.1:1";
    assert!(refused.contains(words), "{refused}");
}

fn watched_raw(cluster: &Cluster) -> String {
    let path = "/apis/stable.example.com/v1beta1/namespaces/default/crontabs?watch=true&timeoutSeconds=2";
    cluster.kubectl(&["get", "--raw", path]).ok()
}
