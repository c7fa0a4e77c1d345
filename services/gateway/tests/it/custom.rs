//! Custom kinds: served as soon as their definition is established, by the same rules as all others, and no longer than it.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::cluster::{Cluster, bind};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const WIDGETS: &str = "/apis/example.com/v1/namespaces/default/widgets";

fn definition() -> Value {
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "required": ["size"], "properties": {
            "size": {"type": "integer", "minimum": 1},
            "color": {"type": "string", "default": "red"},
            "selector": {"type": "string"},
        }},
        "status": {"type": "object", "properties": {"size": {"type": "integer"}}},
    }});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["w"]},
            "versions": [
                {
                    "name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}, "scale": {
                        "specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size", "labelSelectorPath": ".spec.selector"}},
                    "selectableFields": [{"jsonPath": ".spec.color"}],
                },
                {
                    "name": "v2beta1", "served": true, "storage": false, "schema": {"openAPIV3Schema": schema},
                    "selectableFields": [{"jsonPath": ".spec.color"}],
                },
            ],
        },
    })
}

fn widget(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec})
}

/// Does the controller's part.
async fn establish(cluster: &Cluster) {
    let mut created = cluster.post(DEFINITIONS, &definition()).await.ok();
    created["status"]["acceptedNames"] = created["spec"]["names"].clone();
    created["status"]["conditions"] = json!([{"type": "Established", "status": "True"}]);
    cluster.put(&format!("{DEFINITIONS}/widgets.example.com/status"), &created).await.ok();
}

#[tokio::test]
async fn a_definition_serves_its_kind() {
    let cluster = Cluster::start().await;
    assert_eq!(cluster.get(WIDGETS).await.code, 404);
    let created = cluster.post(DEFINITIONS, &definition()).await.ok();
    assert_eq!(created["spec"]["names"]["listKind"], "WidgetList");
    assert_eq!(created["status"]["storedVersions"], json!(["v1"]));
    assert_eq!(cluster.get(WIDGETS).await.code, 404, "its names are not accepted yet");
    cluster.delete(&format!("{DEFINITIONS}/widgets.example.com"), &json!({})).await.ok();
}

#[tokio::test]
async fn objects_follow_the_schema() {
    let cluster = Cluster::start().await;
    establish(&cluster).await;
    let made = cluster.post(WIDGETS, &widget("a", &json!({"size": 2, "typo": 1}))).await;
    assert_eq!(made.headers["warning"], "299 - \"unknown field \\\"spec.typo\\\"\"");
    let made = made.ok();
    assert_eq!(made["spec"], json!({"size": 2, "color": "red"}));
    assert_eq!(made["metadata"]["generation"], 1);
    assert!(made.get("status").is_none());
    let strict = cluster
        .post(&format!("{WIDGETS}?fieldValidation=Strict"), &widget("b", &json!({"size": 2, "typo": 1})))
        .await;
    assert_eq!(
        strict.failure(),
        "400 BadRequest: Widget in version \"v1\" cannot be handled as a Widget: strict decoding error: unknown field \"spec.typo\""
    );
    let wrong = cluster.post(WIDGETS, &widget("b", &json!({"size": 0}))).await;
    assert_eq!(
        wrong.failure(),
        "422 Invalid: Widget.example.com \"b\" is invalid: spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"
    );
    let list = cluster.get(&format!("{WIDGETS}?fieldSelector=spec.color%3Dred")).await.ok();
    assert_eq!((&list["kind"], list["items"].as_array().unwrap().len()), (&json!("WidgetList"), 1));
    assert_eq!(
        cluster.get(&format!("{WIDGETS}?fieldSelector=spec.color%3Dblue")).await.ok()["items"],
        json!([])
    );
    let blind = cluster.put(&format!("{WIDGETS}/a"), &widget("a", &json!({"size": 3}))).await;
    assert_eq!(
        blind.failure(),
        "422 Invalid: widgets.example.com \"a\" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update"
    );
    let finalizers = json!({"metadata": {"finalizers": ["mine", "example.com/mine"]}});
    let held = cluster.patch(&format!("{WIDGETS}/a"), "merge-patch+json", &finalizers).await;
    assert_eq!(
        held.headers["warning"],
        "299 - \"metadata.finalizers: \\\"mine\\\": prefer a domain-qualified finalizer name to avoid accidental conflicts with other finalizer writers\""
    );
    let protobuf = [("content-type", "application/vnd.kubernetes.protobuf")];
    assert_eq!(cluster.ask("POST", WIDGETS, &protobuf, Bytes::from_static(b"k8s\0")).await.code, 415);
    let strategic = cluster.patch(&format!("{WIDGETS}/a"), "strategic-merge-patch+json", &json!({})).await;
    assert_eq!(strategic.code, 415);
}

