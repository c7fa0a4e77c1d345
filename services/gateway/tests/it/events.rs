//! Events and explanations, both out of the journal.

use api::journal::{EventView, JournalEntry};
use api::{ObjectKey, ResourceId};
use serde_json::{Value, json};

use crate::cluster::{CONFIG_MAPS, Client, Cluster, DEADLINE, PODS, bind, config_map, pod};

const EVENTS: &str = "/api/v1/namespaces/default/events";

async fn eventually(cluster: &Cluster, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
    eventually_at(cluster, path, holds).await
}

async fn eventually_at(client: &Client, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let waiting = async {
        loop {
            let answer = client.get(path).await;
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

const NEWER: &str = "/apis/events.k8s.io/v1/namespaces/default/events";

fn newer(name: &str) -> Value {
    json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": name, "labels": {"app": "x"}},
        "reason": "Hello", "note": "a word", "action": "Say", "type": "Normal", "eventTime": "2026-01-01T00:00:00.000001Z",
        "reportingController": "test", "reportingInstance": "test-0", "regarding": {"kind": "Pod", "namespace": "default", "name": "web"},
    })
}

fn items(list: &Value) -> usize {
    list["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn the_same_events_are_served_in_two_versions() {
    let cluster = Cluster::start().await;
    let created = cluster.post(NEWER, &newer("x.1")).await.ok();
    assert_eq!((&created["apiVersion"], &created["note"]), (&json!("events.k8s.io/v1"), &json!("a word")));
    let selected = format!("{NEWER}?fieldSelector=regarding.name%3Dweb,reportingController%3Dtest");
    let list = cluster.get(&selected).await.ok();
    assert_eq!((&list["apiVersion"], &list["kind"]), (&json!("events.k8s.io/v1"), &json!("EventList")));
    assert_eq!(list["items"][0]["apiVersion"], "events.k8s.io/v1");
    assert_eq!(list["items"][0]["regarding"]["name"], "web");
    let older = cluster.get(&format!("{EVENTS}?fieldSelector=source%3Dtest")).await.ok();
    assert_eq!(older["items"][0]["apiVersion"], "v1");
    assert_eq!(older["items"][0]["message"], "a word");
    let mut watch = cluster.watch(&format!("{NEWER}?watch=true"), "").await;
    assert_eq!(watch.next().await.unwrap()["object"]["note"], "a word");
    let refused = cluster.get(&format!("{NEWER}?fieldSelector=involvedObject.name%3Dweb")).await;
    assert_eq!(refused.failure(), "400 BadRequest: field label not supported: involvedObject.name");
}

#[tokio::test]
async fn clients_change_their_events() {
    let cluster = Cluster::start().await;
    let created = cluster.post(NEWER, &newer("x.1")).await.ok();
    let path = format!("{NEWER}/x.1");
    let revision = created["metadata"]["resourceVersion"].as_str().unwrap();
    let mut watch = cluster.watch(&format!("{NEWER}?watch=true&resourceVersion={revision}"), "").await;
    assert_eq!(cluster.get(&path).await.ok(), created);
    let again = cluster.post(NEWER, &newer("x.1")).await;
    assert_eq!(again.failure(), "409 AlreadyExists: events \"x.1\" already exists");
    let series = json!({"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:02.000000Z"}});
    let patched = cluster.patch(&path, "strategic-merge-patch+json", &series).await.ok();
    assert_eq!(
        (&patched["series"]["count"], &patched["metadata"]["labels"]["app"]),
        (&json!(2), &json!("x"))
    );
    let note = cluster.patch(&path, "merge-patch+json", &json!({"note": "another"})).await;
    let immutable = "422 Invalid: Event.events.k8s.io \"x.1\" is invalid: message: Invalid value: \"another\": field is immutable";
    assert_eq!(note.failure(), immutable);
    let stale = cluster.put(&path, &created).await;
    assert_eq!(stale.code, 409, "{}", stale.text);
    let older = json!({"message": "v1 may", "count": 3, "lastTimestamp": "2026-01-01T00:00:03Z"});
    let changed = cluster.patch(&format!("{EVENTS}/x.1"), "merge-patch+json", &older).await.ok();
    assert_eq!((&changed["message"], &changed["count"]), (&json!("v1 may"), &json!(3)));
    assert_eq!(items(&cluster.get(&format!("{EVENTS}?labelSelector=app%3Dx")).await.ok()), 1);
    assert_eq!(items(&cluster.get(&format!("{EVENTS}?labelSelector=app%3Dy")).await.ok()), 0);
    cluster.delete(&path, &json!({})).await.ok();
    assert_eq!(cluster.get(&path).await.code, 404);
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(watch.next().await.unwrap()["type"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen, ["MODIFIED", "MODIFIED", "DELETED"]);
    cluster.post(NEWER, &newer("x.1")).await.ok();
    let selected = format!("{NEWER}?labelSelector=app%3Dx");
    assert_eq!(items(&cluster.ask("DELETE", &selected, &[], bytes::Bytes::new()).await.ok()), 1);
    assert_eq!(items(&cluster.get(NEWER).await.ok()), 0);
}

#[tokio::test]
async fn gateways_agree_about_events() {
    let cluster = Cluster::start().await;
    let (second, shutdown) = bind(&cluster.bus, cluster.directory.path()).await;
    let other = cluster.at(second.local_addr());
    tokio::spawn(second.serve(shutdown.clone()));
    let path = format!("{NEWER}/x.1");
    cluster.post(NEWER, &newer("x.1")).await.ok();
    // What the other gateway has not heard of yet is there all the same.
    assert_eq!(other.post(NEWER, &newer("x.1")).await.code, 409);
    let labelled = json!({"metadata": {"labels": {"by": "other"}}});
    let changed = other.patch(&path, "merge-patch+json", &labelled).await.ok();
    let one_more = json!({"metadata": {"labels": {"by": "first"}}});
    let first = cluster.patch(&path, "merge-patch+json", &one_more).await.ok();
    assert_eq!(first["metadata"]["uid"], changed["metadata"]["uid"]);
    assert_eq!(first["metadata"]["labels"], json!({"app": "x", "by": "first"}));
    cluster.delete(&path, &json!({})).await.ok();
    // Only the first gateway knows for sure that it is gone.
    let there_again = other.post(NEWER, &newer("x.1")).await.ok();
    assert_ne!(there_again["metadata"]["uid"], first["metadata"]["uid"]);
    let (third, _) = bind(&cluster.bus, cluster.directory.path()).await;
    let late = cluster.at(third.local_addr());
    tokio::spawn(third.serve(shutdown.clone()));
    let found = eventually_at(&late, &path, |_| true).await;
    assert_eq!(found, there_again);
    shutdown.cancel();
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
