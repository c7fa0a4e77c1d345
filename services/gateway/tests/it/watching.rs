//! Watches.

use serde_json::{Value, json};

use crate::cluster::{CONFIG_MAPS, Cluster, config_map};

#[tokio::test]
async fn a_watch_begins_with_the_present_and_goes_on() {
    let cluster = Cluster::start().await;
    cluster.post(CONFIG_MAPS, &config_map("a", "x")).await.ok();
    let mut watch = cluster.watch(&format!("{CONFIG_MAPS}?watch=true"), "").await;
    assert_eq!(watch.line().await, "ADDED a");
    cluster.post(CONFIG_MAPS, &config_map("b", "x")).await.ok();
    assert_eq!(watch.line().await, "ADDED b");
    cluster.put(&format!("{CONFIG_MAPS}/b"), &config_map("b", "y")).await.ok();
    assert_eq!(watch.line().await, "MODIFIED b");
    cluster.delete(&format!("{CONFIG_MAPS}/b"), &json!({})).await.ok();
    let deleted = watch.next().await.unwrap();
    assert_eq!(
        (&deleted["type"], &deleted["object"]["metadata"]["labels"]["app"]),
        (&json!("DELETED"), &json!("y"))
    );
}

#[tokio::test]
async fn a_watch_resumes_after_a_version() {
    let cluster = Cluster::start().await;
    let first = cluster.post(CONFIG_MAPS, &config_map("a", "x")).await.ok();
    cluster.post(CONFIG_MAPS, &config_map("b", "x")).await.ok();
    cluster.delete(&format!("{CONFIG_MAPS}/a"), &json!({})).await.ok();
    let version = first["metadata"]["resourceVersion"].as_str().unwrap();
    let mut watch = cluster.watch(&format!("{CONFIG_MAPS}?watch=1&resourceVersion={version}"), "").await;
    assert_eq!(watch.line().await, "ADDED b");
    assert_eq!(watch.line().await, "DELETED a");
}

#[tokio::test]
async fn selectors_turn_changes_into_additions_and_deletions() {
    let cluster = Cluster::start().await;
    let mut watch = cluster.watch(&format!("{CONFIG_MAPS}?watch=true&labelSelector=app%3Dx"), "").await;
    cluster.post(CONFIG_MAPS, &config_map("a", "y")).await.ok();
    cluster.put(&format!("{CONFIG_MAPS}/a"), &config_map("a", "x")).await.ok();
    assert_eq!(watch.line().await, "ADDED a");
    cluster.put(&format!("{CONFIG_MAPS}/a"), &config_map("a", "y")).await.ok();
    assert_eq!(watch.line().await, "DELETED a");
    cluster.delete(&format!("{CONFIG_MAPS}/a"), &json!({})).await.ok();
    cluster.post(CONFIG_MAPS, &config_map("b", "x")).await.ok();
    assert_eq!(watch.line().await, "ADDED b");
}

#[tokio::test]
async fn initial_events_end_with_a_bookmark() {
    let cluster = Cluster::start().await;
    cluster.post(CONFIG_MAPS, &config_map("a", "x")).await.ok();
    let path = format!(
        "{CONFIG_MAPS}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1"
    );
    let mut watch = cluster.watch(&path, "").await;
    assert_eq!(watch.line().await, "ADDED a");
    let bookmark = watch.next().await.unwrap();
    assert_eq!(bookmark["type"], "BOOKMARK");
    assert_eq!(bookmark["object"]["kind"], "ConfigMap");
    assert_eq!(bookmark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    let farewell = watch.next().await.unwrap();
    assert_eq!(
        (&farewell["type"], &farewell["object"]["metadata"]["annotations"]),
        (&json!("BOOKMARK"), &Value::Null)
    );
    assert_eq!(watch.next().await, None, "its time is over");
    let unfit = cluster.get(&format!("{CONFIG_MAPS}?watch=true&sendInitialEvents=true")).await;
    assert_eq!(unfit.code, 422);
}

#[tokio::test]
async fn tables_are_watched_too() {
    let cluster = Cluster::start().await;
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let mut watch = cluster.watch(&format!("{CONFIG_MAPS}?watch=true"), accept).await;
    cluster.post(CONFIG_MAPS, &config_map("a", "x")).await.ok();
    let event = watch.next().await.unwrap();
    assert_eq!(event["object"]["kind"], "Table");
    assert_eq!(event["object"]["rows"][0]["cells"][0], "a");
}
