//! What the cluster's own objects say about new ones.

use api::{ObjectKey, ResourceId};
use serde_json::{Value, json};

use crate::cluster::{Cluster, PODS, bind, config_map, pod};

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

fn quota(hard: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": hard}})
}

const QUOTAS: &str = "/api/v1/namespaces/default/resourcequotas";

#[tokio::test]
async fn writers_at_the_same_moment_do_not_overshoot_a_quota() {
    let cluster = Cluster::start().await;
    let (second, shutdown) = bind(&cluster.bus, cluster.directory.path()).await;
    let other = cluster.at(second.local_addr());
    tokio::spawn(second.serve(shutdown.clone()));
    cluster.post(QUOTAS, &quota(json!({"pods": "17", "count/configmaps": "5"}))).await.ok();

    let ask = async |n: usize| {
        let gateway = if n.is_multiple_of(2) { &*cluster } else { &other };
        let pod = pod(&format!("p{n}"));
        let map = config_map(&format!("m{n}"), "x");
        let (pod, map) = tokio::join!(
            gateway.post(PODS, &pod),
            gateway.post("/api/v1/namespaces/default/configmaps", &map)
        );
        [pod, map]
    };
    let answers = futures::future::join_all((0..40).map(ask)).await;
    let told = |which: usize| -> Vec<String> {
        let refused = answers.iter().map(|answers| &answers[which]).filter(|answer| answer.code != 201);
        refused.map(|answer| answer.failure()).collect()
    };
    assert_eq!((told(0).len(), told(1).len()), (23, 35));
    for refusal in told(0) {
        assert!(
            refusal.ends_with("exceeded quota: q, requested: pods=1, used: pods=17, limited: pods=17"),
            "{refusal}"
        );
    }
    let there = |resource| {
        let reader = cluster.bus.view();
        async move { reader.await.unwrap().read().list(ResourceId::new(resource), Some("default")).count() }
    };
    assert_eq!((there("pods").await, there("configmaps").await), (17, 5));
    let used = cluster.get(&format!("{QUOTAS}/q")).await.ok()["status"].clone();
    assert_eq!(
        used,
        json!({"hard": {"count/configmaps": "5", "pods": "17"}, "used": {"count/configmaps": "5", "pods": "17"}})
    );

    // What is gone makes room before anybody has counted again.
    cluster.delete(&format!("{PODS}/p0"), &json!({"gracePeriodSeconds": 0})).await;
    let key = ObjectKey::namespaced(ResourceId::new("pods"), "default", "again");
    let mut again = other.post(PODS, &pod("again")).await;
    for n in 1.. {
        if again.code == 201 {
            break;
        }
        cluster.delete(&format!("{PODS}/p{n}"), &json!({"gracePeriodSeconds": 0})).await;
        again = other.post(PODS, &pod("again")).await;
    }
    assert!(cluster.bus.view().await.unwrap().get(&key).is_some());
    shutdown.cancel();
}

#[tokio::test]
async fn what_a_change_adds_is_asked_about() {
    let cluster = Cluster::start().await;
    cluster.post(QUOTAS, &quota(json!({"services.nodeports": "1", "requests.cpu": "1"}))).await.ok();
    let services = "/api/v1/namespaces/default/services";
    let service = |kind: &str| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
            "spec": {"type": kind, "selector": {"a": "b"}, "ports": [{"name": "a", "port": 1}, {"name": "b", "port": 2}]}})
    };
    cluster.post(services, &service("ClusterIP")).await.ok();
    assert_eq!(
        cluster.put(&format!("{services}/s"), &service("NodePort")).await.failure(),
        "403 Forbidden: services \"s\" is forbidden: exceeded quota: q, requested: services.nodeports=2, used: services.nodeports=0, limited: services.nodeports=1"
    );
    let limits = json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l"},
        "spec": {"limits": [{"type": "Container", "max": {"memory": "1Gi"}}]}});
    cluster.post("/api/v1/namespaces/default/limitranges", &limits).await.ok();
    let mut web = pod("web");
    web["spec"]["containers"][0]["resources"] =
        json!({"requests": {"cpu": "600m"}, "limits": {"memory": "1Gi"}});
    cluster.post(PODS, &web).await.ok();
    let resized = |cpu: &str, memory: &str| {
        let resources = json!({"requests": {"cpu": cpu}, "limits": {"memory": memory}});
        json!({"spec": {"containers": [{"name": "c", "resources": resources}]}})
    };
    let resize = async |cpu: &str, memory: &str| {
        let patch = resized(cpu, memory);
        cluster.patch(&format!("{PODS}/web/resize"), "strategic-merge-patch+json", &patch).await
    };
    assert_eq!(
        resize("1200m", "1Gi").await.failure(),
        "403 Forbidden: pods \"web\" is forbidden: exceeded quota: q, requested: requests.cpu=600m, used: requests.cpu=600m, limited: requests.cpu=1"
    );
    assert_eq!(
        resize("1", "2Gi").await.failure(),
        "403 Forbidden: pods \"web\" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi"
    );
    resize("1", "1Gi").await.ok();
    assert_eq!(cluster.get(&format!("{QUOTAS}/q")).await.ok()["status"]["used"]["requests.cpu"], "1");
}
