//! What the cluster's own objects say about new ones.

use serde_json::json;

use crate::cluster::{Cluster, PODS, pod};

#[tokio::test]
async fn quotas_limits_and_priorities_hold() {
    let cluster = Cluster::start().await;
    let classes = "/apis/scheduling.k8s.io/v1/priorityclasses";
    let system = cluster.get(&format!("{classes}/system-node-critical")).await.ok();
    assert_eq!((&system["value"], &system["metadata"]["generation"]), (&json!(2_000_001_000_i64), &json!(1)));
    let high = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}, "value": 7});
    cluster.post(classes, &high).await.ok();
    let limits = json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l"},
        "spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "100m"}}]}});
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": {"pods": "1", "requests.cpu": "1"}}});
    cluster.post("/api/v1/namespaces/default/limitranges", &limits).await.ok();
    cluster.post("/api/v1/namespaces/default/resourcequotas", &quota).await.ok();

    let mut web = pod("web");
    web["spec"]["priorityClassName"] = json!("high");
    let created = cluster.post(PODS, &web).await.ok();
    assert_eq!(created["spec"]["priority"], 7);
    assert_eq!(created["spec"]["containers"][0]["resources"]["requests"]["cpu"], "100m");
    cluster.put(&format!("{PODS}/web"), &web).await.failure();
    let mut same = web.clone();
    same["spec"]["containers"] = created["spec"]["containers"].clone();
    same["spec"]["volumes"] = created["spec"]["volumes"].clone();
    assert_eq!(cluster.put(&format!("{PODS}/web"), &same).await.ok()["spec"]["priority"], 7);
    assert_eq!(
        cluster.post(PODS, &pod("other")).await.failure(),
        "403 Forbidden: pods \"other\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"
    );
    let mut lost = pod("lost");
    lost["spec"]["priorityClassName"] = json!("low");
    assert_eq!(
        cluster.post(PODS, &lost).await.failure(),
        "403 Forbidden: pods \"lost\" is forbidden: no PriorityClass with name low was found"
    );
    assert_eq!(
        cluster.get("/api/v1/namespaces/default/resourcequotas/q").await.ok()["metadata"].get("generation"),
        None
    );
}
