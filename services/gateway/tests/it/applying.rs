//! Server-side apply over the wire: who owns what, conflicts, and what kubectl does to move from client-side apply.

use serde_json::{Value, json};

use crate::cluster::{CONFIG_MAPS, Cluster, DEPLOYMENTS, PODS, SERVICES, config_map, deployment, pod};

const APPLY: &str = "apply-patch+yaml";
const MERGE: &str = "merge-patch+json";

/// `manager Operation subresource: fields`, one line per entry.
fn owners(object: &Value) -> String {
    let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let line = |entry: &Value| {
        let name = |key: &str| entry[key].as_str().unwrap_or("-").to_owned();
        let fields = api::managed::FieldSet::from_value(&entry["fieldsV1"]).unwrap();
        format!("{} {} {}: {fields}\n", name("manager"), name("operation"), name("subresource"))
    };
    entries.iter().map(line).collect()
}

#[tokio::test]
async fn every_write_leaves_its_owner() {
    let cluster = Cluster::start().await;
    let created =
        cluster.post(&format!("{CONFIG_MAPS}?fieldManager=kubectl-create"), &config_map("c", "x")).await.ok();
    let entry = &created["metadata"]["managedFields"][0];
    assert_eq!(entry["apiVersion"], "v1");
    assert_eq!(entry["fieldsType"], "FieldsV1");
    assert_eq!(entry["fieldsV1"]["f:data"], json!({".": {}, "f:k": {}}));
    assert_eq!(entry["time"], created["metadata"]["creationTimestamp"]);
    let path = format!("{CONFIG_MAPS}/c");
    cluster
        .patch(
            &format!("{path}?fieldManager=kubectl-label"),
            MERGE,
            &json!({"metadata": {"labels": {"b": "c"}}}),
        )
        .await
        .ok();
    let replaced = cluster.put(&format!("{path}?fieldManager=me"), &config_map("c", "y")).await.ok();
    assert_eq!(
        owners(&replaced),
        "kubectl-create Update -: .data .data.k .metadata.labels\nme Update -: .metadata.labels.app\n"
    );
    let unchanged = cluster.put(&format!("{path}?fieldManager=you"), &config_map("c", "y")).await.ok();
    assert_eq!(unchanged, replaced);
    let reset = json!({"metadata": {"managedFields": [{}]}});
    let nobodys = cluster.patch(&path, MERGE, &reset).await.ok();
    assert_eq!(owners(&nobodys), "");
    let untracked = cluster.patch(&path, MERGE, &json!({"data": {"k": "w"}})).await.ok();
    assert_eq!(owners(&untracked), "");
    let applied = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"l": "m"}});
    let applied = cluster.patch(&format!("{path}?fieldManager=me"), APPLY, &applied).await.ok();
    assert_eq!(
        owners(&applied),
        "me Apply -: .data.l\nbefore-first-apply Update -: .data .data.k .metadata.labels .metadata.labels.app\n"
    );
}

#[tokio::test]
async fn what_the_server_fills_in_is_owned_as_in_kubernetes() {
    let cluster = Cluster::start().await;
    let service =
        json!({"metadata": {"name": "s"}, "spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]}});
    let service = cluster.post(&format!("{SERVICES}?fieldManager=me"), &service).await.ok();
    assert_eq!(
        owners(&service),
        "me Update -: .spec.internalTrafficPolicy .spec.ipFamilies .spec.ipFamilyPolicy .spec.ports .spec.ports[port=80,protocol=\"TCP\"] \
         .spec.ports[port=80,protocol=\"TCP\"].port .spec.ports[port=80,protocol=\"TCP\"].protocol \
         .spec.ports[port=80,protocol=\"TCP\"].targetPort .spec.selector .spec.sessionAffinity .spec.type\n"
    );
    let pod = cluster.post(&format!("{PODS}?fieldManager=me"), &pod("p")).await.ok();
    assert!(!owners(&pod).contains("status"), "{}", owners(&pod));
    let status = json!({"status": {"message": "hello"}});
    let told = cluster.patch(&format!("{PODS}/p/status?fieldManager=kubelet"), MERGE, &status).await.ok();
    assert!(owners(&told).contains("kubelet Update status: .status.message\n"), "{}", owners(&told));
    let applied = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"nodeName": "n"}, "status": {"reason": "r"}});
    let applied = cluster.patch(&format!("{PODS}/p/status?fieldManager=me"), APPLY, &applied).await.ok();
    assert!(owners(&applied).contains("me Apply status: .status.reason\n"), "{}", owners(&applied));
    assert_eq!(applied["spec"].get("nodeName"), None);
}

