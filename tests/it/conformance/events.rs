//! `test/e2e/instrumentation`: `events.go` (events.k8s.io) and `core_events.go` (v1).

use serde_json::{Value, json};

use super::{Api, items, names, text};

const NEW: &str = "/apis/events.k8s.io/v1/namespaces/default/events";
const CORE: &str = "/api/v1/namespaces/default/events";

fn new_event(name: &str, label: &str) -> Value {
    json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": name, "labels": {label: "true"}},
        "regarding": {"namespace": "default"}, "eventTime": "2017-09-19T15:02:36.000000Z", "note": format!("This is {name}"),
        "action": "Do", "reason": "Test", "type": "Normal", "reportingController": "test-controller",
        "reportingInstance": "test-node",
    })
}

#[tokio::test]
async fn a_new_event_is_fetched_patched_updated_listed_and_deleted() {
    let api = Api::start().await;
    api.post(NEW, &new_event("event-test", "testevent-constant")).await.ok();
    let labelled = "labelSelector=testevent-constant%3Dtrue";
    for path in ["/apis/events.k8s.io/v1/events", NEW] {
        let list = api.get(&format!("{path}?{labelled}")).await.ok();
        assert_eq!(names(&list), ["event-test"], "{path}");
    }
    let by_source = api.get(&format!("{CORE}?fieldSelector=source%3Dtest-controller")).await.ok();
    assert_eq!(names(&by_source), ["event-test"]);
    let by_controller =
        api.get(&format!("{NEW}?fieldSelector=reportingController%3Dtest-controller")).await.ok();
    assert_eq!(names(&by_controller), ["event-test"]);
    let path = format!("{NEW}/event-test");
    let mut found = api.get(&path).await.ok();
    let series = |count| json!({"count": count, "lastObservedTime": "2017-09-19T15:02:31.000000Z"});
    api.patch(&path, "strategic-merge", &json!({"series": series(2)})).await.ok();
    let patched = api.get(&path).await.ok();
    found["series"] = series(2);
    assert_eq!(unmanaged(&patched), unmanaged(&found));
    let mut wanted = patched;
    wanted["series"] = series(100);
    api.put(&path, &wanted).await.ok();
    assert_eq!(unmanaged(&api.get(&path).await.ok()), unmanaged(&wanted));
    api.delete(&path, &json!({})).await.ok();
    for path in ["/apis/events.k8s.io/v1/events", NEW] {
        assert_eq!(items(&api.get(&format!("{path}?{labelled}")).await.ok()).len(), 0, "{path}");
    }
}

/// Without what the server counts.
fn unmanaged(event: &Value) -> Value {
    let mut event = event.clone();
    let metadata = event["metadata"].as_object_mut().unwrap();
    metadata.remove("resourceVersion");
    metadata.remove("managedFields");
    event
}

#[tokio::test]
async fn a_collection_of_new_events_is_deleted() {
    let api = Api::start().await;
    for name in ["test-event-1", "test-event-2", "test-event-3"] {
        api.post(NEW, &new_event(name, "testevent-set")).await.ok();
    }
    let path = format!("{NEW}?labelSelector=testevent-set%3Dtrue");
    assert_eq!(items(&api.get(&path).await.ok()).len(), 3);
    api.delete(&path, &json!({})).await.ok();
    assert_eq!(items(&api.get(&path).await.ok()).len(), 0);
}

#[tokio::test]
async fn events_of_v1_live_as_their_writers_wish() {
    let api = Api::start().await;
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "labels": {"testevent-constant": "true"}},
        "message": "This is a test event", "reason": "Test", "type": "Normal", "count": 1, "involvedObject": {"namespace": "default"},
    });
    api.post(CORE, &event).await.ok();
    let all = "/api/v1/events?labelSelector=testevent-constant%3Dtrue";
    assert_eq!(names(&api.get(all).await.ok()), ["e"]);
    let path = format!("{CORE}/e");
    let patch = json!({"message": "This is a test event - patched", "count": 2, "lastTimestamp": "2026-01-01T00:00:00Z"});
    api.patch(&path, "strategic-merge", &patch).await.ok();
    let patched = api.get(&path).await.ok();
    assert_eq!(text(&patched, "/message"), "This is a test event - patched");
    assert_eq!((&patched["count"], text(&patched, "/lastTimestamp")), (&json!(2), "2026-01-01T00:00:00Z"));
    let mut updated = patched;
    updated["reason"] = json!("Updated");
    let updated = api.put(&path, &updated).await.ok();
    assert_eq!(text(&updated, "/reason"), "Updated");
    api.delete(&path, &json!({})).await.ok();
    api.vanishes(&path).await;
}
