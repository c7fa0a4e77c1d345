//! Deletions and evictions.

use serde_json::json;

use crate::cluster::{CONFIG_MAPS, Cluster, PODS, config_map, pod};

#[tokio::test]
async fn what_nothing_holds_goes_at_once() {
    let cluster = Cluster::start().await;
    let created = cluster.post(CONFIG_MAPS, &config_map("a", "x")).await.ok();
    let path = format!("{CONFIG_MAPS}/a");
    let wrong = json!({"preconditions": {"uid": "other"}});
    assert_eq!(cluster.delete(&path, &wrong).await.code, 409);
    let dry = cluster.delete(&path, &json!({"dryRun": ["All"]})).await.ok();
    assert_eq!(dry["status"], "Success");
    let gone = cluster.delete(&path, &json!({})).await.ok();
    assert_eq!(gone["details"]["uid"], created["metadata"]["uid"]);
    assert_eq!(cluster.delete(&path, &json!({})).await.failure(), "404 NotFound: configmaps \"a\" not found");
    cluster.post(CONFIG_MAPS, &config_map("a", "x")).await.ok();
}

#[tokio::test]
async fn finalizers_hold_an_object() {
    let cluster = Cluster::start().await;
    let mut held = config_map("a", "x");
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    cluster.post(CONFIG_MAPS, &held).await.ok();
    let path = format!("{CONFIG_MAPS}/a");
    let ending = cluster.delete(&path, &json!({})).await.ok();
    assert!(ending["metadata"]["deletionTimestamp"].is_string());
    cluster.patch(&path, "merge-patch+json", &json!({"metadata": {"finalizers": null}})).await.ok();
    assert_eq!(cluster.get(&path).await.code, 404);
}

#[tokio::test]
async fn bound_pods_get_their_grace() {
    let cluster = Cluster::start().await;
    for name in ["free", "bound", "evicted"] {
        cluster.post(PODS, &pod(name)).await.ok();
    }
    for name in ["bound", "evicted"] {
        let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": {"name": "n1"}});
        assert_eq!(cluster.post(&format!("{PODS}/{name}/binding"), &binding).await.code, 201);
    }
    assert_eq!(cluster.delete(&format!("{PODS}/free"), &json!({})).await.ok()["kind"], "Pod");
    assert_eq!(cluster.get(&format!("{PODS}/free")).await.code, 404);
    let ending = cluster.delete(&format!("{PODS}/bound"), &json!({})).await.ok();
    assert_eq!(ending["metadata"]["deletionGracePeriodSeconds"], 30);
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "evicted"}, "deleteOptions": {"gracePeriodSeconds": 5}});
    assert_eq!(cluster.post(&format!("{PODS}/evicted/eviction"), &eviction).await.code, 201);
    let evicted = cluster.get(&format!("{PODS}/evicted")).await.ok();
    assert_eq!(evicted["metadata"]["deletionGracePeriodSeconds"], 5);
    cluster.delete(&format!("{PODS}/bound"), &json!({"gracePeriodSeconds": 0})).await.ok();
    assert_eq!(cluster.get(&format!("{PODS}/bound")).await.code, 404);
}

#[tokio::test]
async fn namespaces_end_before_they_go() {
    let cluster = Cluster::start().await;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}});
    cluster.post("/api/v1/namespaces", &namespace).await.ok();
    assert_eq!(
        cluster.delete("/api/v1/namespaces/default", &json!({})).await.failure(),
        "403 Forbidden: namespaces \"default\" is forbidden: this namespace may not be deleted"
    );
    let ending = cluster.delete("/api/v1/namespaces/team", &json!({})).await.ok();
    assert_eq!(ending["status"]["phase"], "Terminating");
    let refused = cluster.post("/api/v1/namespaces/team/configmaps", &config_map("a", "x")).await;
    assert_eq!(refused.code, 403);
    assert_eq!(refused.json()["details"]["causes"][0]["reason"], "NamespaceTerminating");
    let mut finalized = ending.clone();
    finalized["spec"]["finalizers"] = json!([]);
    cluster.put("/api/v1/namespaces/team/finalize", &finalized).await.ok();
    assert_eq!(cluster.get("/api/v1/namespaces/team").await.code, 404);
}

#[tokio::test]
async fn collections_are_deleted_by_selector() {
    let cluster = Cluster::start().await;
    for (name, app) in [("a", "x"), ("b", "y"), ("c", "x")] {
        cluster.post(CONFIG_MAPS, &config_map(name, app)).await.ok();
    }
    let deleted = cluster.delete(&format!("{CONFIG_MAPS}?labelSelector=app%3Dx"), &json!({})).await.ok();
    assert_eq!(deleted["items"].as_array().unwrap().len(), 2);
    assert_eq!(cluster.get(CONFIG_MAPS).await.ok()["items"].as_array().unwrap().len(), 1);
}
