//! Creating, replacing and patching.

use bytes::Bytes;
use serde_json::json;

use crate::cluster::{CONFIG_MAPS, Cluster, DEPLOYMENTS, PODS, config_map, deployment, pod};

#[tokio::test]
async fn objects_are_created_defaulted_and_read_back() {
    let cluster = Cluster::start().await;
    let created = cluster.post(DEPLOYMENTS, &deployment("web")).await;
    assert_eq!(created.code, 201, "{}", created.text);
    let object = created.json();
    assert_eq!(object["metadata"]["namespace"], "default");
    assert_eq!(object["metadata"]["generation"], 1);
    assert_eq!(object["spec"]["strategy"]["type"], "RollingUpdate");
    assert_eq!(object["spec"]["template"]["spec"]["restartPolicy"], "Always");
    let read = cluster.get(&format!("{DEPLOYMENTS}/web")).await.ok();
    assert_eq!(read, object);
    assert_eq!(
        cluster.post(DEPLOYMENTS, &deployment("web")).await.failure(),
        "409 AlreadyExists: deployments.apps \"web\" already exists"
    );
    let mut generated = pod("");
    generated["metadata"] = json!({"generateName": "web-"});
    let names: Vec<String> = [
        cluster.post(PODS, &generated).await.ok()["metadata"]["name"].to_string(),
        cluster.post(PODS, &generated).await.ok()["metadata"]["name"].to_string(),
    ]
    .into();
    assert_ne!(names[0], names[1]);
    assert_eq!(names[0].len(), "\"web-xxxxx\"".len());
}

#[tokio::test]
async fn nonsense_is_refused_in_kubernetes_words() {
    let cluster = Cluster::start().await;
    let mut wrong = deployment("web");
    wrong["spec"]["replcas"] = json!(3);
    let strict = cluster.post(&format!("{DEPLOYMENTS}?fieldValidation=Strict"), &wrong).await;
    assert_eq!(
        strict.failure(),
        "400 BadRequest: Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: unknown field \"spec.replcas\""
    );
    let warned = cluster.post(&format!("{DEPLOYMENTS}?dryRun=All"), &wrong).await;
    assert_eq!(warned.code, 201);
    assert_eq!(warned.headers["warning"], "299 - \"unknown field \\\"spec.replcas\\\"\"");
    assert_eq!(
        cluster.get(&format!("{DEPLOYMENTS}/web")).await.failure(),
        "404 NotFound: deployments.apps \"web\" not found"
    );
    let elsewhere = "/apis/apps/v1/namespaces/nowhere/deployments";
    assert_eq!(
        cluster.post(elsewhere, &deployment("web")).await.failure(),
        "404 NotFound: namespaces \"nowhere\" not found"
    );
    let mut invalid = deployment("web");
    invalid["spec"]["replicas"] = json!(-1);
    let refused = cluster.post(DEPLOYMENTS, &invalid).await;
    assert_eq!(refused.code, 422, "{}", refused.text);
    assert_eq!(refused.json()["details"]["kind"], "Deployment");
    let malformed = cluster
        .ask("POST", DEPLOYMENTS, &[("content-type", "application/json")], Bytes::from("{\"a\":"))
        .await;
    assert_eq!(malformed.code, 400, "{}", malformed.text);
    for odd in ["[]", "null", "3", "{\"metadata\":3}", "{\"metadata\":{\"name\":{}}}"] {
        let answer =
            cluster.ask("POST", CONFIG_MAPS, &[("content-type", "application/json")], Bytes::from(odd)).await;
        assert!((400..500).contains(&answer.code), "{odd}: {} {}", answer.code, answer.text);
    }
    let huge = Bytes::from(vec![b' '; 3 * 1024 * 1024 + 1]);
    assert_eq!(cluster.ask("POST", CONFIG_MAPS, &[], huge).await.code, 413);
    assert_eq!(
        cluster.ask("POST", CONFIG_MAPS, &[("content-type", "text/html")], Bytes::from("x")).await.code,
        415
    );
    assert_eq!(cluster.ask("POST", &format!("{CONFIG_MAPS}/x"), &[], Bytes::from("{}")).await.code, 405);
    assert_eq!(cluster.get("/apis/none/v1/things").await.code, 404);
}

