//! Events and explanations, both out of the journal.

use api::journal::{EventView, JournalEntry};
use api::{ObjectKey, ResourceId};
use serde_json::{Value, json};

use crate::cluster::{CONFIG_MAPS, Cluster, DEADLINE, PODS, config_map, pod};

const EVENTS: &str = "/api/v1/namespaces/default/events";

async fn eventually(cluster: &Cluster, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let waiting = async {
        loop {
            let answer = cluster.get(path).await;
            if answer.code == 200 && holds(&answer.json()) {
                return answer.json();
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("{path} never became as wanted"))
}

#[tokio::test]
async fn decisions_are_shown_as_events() {
    let cluster = Cluster::start().await;
    let object = cluster.post(PODS, &pod("web")).await.ok();
    for message in ["Pulling image", "Pulling image", "Started container"] {
        cluster.bus.journal().append(JournalEntry {
            at_micros: telemetry::clock::now().0,
            component: "agent/n1".to_owned(),
            object: Some(ObjectKey::namespaced(ResourceId::new("pods"), "default", "web")),
            uid: object["metadata"]["uid"].as_str().unwrap().into(),
            cause: telemetry::clock::fresh_cause(),
            event: Some(EventView {
                severity: "Normal".into(),
                reason: "Test".into(),
                message: message.into(),
                regarding: None,
            }),
            ..JournalEntry::default()
        });
    }
    let uid = object["metadata"]["uid"].as_str().unwrap();
    let path = format!(
        "{EVENTS}?fieldSelector=involvedObject.name%3Dweb,involvedObject.namespace%3Ddefault,involvedObject.uid%3D{uid}"
    );
    let list =
        eventually(&cluster, &path, |list| list["items"].as_array().is_some_and(|items| items.len() == 2))
            .await;
    let counted =
        list["items"].as_array().unwrap().iter().find(|event| event["message"] == "Pulling image").unwrap();
    assert_eq!(counted["count"], 2, "{list}");
    assert_eq!(
        (&counted["involvedObject"]["kind"], &counted["source"]["host"]),
        (&json!("Pod"), &json!("n1"))
    );
}

#[tokio::test]
async fn clients_report_events() {
    let cluster = Cluster::start().await;
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "x.1"}, "reason": "Hello", "message": "a word", "type": "Normal",
        "involvedObject": {"kind": "Pod", "apiVersion": "v1", "namespace": "default", "name": "web"},
        "source": {"component": "test"},
    });
    assert_eq!(cluster.post(EVENTS, &event).await.code, 201);
    let mut watch = cluster.watch(&format!("{EVENTS}?watch=true"), "").await;
    let seen = watch.next().await.unwrap();
    assert_eq!(
        (&seen["object"]["reason"], &seen["object"]["source"]["component"]),
        (&json!("Hello"), &json!("test"))
    );
}

#[tokio::test]
async fn the_same_events_are_served_in_two_versions() {
    let cluster = Cluster::start().await;
    let newer = "/apis/events.k8s.io/v1/namespaces/default/events";
    let event = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "x.1"}, "reason": "Hello", "note": "a word",
        "type": "Normal", "reportingController": "test", "regarding": {"kind": "Pod", "namespace": "default", "name": "web"},
    });
    let created = cluster.post(newer, &event).await.ok();
    assert_eq!((&created["apiVersion"], &created["note"]), (&json!("events.k8s.io/v1"), &json!("a word")));
    let there = |list: &Value| list["items"].as_array().is_some_and(|items| items.len() == 1);
    let selected = format!("{newer}?fieldSelector=regarding.name%3Dweb,reportingController%3Dtest");
    let list = eventually(&cluster, &selected, there).await;
    assert_eq!((&list["apiVersion"], &list["kind"]), (&json!("events.k8s.io/v1"), &json!("EventList")));
    assert_eq!(list["items"][0]["apiVersion"], "events.k8s.io/v1");
    assert_eq!(list["items"][0]["regarding"]["name"], "web");
    let older = eventually(&cluster, EVENTS, there).await;
    assert_eq!(older["items"][0]["apiVersion"], "v1");
    assert_eq!(older["items"][0]["message"], "a word");
    let mut watch = cluster.watch(&format!("{newer}?watch=true"), "").await;
    assert_eq!(watch.next().await.unwrap()["object"]["note"], "a word");
    let refused = cluster.get(&format!("{newer}?fieldSelector=involvedObject.name%3Dweb")).await;
    assert_eq!(refused.failure(), "400 BadRequest: field label not supported: involvedObject.name");
}

#[tokio::test]
async fn requests_are_explained() {
    let cluster = Cluster::start().await;
    cluster.post(&format!("{CONFIG_MAPS}?fieldManager=kubectl-create"), &config_map("a", "x")).await.ok();
    let path = "/odeon/v1/why?resource=cm&namespace=default&name=a";
    let why =
        eventually(&cluster, path, |why| why["lines"].as_array().is_some_and(|lines| !lines.is_empty()))
            .await;
    assert_eq!(why["lines"][0]["trigger"], "created by admin (kubectl-create)");
    assert_eq!(why["lines"][0]["commands"][0], "create configmaps/default/a");
    let journal = cluster.get("/odeon/v1/journal?resource=configmaps&name=a").await.ok();
    assert_eq!(journal["entries"].as_array().unwrap().len(), 1);
    assert_eq!(cluster.get("/odeon/v1/why?resource=pods&name=nothing").await.code, 404);
    assert_eq!(cluster.get("/odeon/v1/why?resource=chairs&name=x").await.code, 400);
    assert_eq!(cluster.get("/odeon/v1/why").await.code, 400);
}
