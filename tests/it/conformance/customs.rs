//! `custom_resource_definition.go`, `crd_watch.go`, `crd_publish_openapi.go` and what others say of custom kinds.

use serde_json::{Value, json};

use super::{Answer, Api, items, names, owner, text};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// A definition of `Foo`s with these versions, of which the first is stored.
pub(super) fn definition(group: &str, versions: &[&str]) -> Value {
    let schema = json!({"openAPIV3Schema": {"type": "object", "description": "Foo CRD", "properties": {
        "spec": {"type": "object", "description": "Specification of Foo", "properties": {
            "size": {"type": "integer", "minimum": 1},
            "bars": {"type": "array", "items": {"type": "object", "required": ["name"], "properties": {
                "name": {"type": "string"}, "age": {"type": "integer"}}}},
            "defaulted": {"type": "string", "default": "here"}}},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}});
    let versions: Vec<Value> = versions
        .iter()
        .enumerate()
        .map(|(at, name)| {
            json!({"name": name, "served": true, "storage": at == 0, "schema": schema, "subresources": {"status": {}}})
        })
        .collect();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("foos.{group}")},
        "spec": {"group": group, "scope": "Namespaced", "versions": versions,
            "names": {"plural": "foos", "singular": "foo", "kind": "Foo", "listKind": "FooList"}},
    })
}

/// Makes a definition and waits until its kind is served.
pub(super) async fn establish(api: &Api, definition: &Value) -> String {
    let name = text(definition, "/metadata/name").to_owned();
    api.post(DEFINITIONS, definition).await.ok();
    let path = format!("{DEFINITIONS}/{name}");
    api.settles(&path, |_, found| condition(found, "Established") == "True").await;
    path
}

fn condition<'a>(object: &'a Value, kind: &str) -> &'a str {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let found = conditions.into_iter().flatten().find(|condition| condition["type"] == kind);
    found.map(|condition| text(condition, "/status")).unwrap_or_default()
}

pub(super) fn foo(group: &str, name: &str) -> Value {
    json!({"apiVersion": format!("{group}/v1"), "kind": "Foo", "metadata": {"name": name}, "spec": {"size": 1}})
}

#[tokio::test]
async fn definitions_are_listed_watched_and_deleted_together() {
    let api = Api::start().await;
    let mut watch = api.watch(&format!("{DEFINITIONS}?watch=true&labelSelector=set%3Da")).await;
    for group in ["one.example.com", "two.example.com"] {
        let mut definition = definition(group, &["v1"]);
        definition["metadata"]["labels"] = json!({"set": "a"});
        establish(&api, &definition).await;
    }
    assert_eq!(watch.line().await, "ADDED foos.one.example.com");
    let listed = api.get(&format!("{DEFINITIONS}?labelSelector=set%3Da")).await.ok();
    assert_eq!(names(&listed), ["foos.one.example.com", "foos.two.example.com"]);
    api.delete(&format!("{DEFINITIONS}?labelSelector=set%3Da"), &json!({})).await.ok();
    for group in ["one", "two"] {
        api.vanishes(&format!("{DEFINITIONS}/foos.{group}.example.com")).await;
        api.vanishes(&format!("/apis/{group}.example.com/v1/namespaces/default/foos")).await;
    }
}