#[tokio::test]
async fn status_and_scale_are_apart() {
    let cluster = Cluster::start().await;
    establish(&cluster).await;
    cluster.post(WIDGETS, &widget("a", &json!({"size": 2, "selector": "app=w"}))).await.ok();
    let one = format!("{WIDGETS}/a");
    let patched = cluster.patch(&one, "merge-patch+json", &json!({"status": {"size": 1}})).await.ok();
    assert!(patched.get("status").is_none());
    let status = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"size": 9}, "status": {"size": 1}});
    let patched = cluster.patch(&format!("{one}/status"), "merge-patch+json", &status).await.ok();
    assert_eq!((&patched["spec"]["size"], &patched["status"]["size"]), (&json!(2), &json!(1)));
    assert_eq!((&patched["metadata"]["generation"], patched["metadata"].get("labels")), (&json!(1), None));
    let wrong =
        cluster.patch(&format!("{one}/status"), "merge-patch+json", &json!({"status": {"size": "x"}})).await;
    assert!(wrong.failure().contains("status.size in body must be of type integer"), "{}", wrong.text);
    let scale = cluster.get(&format!("{one}/scale")).await.ok();
    assert_eq!(
        (&scale["spec"]["replicas"], &scale["status"]),
        (&json!(2), &json!({"replicas": 1, "selector": "app=w"}))
    );
    let scale = cluster
        .patch(&format!("{one}/scale"), "merge-patch+json", &json!({"spec": {"replicas": 5}}))
        .await
        .ok();
    assert_eq!(scale["spec"]["replicas"], 5);
    let scaled = cluster.get(&one).await.ok();
    assert_eq!((&scaled["spec"]["size"], &scaled["metadata"]["generation"]), (&json!(5), &json!(2)));
}

#[tokio::test]
async fn versions_show_the_same_objects() {
    let cluster = Cluster::start().await;
    establish(&cluster).await;
    let beta = WIDGETS.replace("v1", "v2beta1");
    let mut object = widget("a", &json!({"size": 2}));
    object["apiVersion"] = json!("example.com/v2beta1");
    let made = cluster.post(&beta, &object).await.ok();
    assert_eq!(made["apiVersion"], "example.com/v2beta1");
    assert_eq!(cluster.get(&format!("{WIDGETS}/a")).await.ok()["apiVersion"], "example.com/v1");
    let listed = cluster.get(&beta).await.ok();
    assert_eq!(
        (&listed["apiVersion"], &listed["items"][0]["apiVersion"]),
        (&json!("example.com/v2beta1"), &json!("example.com/v2beta1"))
    );
    let patched =
        cluster.patch(&format!("{beta}/a"), "merge-patch+json", &json!({"spec": {"size": 3}})).await.ok();
    assert_eq!(
        (&patched["apiVersion"], &patched["spec"]["size"]),
        (&json!("example.com/v2beta1"), &json!(3))
    );
}

#[tokio::test]
async fn discovery_and_documents_tell_of_it() {
    let cluster = Cluster::start().await;
    let before = cluster.get("/openapi/v2").await.headers["etag"].clone();
    establish(&cluster).await;
    let group = cluster.get("/apis/example.com").await.ok();
    assert_eq!(group["preferredVersion"]["version"], "v1");
    let resources = cluster.get("/apis/example.com/v1").await.ok();
    let names: Vec<&str> =
        resources["resources"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["widgets", "widgets/status", "widgets/scale"]);
    let document = cluster.get("/openapi/v3/apis/example.com/v1").await.ok();
    let schema = &document["components"]["schemas"]["com.example.v1.Widget"];
    assert_eq!(schema["properties"]["spec"]["properties"]["size"]["minimum"], 1);
    assert_eq!(schema["x-kubernetes-group-version-kind"][0]["kind"], "Widget");
    let all = cluster.get("/openapi/v2").await;
    assert_ne!(all.headers["etag"], before);
    assert!(all.ok()["definitions"]["com.example.v1.WidgetList"].is_object());
}

#[tokio::test]
async fn watches_end_with_the_definition() {
    let cluster = Cluster::start().await;
    establish(&cluster).await;
    let (second, shutdown) = bind(&cluster.bus, cluster.directory.path()).await;
    let other = cluster.at(second.local_addr());
    tokio::spawn(second.serve(shutdown.clone()));
    other.get(WIDGETS).await.ok();
    let mut watch = cluster.watch(&format!("{WIDGETS}?watch=true"), "application/json").await;
    other.post(WIDGETS, &widget("a", &json!({"size": 1}))).await.ok();
    assert_eq!(watch.line().await, "ADDED a");
    let path = format!("{DEFINITIONS}/widgets.example.com");
    let held = cluster.delete(&path, &json!({})).await.ok();
    assert_eq!(held["metadata"]["finalizers"], json!(["customresourcecleanup.apiextensions.k8s.io"]));
    assert_eq!(cluster.post(WIDGETS, &widget("b", &json!({"size": 1}))).await.code, 405);
    cluster.delete(&format!("{WIDGETS}/a"), &json!({})).await.ok();
    assert_eq!(watch.line().await, "DELETED a");
    cluster.patch(&path, "merge-patch+json", &json!({"metadata": {"finalizers": null}})).await.ok();
    assert_eq!(watch.line().await, "END");
    assert_eq!(cluster.get(WIDGETS).await.code, 404);
    shutdown.cancel();
}
