//! `garbage_collector.go`: what becomes of dependents when their owner goes.

use serde_json::{Value, json};

use super::{Api, CONFIG_MAPS, PODS, config_map, items, names, owner, pod, text};

const CONTROLLERS: &str = "/api/v1/namespaces/default/replicationcontrollers";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const REPLICA_SETS: &str = "/apis/apps/v1/namespaces/default/replicasets";

fn controller(name: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"app": name}, "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "nginx:1"}]}}},
    })
}

/// Makes a controller and waits for its pods.
async fn with_pods(api: &Api, name: &str, replicas: u32) -> Value {
    let made = api.post(CONTROLLERS, &controller(name, replicas)).await.ok();
    let path = format!("{CONTROLLERS}/{name}");
    api.settles(&path, |_, controller| controller["status"]["replicas"] == replicas).await;
    made
}

fn pods_of(name: &str) -> String {
    format!("{PODS}?labelSelector=app%3D{name}")
}

fn options(policy: &str) -> Value {
    json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy})
}

#[tokio::test]
async fn pods_go_with_their_controller() {
    let api = Api::start().await;
    with_pods(&api, "rc", 2).await;
    api.delete(&format!("{CONTROLLERS}/rc"), &options("Background")).await.ok();
    assert_eq!(api.get(&format!("{CONTROLLERS}/rc")).await.code, 404, "in the background, so it goes first");
    api.settles(&pods_of("rc"), |_, pods| items(pods).is_empty()).await;
}

#[tokio::test]
async fn orphans_stay_and_are_nobodys() {
    let api = Api::start().await;
    for (name, how) in [("policy", options("Orphan")), ("flag", json!({"orphanDependents": true}))] {
        with_pods(&api, name, 2).await;
        let path = format!("{CONTROLLERS}/{name}");
        api.delete(&path, &how).await.ok();
        api.vanishes(&path).await;
        let pods = api.get(&pods_of(name)).await.ok();
        assert_eq!(items(&pods).len(), 2);
        assert!(items(&pods).iter().all(|pod| pod.pointer("/metadata/ownerReferences").is_none()), "{pods}");
    }
}

#[tokio::test]
async fn replica_sets_go_with_their_deployment_or_stay() {
    let api = Api::start().await;
    for (name, policy) in [("gone", "Background"), ("kept", "Orphan")] {
        let spec = controller(name, 1);
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": spec["spec"]["template"]},
        });
        api.post(DEPLOYMENTS, &deployment).await.ok();
        let sets = format!("{REPLICA_SETS}?labelSelector=app%3D{name}");
        api.settles(&sets, |_, sets| items(sets).len() == 1).await;
        let path = format!("{DEPLOYMENTS}/{name}");
        api.delete(&path, &options(policy)).await.ok();
        api.vanishes(&path).await;
        match policy {
            "Orphan" => {
                let sets = api.get(&sets).await.ok();
                assert_eq!(items(&sets).len(), 1);
                assert!(sets.pointer("/items/0/metadata/ownerReferences").is_none(), "{sets}");
            }
            _ => {
                api.settles(&sets, |_, sets| items(sets).is_empty()).await;
                api.settles(&pods_of(name), |_, pods| items(pods).is_empty()).await;
            }
        }
    }
}

#[tokio::test]
async fn an_owner_waits_for_its_dependents() {
    let api = Api::start().await;
    with_pods(&api, "rc", 2).await;
    let pods = api.get(&pods_of("rc")).await.ok();
    let held = format!("{PODS}/{}", names(&pods)[0]);
    let hold = json!({"metadata": {"finalizers": ["example.com/hold"]}});
    api.patch(&held, "merge", &hold).await.ok();
    let path = format!("{CONTROLLERS}/rc");
    let ending = api.delete(&path, &options("Foreground")).await.ok();
    assert_eq!(ending["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    api.settles(&pods_of("rc"), |_, pods| names(pods).len() == 1).await;
    let waiting = api.get(&path).await.ok();
    assert_ne!(text(&waiting, "/metadata/deletionTimestamp"), "");
    api.patch(&held, "merge", &json!({"metadata": {"finalizers": null}})).await.ok();
    api.vanishes(&path).await;
    assert_eq!(api.get(&held).await.code, 404);
}

#[tokio::test]
async fn dependents_with_another_owner_stay_with_that_one() {
    let api = Api::start().await;
    let staying = api.post(CONFIG_MAPS, &config_map("staying")).await.ok();
    let going = api.post(CONFIG_MAPS, &config_map("going")).await.ok();
    let mut kept = owner("v1", "ConfigMap", &staying);
    kept["controller"] = json!(false);
    for (name, owners) in [
        ("shared", json!([owner("v1", "ConfigMap", &going), kept])),
        ("own", json!([owner("v1", "ConfigMap", &going)])),
    ] {
        let mut dependent = config_map(name);
        dependent["metadata"]["ownerReferences"] = owners;
        api.post(CONFIG_MAPS, &dependent).await.ok();
    }
    api.delete(&format!("{CONFIG_MAPS}/going"), &options("Foreground")).await.ok();
    api.vanishes(&format!("{CONFIG_MAPS}/going")).await;
    assert_eq!(api.get(&format!("{CONFIG_MAPS}/own")).await.code, 404);
    let shared = api.get(&format!("{CONFIG_MAPS}/shared")).await.ok();
    let owners = shared["metadata"]["ownerReferences"].as_array().unwrap();
    assert_eq!(owners.len(), 1, "{owners:?}");
    assert_eq!(owners[0]["name"], "staying");
}

#[tokio::test]
async fn a_circle_of_dependents_does_not_block() {
    let api = Api::start().await;
    let mut pods = Vec::new();
    for name in ["pod1", "pod2", "pod3"] {
        pods.push(api.post(PODS, &pod(name)).await.ok());
    }
    for (dependent, of) in [(0, 2), (1, 0), (2, 1)] {
        let path = format!("{PODS}/{}", text(&pods[dependent], "/metadata/name"));
        let patch = json!({"metadata": {"ownerReferences": [owner("v1", "Pod", &pods[of])]}});
        api.patch(&path, "merge", &patch).await.ok();
    }
    api.delete(&format!("{PODS}/pod1"), &options("Foreground")).await.ok();
    api.settles(PODS, |_, pods| items(pods).is_empty()).await;
}

#[tokio::test]
async fn dependents_of_nobody_are_collected() {
    let api = Api::start().await;
    let absent = json!({"metadata": {"name": "absent", "uid": "6d9f2d7e-3b0c-4a39-9e0b-5a0b8e5cbb01"}});
    let mut lost = config_map("lost");
    lost["metadata"]["ownerReferences"] = json!([owner("v1", "ConfigMap", &absent)]);
    api.post(CONFIG_MAPS, &lost).await.ok();
    api.vanishes(&format!("{CONFIG_MAPS}/lost")).await;
    // An owner of this name that is another than the one that is meant.
    api.post(CONFIG_MAPS, &config_map("absent")).await.ok();
    api.post(CONFIG_MAPS, &lost).await.ok();
    api.vanishes(&format!("{CONFIG_MAPS}/lost")).await;
    assert_eq!(api.get(&format!("{CONFIG_MAPS}/absent")).await.code, 200);
}