#[tokio::test]
async fn conflicts_are_refused_until_they_are_forced() {
    let cluster = Cluster::start().await;
    let path = format!("{DEPLOYMENTS}/web");
    cluster
        .post(&format!("{DEPLOYMENTS}?fieldManager=kubectl-client-side-apply"), &deployment("web"))
        .await
        .ok();
    let wanted = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}}});
    let refused = cluster.patch(&format!("{path}?fieldManager=me"), APPLY, &wanted).await;
    assert_eq!(
        refused.failure(),
        "409 Conflict: Apply failed with 2 conflicts: conflicts with \"kubectl-client-side-apply\" using apps/v1:\n\
         - .spec.replicas\n- .spec.template.spec.containers[name=\"c\"].image"
    );
    assert_eq!(
        refused.json()["details"]["causes"][0],
        json!({"reason": "FieldManagerConflict", "field": ".spec.replicas",
               "message": "conflict with \"kubectl-client-side-apply\" using apps/v1"})
    );
    let forced = cluster.patch(&format!("{path}?fieldManager=me&force=true"), APPLY, &wanted).await.ok();
    assert_eq!(forced["spec"]["replicas"], 2);
    assert_eq!(forced["spec"]["selector"]["matchLabels"]["app"], "web", "what is not applied stays");
    let again = cluster.patch(&format!("{path}?fieldManager=me"), APPLY, &wanted).await.ok();
    assert_eq!(again, forced);
    cluster.patch(&format!("{path}/scale"), MERGE, &json!({"spec": {"replicas": 5}})).await.ok();
    let refused = cluster.patch(&format!("{path}?fieldManager=me"), APPLY, &wanted).await;
    assert_eq!(
        refused.failure(),
        "409 Conflict: Apply failed with 1 conflict: conflict with \"unknown\" with subresource \"scale\" using apps/v1: .spec.replicas"
    );
    let scale = json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 3}});
    let scaled =
        cluster.patch(&format!("{path}/scale?fieldManager=hpa&force=true"), APPLY, &scale).await.ok();
    assert_eq!((&scaled["kind"], &scaled["spec"]["replicas"]), (&json!("Scale"), &json!(3)));
    let object = cluster.get(&path).await.ok();
    assert!(owners(&object).contains("hpa Apply scale: .spec.replicas\n"), "{}", owners(&object));
}

#[tokio::test]
async fn what_go_leaves_out_is_applied_too() {
    let cluster = Cluster::start().await;
    let path = format!("{DEPLOYMENTS}/web");
    let mut paused = deployment("web");
    paused["spec"]["paused"] = json!(true);
    cluster.post(&format!("{DEPLOYMENTS}?fieldManager=somebody"), &paused).await.ok();
    let wanted = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"paused": false}});
    assert_eq!(
        cluster.patch(&format!("{path}?fieldManager=me"), APPLY, &wanted).await.failure(),
        "409 Conflict: Apply failed with 1 conflict: conflict with \"somebody\" using apps/v1: .spec.paused"
    );
    let forced = cluster.patch(&format!("{path}?fieldManager=me&force=true"), APPLY, &wanted).await.ok();
    assert_eq!(forced["spec"].get("paused"), None);
    assert!(owners(&forced).contains("me Apply -: .spec.paused\n"), "{}", owners(&forced));
    let again = cluster.patch(&format!("{path}?fieldManager=me"), APPLY, &wanted).await.ok();
    assert_eq!(again, forced);
}

#[tokio::test]
async fn applies_create_and_take_away() {
    let cluster = Cluster::start().await;
    let path = format!("{DEPLOYMENTS}/web?fieldManager=me");
    let mut wanted = deployment("web");
    wanted["metadata"]["labels"] = json!({"a": "1", "b": "2"});
    assert_eq!(cluster.patch(&format!("{path}&dryRun=All"), APPLY, &wanted).await.code, 201);
    let created = cluster.patch(&path, APPLY, &wanted).await;
    assert_eq!(created.code, 201);
    assert!(!owners(&created.json()).contains("strategy"), "defaults are nobody's");
    wanted["metadata"]["labels"] = json!({"a": "2"});
    wanted["spec"].as_object_mut().unwrap().remove("replicas");
    let applied = cluster.patch(&path, APPLY, &wanted).await.ok();
    assert_eq!(applied["metadata"]["labels"], json!({"a": "2"}));
    assert_eq!(applied["spec"]["replicas"], 1, "it is defaulted again");
    assert_eq!(applied["metadata"]["generation"], created.json()["metadata"]["generation"].as_i64().unwrap());
    wanted["spec"]["template"]["spec"]["containers"] = json!([{"image": "x"}]);
    assert_eq!(
        cluster.patch(&path, APPLY, &wanted).await.json()["message"],
        "failed to create typed patch object (/web; apps/v1, Kind=Deployment): .spec.template.spec.containers: element 0: \
         associative list with keys has an element that omits all key fields [\"name\"] (and doesn't have default values for any \
         key fields)"
    );
    let owned = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"managedFields": []}});
    assert_eq!(
        cluster.patch(&path, APPLY, &owned).await.failure(),
        "400 BadRequest: metadata.managedFields must be nil"
    );
    let nowhere = format!("{DEPLOYMENTS}/none/status?fieldManager=me");
    assert_eq!(
        cluster
            .patch(&nowhere, APPLY, &json!({"apiVersion": "apps/v1", "kind": "Deployment", "status": {}}))
            .await
            .code,
        404
    );
}

