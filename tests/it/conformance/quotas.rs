//! `resource_quota.go`: what is counted, what is refused, and whom a quota is about.

use serde_json::{Value, json};

use super::{Api, CONFIG_MAPS, PODS, config_map, pod, text};

const QUOTAS: &str = "/api/v1/namespaces/default/resourcequotas";

fn quota(name: &str, hard: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}, "spec": {"hard": hard}})
}

async fn used(api: &Api, name: &str, resource: &str, expected: &str) {
    let path = format!("{QUOTAS}/{name}");
    api.settles(&path, |_, quota| quota["status"]["used"][resource] == expected).await;
}

#[tokio::test]
async fn what_exists_is_counted_and_what_is_too_much_refused() {
    let api = Api::start().await;
    let before = api.get(CONFIG_MAPS).await.ok()["items"].as_array().unwrap().len();
    let hard = json!({
        "configmaps": (before + 1).to_string(), "secrets": "1", "services": "3", "services.nodeports": "1",
        "services.loadbalancers": "0", "count/replicasets.apps": "1", "replicationcontrollers": "1", "resourcequotas": "1",
    });
    api.post(QUOTAS, &quota("q", &hard)).await.ok();
    used(&api, "q", "configmaps", &before.to_string()).await;
    used(&api, "q", "resourcequotas", "1").await;
    api.post(CONFIG_MAPS, &config_map("a")).await.ok();
    used(&api, "q", "configmaps", &(before + 1).to_string()).await;
    let refused = api.post(CONFIG_MAPS, &config_map("b")).await.failure();
    let words = format!(
        "403 Forbidden: configmaps \"b\" is forbidden: exceeded quota: q, requested: configmaps=1, used: configmaps={0}, limited: configmaps={0}",
        before + 1
    );
    assert_eq!(refused, words);
    api.delete(&format!("{CONFIG_MAPS}/a"), &json!({})).await.ok();
    used(&api, "q", "configmaps", &before.to_string()).await;
    let services = "/api/v1/namespaces/default/services";
    let service = |name: &str, kind: &str| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"type": kind, "ports": [{"port": 80}]}});
    api.post(services, &service("node", "NodePort")).await.ok();
    used(&api, "q", "services.nodeports", "1").await;
    assert_eq!(api.post(services, &service("balanced", "LoadBalancer")).await.code, 403);
    api.delete(&format!("{services}/node"), &json!({})).await.ok();
    used(&api, "q", "services.nodeports", "0").await;
}

#[tokio::test]
async fn pods_count_by_what_they_ask_for() {
    let api = Api::start().await;
    let hard =
        json!({"pods": "2", "requests.cpu": "600m", "requests.memory": "300Mi", "limits.memory": "1Gi"});
    api.post(QUOTAS, &quota("q", &hard)).await.ok();
    used(&api, "q", "pods", "0").await;
    let sized = |name: &str, cpu: &str| {
        let mut pod = pod(name);
        pod["spec"]["containers"][0]["resources"] =
            json!({"requests": {"cpu": cpu, "memory": "100Mi"}, "limits": {"memory": "200Mi"}});
        pod
    };
    let bare = api.post(PODS, &pod("bare")).await.failure();
    assert!(
        bare.contains(
            "failed quota: q: must specify limits.memory for: c; requests.cpu for: c; requests.memory for: c"
        ),
        "{bare}"
    );
    api.post(PODS, &sized("a", "500m")).await.ok();
    used(&api, "q", "requests.cpu", "500m").await;
    used(&api, "q", "limits.memory", "200Mi").await;
    let much = api.post(PODS, &sized("b", "500m")).await.failure();
    assert!(much.contains("exceeded quota: q, requested: requests.cpu=500m, used: requests.cpu=500m, limited: requests.cpu=600m"), "{much}");
    api.delete(&format!("{PODS}/a"), &json!({})).await.ok();
    used(&api, "q", "pods", "0").await;
    used(&api, "q", "requests.cpu", "0").await;
}

#[tokio::test]
async fn scopes_say_which_pods_count() {
    let api = Api::start().await;
    for (name, scope) in [
        ("best", "BestEffort"),
        ("rest", "NotBestEffort"),
        ("ending", "Terminating"),
        ("staying", "NotTerminating"),
    ] {
        let mut scoped = quota(name, &json!({"pods": "5"}));
        scoped["spec"]["scopes"] = json!([scope]);
        api.post(QUOTAS, &scoped).await.ok();
    }
    let mut burst = pod("burst");
    burst["spec"]["activeDeadlineSeconds"] = json!(3600);
    burst["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "100m"}});
    api.post(PODS, &pod("best")).await.ok();
    for (name, count) in [("best", "1"), ("rest", "0"), ("ending", "0"), ("staying", "1")] {
        used(&api, name, "pods", count).await;
    }
    api.post(PODS, &burst).await.ok();
    for (name, count) in [("best", "1"), ("rest", "1"), ("ending", "1"), ("staying", "1")] {
        used(&api, name, "pods", count).await;
    }
}

#[tokio::test]
async fn a_quota_is_changed_and_its_status_too() {
    let api = Api::start().await;
    let path = format!("{QUOTAS}/q");
    api.post(QUOTAS, &quota("q", &json!({"pods": "5"}))).await.ok();
    let found = api.settles(&path, |_, quota| quota["status"]["hard"]["pods"] == "5").await;
    let mut changed = found.clone();
    changed["spec"]["hard"] = json!({"pods": "6"});
    api.put(&path, &changed).await.ok();
    api.settles(&path, |_, quota| quota["status"]["hard"]["pods"] == "6").await;
    // Somebody else's word about the status is heard, and then corrected.
    let said = api
        .patch(&format!("{path}/status"), "merge", &json!({"status": {"hard": {"pods": "99"}}}))
        .await
        .ok();
    assert_eq!(text(&said, "/status/hard/pods"), "99");
    api.settles(&path, |_, quota| quota["status"]["hard"]["pods"] == "6").await;
    let listed = api.get("/api/v1/resourcequotas").await.ok();
    assert_eq!(super::names(&listed), ["q"]);
    api.delete(QUOTAS, &json!({})).await.ok();
    api.vanishes(&path).await;
}