#[tokio::test]
async fn replacing_compares_versions() {
    let cluster = Cluster::start().await;
    let first = cluster.post(CONFIG_MAPS, &config_map("a", "x")).await.ok();
    let mut second = first.clone();
    second["data"]["k"] = json!("w");
    let path = format!("{CONFIG_MAPS}/a");
    let written = cluster.put(&path, &second).await.ok();
    assert_ne!(written["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    assert_eq!(
        cluster.put(&path, &second).await.failure(),
        "409 Conflict: Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the latest version and try again"
    );
    let unconditional = cluster.put(&path, &config_map("a", "y")).await.ok();
    assert_eq!(unconditional["metadata"]["uid"], first["metadata"]["uid"]);
    let unchanged = cluster.put(&path, &config_map("a", "y")).await.ok();
    assert_eq!(unchanged["metadata"]["resourceVersion"], unconditional["metadata"]["resourceVersion"]);
    assert_eq!(cluster.put(&path, &config_map("b", "y")).await.code, 400);
}

#[tokio::test]
async fn patches_of_all_kinds() {
    let cluster = Cluster::start().await;
    cluster.post(DEPLOYMENTS, &deployment("web")).await.ok();
    let path = format!("{DEPLOYMENTS}/web");
    let strategic =
        json!({"spec": {"template": {"spec": {"containers": [{"name": "d", "image": "redis"}]}}}});
    let patched = cluster.patch(&path, "strategic-merge-patch+json", &strategic).await.ok();
    assert_eq!(patched["spec"]["template"]["spec"]["containers"].as_array().unwrap().len(), 2);
    assert_eq!(patched["metadata"]["generation"], 2);
    let merged = cluster.patch(&path, "merge-patch+json", &json!({"spec": {"replicas": 4}})).await.ok();
    assert_eq!(merged["spec"]["replicas"], 4);
    let json_patch = json!([{"op": "test", "path": "/spec/replicas", "value": 4}, {"op": "replace", "path": "/spec/replicas", "value": 5}]);
    assert_eq!(cluster.patch(&path, "json-patch+json", &json_patch).await.ok()["spec"]["replicas"], 5);
    assert_eq!(cluster.patch(&path, "json-patch+json", &json_patch).await.code, 422);
    assert_eq!(
        cluster.patch(&path, "merge-patch+json", &json!({"metadata": {"name": "other"}})).await.code,
        400
    );
    assert_eq!(cluster.patch(&path, "other+json", &json!({})).await.code, 415);
    let status = json!({"status": {"replicas": 5}, "spec": {"replicas": 9}});
    let with_status = cluster.patch(&format!("{path}/status"), "merge-patch+json", &status).await.ok();
    assert_eq!(
        (&with_status["status"]["replicas"], &with_status["spec"]["replicas"]),
        (&json!(5), &json!(5))
    );
}

#[tokio::test]
async fn scales_are_read_and_written() {
    let cluster = Cluster::start().await;
    cluster.post(DEPLOYMENTS, &deployment("web")).await.ok();
    let path = format!("{DEPLOYMENTS}/web/scale");
    let scale = cluster.get(&path).await.ok();
    assert_eq!(scale["spec"]["replicas"], 1);
    assert_eq!(scale["status"]["selector"], "app=web");
    let patched = cluster.patch(&path, "merge-patch+json", &json!({"spec": {"replicas": 3}})).await.ok();
    assert_eq!((&patched["kind"], &patched["spec"]["replicas"]), (&json!("Scale"), &json!(3)));
    assert_eq!(cluster.put(&path, &scale).await.code, 409);
    assert_eq!(cluster.get(&format!("{DEPLOYMENTS}/web")).await.ok()["spec"]["replicas"], 3);
    assert_eq!(cluster.get(&format!("{CONFIG_MAPS}/x/scale")).await.code, 405);
}

#[tokio::test]
async fn pods_are_bound_once() {
    let cluster = Cluster::start().await;
    cluster.post(PODS, &pod("web")).await.ok();
    let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "web"}, "target": {"kind": "Node", "name": "n1"}});
    let path = format!("{PODS}/web/binding");
    assert_eq!(cluster.post(&path, &binding).await.code, 201);
    let bound = cluster.get(&format!("{PODS}/web")).await.ok();
    assert_eq!(bound["spec"]["nodeName"], "n1");
    assert_eq!(bound["status"]["conditions"][0]["type"], "PodScheduled");
    assert_eq!(
        cluster.post(&path, &binding).await.failure(),
        "409 Conflict: Operation cannot be fulfilled on pods \"web\": pod web is already assigned to node \"n1\""
    );
    let listed = cluster.get("/api/v1/pods?fieldSelector=spec.nodeName=n1,status.phase!=Failed").await.ok();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    let log = cluster.get(&format!("{PODS}/web/log")).await;
    assert_eq!(log.failure(), "502 InternalError: the agent of node \"n1\" does not answer: is it running?");
}

#[tokio::test]
async fn ephemeral_containers_are_added_to_pods_and_stay() {
    let cluster = Cluster::start().await;
    cluster.post(PODS, &crate::cluster::pod("p")).await.ok();
    let path = format!("{PODS}/p/ephemeralcontainers");
    let patch = json!({"spec": {"ephemeralContainers": [{"name": "look", "image": "busybox", "targetContainerName": "c"}]}});
    let patched = cluster.patch(&path, "strategic-merge-patch+json", &patch).await.ok();
    assert_eq!(patched["spec"]["ephemeralContainers"][0]["imagePullPolicy"], "Always");
    assert_eq!(patched["metadata"]["generation"], 2);
    let mut without = patched.clone();
    without["spec"].as_object_mut().unwrap().remove("ephemeralContainers");
    let refused = cluster.put(&path, &without).await;
    assert!(refused.failure().contains("existing ephemeral containers \"look\" may not be removed"));
    assert!(cluster.put(&format!("{PODS}/p"), &without).await.code == 422, "only there");
    let mut born_with = patched.clone();
    born_with["metadata"] = json!({"name": "q"});
    assert!(
        cluster
            .post(PODS, &born_with)
            .await
            .failure()
            .contains("spec.ephemeralContainers: Forbidden: cannot be set on create")
    );
}