#[tokio::test]
async fn kubectl_moves_from_client_side_apply() {
    let cluster = Cluster::start().await;
    let last = "kubectl.kubernetes.io/last-applied-configuration";
    let mut object = config_map("c", "x");
    object["metadata"]["annotations"] = json!({last: config_map("c", "x").to_string()});
    cluster.post(&format!("{CONFIG_MAPS}?fieldManager=kubectl-client-side-apply"), &object).await.ok();
    let path = format!("{CONFIG_MAPS}/c");
    let mut wanted = config_map("c", "y");
    wanted["data"] = json!({"l": "w"});
    let applied = cluster.patch(&format!("{path}?fieldManager=kubectl"), APPLY, &wanted).await.ok();
    assert_eq!(applied["metadata"]["annotations"][last], format!("{wanted}\n"), "it is kept in step");
    let annotation = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "annotations": {last: format!("{wanted}\n")}}});
    let applied =
        cluster.patch(&format!("{path}?fieldManager=kubectl-last-applied"), APPLY, &annotation).await.ok();
    // Now its owner by client-side apply is renamed to the one by server-side apply.
    let mut entries = applied["metadata"]["managedFields"].as_array().unwrap().clone();
    let by = |name: &str| entries.iter().position(|entry| entry["manager"] == name).unwrap();
    let (old, new) = (by("kubectl-client-side-apply"), by("kubectl"));
    let fields = |index: usize| api::managed::FieldSet::from_value(&entries[index]["fieldsV1"]).unwrap();
    let both = fields(old).union(&fields(new)).to_value();
    entries[new]["fieldsV1"] = both;
    entries.remove(old);
    let patch = json!([
        {"op": "replace", "path": "/metadata/managedFields", "value": entries},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": applied["metadata"]["resourceVersion"]},
    ]);
    let moved = cluster.patch(&format!("{path}?fieldManager=kubectl"), "json-patch+json", &patch).await.ok();
    assert!(!owners(&moved).contains("client-side"), "{}", owners(&moved));
    let finished = cluster.patch(&format!("{path}?fieldManager=kubectl"), APPLY, &wanted).await.ok();
    assert_eq!(
        finished["data"],
        json!({"l": "w"}),
        "what client-side apply had set and is wanted no more goes"
    );
    assert_eq!(
        cluster.patch(&path, "json-patch+json", &patch).await.code,
        409,
        "the patch insists on its resourceVersion"
    );
}

#[tokio::test]
async fn options_are_checked() {
    let cluster = Cluster::start().await;
    cluster.post(CONFIG_MAPS, &config_map("c", "x")).await.ok();
    let path = format!("{CONFIG_MAPS}/c");
    let long = "x".repeat(129);
    let wrong = [
        cluster.patch(&path, APPLY, &json!({})).await,
        cluster.patch(&format!("{path}?force=true"), MERGE, &json!({})).await,
        cluster.patch(&format!("{path}?fieldManager={long}"), MERGE, &json!({})).await,
        cluster.put(&format!("{path}?fieldManager=a%07"), &config_map("c", "x")).await,
        cluster.post(&format!("{CONFIG_MAPS}?dryRun=Some"), &config_map("d", "x")).await,
        cluster.post(&format!("{CONFIG_MAPS}?fieldValidation=No"), &config_map("d", "x")).await,
        cluster.delete(&path, &json!({"propagationPolicy": "Up"})).await,
        cluster.delete(&path, &json!({"propagationPolicy": "Orphan", "orphanDependents": true})).await,
    ];
    let text: String = wrong.iter().map(|answer| format!("{}\n", answer.failure())).collect();
    expect_test::expect![[r#"
        422 Invalid: PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch
        422 Invalid: PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch
        422 Invalid: PatchOptions.meta.k8s.io "" is invalid: fieldManager: Too long: may not be more than 128 bytes
        422 Invalid: UpdateOptions.meta.k8s.io "" is invalid: fieldManager: Invalid value: "a\u{7}": invalid character U+0007 (at position 1)
        422 Invalid: CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported values: "All"
        422 Invalid: CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "No": supported values: "", "Ignore", "Strict", "Warn"
        422 Invalid: DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Up": supported values: "Foreground", "Background", "Orphan", "nil"
        422 Invalid: DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Invalid value: "Orphan": orphanDependents and deletionPropagation cannot be both set
    "#]].assert_eq(&text);
}