#[tokio::test]
async fn a_definitions_status_is_read_replaced_and_patched() {
    let api = Api::start().await;
    let path = establish(&api, &definition("example.com", &["v1"])).await;
    let status = format!("{path}/status");
    let mut found = api.get(&status).await.ok();
    assert_eq!(condition(&found, "Established"), "True");
    let said = |kind: &str| json!({"type": kind, "status": "True", "reason": "E2E", "message": "set", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    found["status"]["conditions"].as_array_mut().unwrap().push(said("StatusUpdate"));
    let replaced = api.put(&status, &found).await.ok();
    assert_eq!(condition(&replaced, "StatusUpdate"), "True");
    let mut conditions = replaced["status"]["conditions"].clone();
    conditions.as_array_mut().unwrap().push(said("StatusPatched"));
    let patched = api.patch(&status, "merge", &json!({"status": {"conditions": conditions}})).await.ok();
    assert_eq!(condition(&patched, "StatusPatched"), "True");
}

#[tokio::test]
async fn definitions_are_found_in_discovery() {
    let api = Api::start().await;
    establish(&api, &definition("example.com", &["v1", "v1beta1"])).await;
    let groups = api.get("/apis").await.ok();
    let groups = groups["groups"].as_array().unwrap();
    for group in groups {
        let versions = group["versions"].as_array().unwrap();
        assert!(versions.contains(&group["preferredVersion"]), "{group}");
        let name = text(group, "/name");
        assert_eq!(
            api.get(&format!("/apis/{name}")).await.ok()["preferredVersion"],
            group["preferredVersion"]
        );
        for version in versions {
            let list = api.get(&format!("/apis/{}", text(version, "/groupVersion"))).await.ok();
            assert_eq!(list["groupVersion"], version["groupVersion"]);
            assert!(!list["resources"].as_array().unwrap().is_empty(), "{list}");
        }
    }
    let ours = groups.iter().find(|group| group["name"] == "example.com").unwrap();
    assert_eq!(ours["preferredVersion"]["version"], "v1");
    let resources = api.get("/apis/example.com/v1").await.ok();
    let kinds = resources["resources"].as_array().unwrap();
    let foos = kinds.iter().find(|kind| kind["name"] == "foos").unwrap();
    assert_ne!(text(foos, "/storageVersionHash"), "", "{foos}");
    assert!(kinds.iter().any(|kind| kind["name"] == "foos/status"), "{kinds:?}");
}

#[tokio::test]
async fn defaults_hold_for_requests_and_for_what_is_stored() {
    let api = Api::start().await;
    let path = establish(&api, &definition("example.com", &["v1"])).await;
    let foos = "/apis/example.com/v1/namespaces/default/foos";
    let made = api.post(foos, &foo("example.com", "a")).await.ok();
    assert_eq!(made["spec"]["defaulted"], "here");
    let later = json!([{"op": "add", "value": {"type": "string", "default": "late"},
        "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/later"}]);
    api.patch(&path, "json", &later).await.ok();
    let found = api.settles(&format!("{foos}/a"), |_, found| found["spec"]["later"] == "late").await;
    assert_eq!(found["spec"]["defaulted"], "here");
    let without = json!([{"op": "remove",
        "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/later/default"}]);
    api.patch(&path, "json", &without).await.ok();
    api.settles(&format!("{foos}/a"), |_, found| found["spec"].get("later").is_none()).await;
}

#[tokio::test]
async fn fields_of_custom_kinds_are_validated() {
    let api = Api::start().await;
    establish(&api, &definition("example.com", &["v1"])).await;
    let foos = "/apis/example.com/v1/namespaces/default/foos";
    let mut strange = foo("example.com", "strange");
    strange["spec"]["unknown"] = json!(1);
    let strict = api.post(&format!("{foos}?fieldValidation=Strict"), &strange).await;
    assert!(
        strict.failure().contains(r#"strict decoding error: unknown field "spec.unknown""#),
        "{}",
        strict.body
    );
    let Answer { code, warnings, .. } = api.post(&format!("{foos}?fieldValidation=Warn"), &strange).await;
    assert_eq!(
        (code, warnings.as_slice()),
        (201, [r#"299 - "unknown field \"spec.unknown\"""#.to_owned()].as_slice())
    );
    strange["metadata"]["name"] = json!("quiet");
    assert_eq!(api.post(&format!("{foos}?fieldValidation=Ignore"), &strange).await.warnings.len(), 0);
    let mut twice = foo("example.com", "wrong");
    twice["spec"] = json!({"size": 0, "bars": [{"age": 3}]});
    let wrong = api.post(foos, &twice).await.failure();
    assert!(
        wrong.contains("spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"),
        "{wrong}"
    );
    assert!(wrong.contains("spec.bars[0].name: Required value"), "{wrong}");
}

#[tokio::test]
async fn documents_follow_the_definitions() {
    let api = Api::start().await;
    let path = establish(&api, &definition("example.com", &["v1", "v1alpha1"])).await;
    let known = |version: &str| format!("com.example.{version}.Foo");
    let has = |document: &Value, version: &str| document["definitions"].get(known(version)).is_some();
    let document = api.settles("/openapi/v2", |_, document| has(document, "v1")).await;
    assert_eq!(document["definitions"][known("v1")]["description"], "Foo CRD");
    assert!(has(&document, "v1alpha1"));
    let renamed = json!([{"op": "replace", "path": "/spec/versions/1/name", "value": "v1beta1"}]);
    api.patch(&path, "json", &renamed).await.ok();
    api.settles("/openapi/v2", |_, document| has(document, "v1beta1") && !has(document, "v1alpha1")).await;
    let unserved = json!([{"op": "replace", "path": "/spec/versions/1/served", "value": false}]);
    api.patch(&path, "json", &unserved).await.ok();
    api.settles("/openapi/v2", |_, document| !has(document, "v1beta1") && has(document, "v1")).await;
    api.vanishes("/apis/example.com/v1beta1/namespaces/default/foos").await;
}

#[tokio::test]
async fn custom_dependents_go_or_stay() {
    let api = Api::start().await;
    establish(&api, &definition("example.com", &["v1"])).await;
    let foos = "/apis/example.com/v1/namespaces/default/foos";
    for (policy, left) in [("Background", 0), ("Foreground", 0), ("Orphan", 1)] {
        let parent = api.post(foos, &foo("example.com", "owner")).await.ok();
        let mut dependent = foo("example.com", "dependent");
        dependent["metadata"]["ownerReferences"] = json!([owner("example.com/v1", "Foo", &parent)]);
        api.post(foos, &dependent).await.ok();
        api.delete(&format!("{foos}/owner"), &json!({"propagationPolicy": policy})).await.ok();
        api.vanishes(&format!("{foos}/owner")).await;
        let list = api.settles(foos, |_, list| items(list).len() == left).await;
        assert!(list.pointer("/items/0/metadata/ownerReferences").is_none(), "{policy}: {list}");
    }
}
