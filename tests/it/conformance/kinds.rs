//! `namespace.go`, `server_version.go`, `table_conversion.go`, `field_validation.go`, `generated_clientset.go`, and the life of small kinds.

use serde_json::{Value, json};

use super::{Api, CONFIG_MAPS, PODS, config_map, items, names, pod, text};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

#[tokio::test]
async fn namespaces_take_their_content_with_them() {
    let api = Api::start().await;
    let namespace = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    api.post("/api/v1/namespaces", &namespace("n")).await.ok();
    let path = "/api/v1/namespaces/n";
    api.settles(&format!("{path}/serviceaccounts/default"), |code, _| code == 200).await;
    api.post(&format!("{path}/pods"), &pod("p")).await.ok();
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}});
    api.post(&format!("{path}/services"), &service).await.ok();
    let patched = api.patch(path, "merge", &json!({"metadata": {"labels": {"test": "patched"}}})).await.ok();
    assert_eq!(text(&patched, "/metadata/labels/test"), "patched");
    assert_eq!(text(&patched, "/metadata/labels/kubernetes.io~1metadata.name"), "n");
    api.delete(path, &json!({})).await.ok();
    api.vanishes(path).await;
    api.post("/api/v1/namespaces", &namespace("n")).await.ok();
    for plural in ["pods", "services"] {
        assert_eq!(items(&api.get(&format!("{path}/{plural}")).await.ok()).len(), 0, "{plural}");
    }
}

#[tokio::test]
async fn a_namespace_is_updated_with_status_and_finalizers() {
    let api = Api::start().await;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}});
    api.post("/api/v1/namespaces", &namespace).await.ok();
    let path = "/api/v1/namespaces/n";
    let condition = |kind: &str| json!({"type": kind, "status": "True", "reason": "E2E", "message": "set"});
    let patch = json!({"metadata": {"annotations": {"a": "b"}}, "status": {"conditions": [condition("StatusPatch")]}});
    let patched = api.patch(&format!("{path}/status"), "merge", &patch).await.ok();
    assert_eq!(text(&patched, "/status/conditions/0/type"), "StatusPatch");
    let mut found = api.get(path).await.ok();
    found["status"]["conditions"].as_array_mut().unwrap().push(condition("StatusUpdate"));
    let replaced = api.put(&format!("{path}/status"), &found).await.ok();
    assert_eq!(text(&replaced, "/status/conditions/1/type"), "StatusUpdate");
    let mut labelled = api.get(path).await.ok();
    labelled["metadata"]["labels"]["updated"] = json!("yes");
    assert_eq!(text(&api.put(path, &labelled).await.ok(), "/metadata/labels/updated"), "yes");
    let mut finalized = api.get(path).await.ok();
    finalized["spec"]["finalizers"].as_array_mut().unwrap().push(json!("e2e.example.com/fake"));
    let finalized = api.put(&format!("{path}/finalize"), &finalized).await.ok();
    assert_eq!(finalized["spec"]["finalizers"], json!(["kubernetes", "e2e.example.com/fake"]));
    api.delete(path, &json!({})).await.ok();
    let held =
        api.settles(path, |_, found| found["spec"]["finalizers"] == json!(["e2e.example.com/fake"])).await;
    assert_eq!(text(&held, "/status/phase"), "Terminating");
    let mut released = held;
    released["spec"]["finalizers"] = json!([]);
    api.put(&format!("{path}/finalize"), &released).await.ok();
    api.vanishes(path).await;
}

#[tokio::test]
async fn the_server_has_a_version_and_tables() {
    let api = Api::start().await;
    let version = api.get("/version").await.ok();
    assert_eq!(text(&version, "/major"), "1");
    assert!(text(&version, "/minor").bytes().all(|letter| letter.is_ascii_digit()));
    api.post(PODS, &pod("p")).await.ok();
    let ask = async |path: &str, accept: &str| api.ask("GET", path, &[("accept", accept)], None).await;
    let table = ask(&format!("{PODS}/p"), TABLE).await.ok();
    assert_eq!(text(&table, "/kind"), "Table");
    assert_eq!(text(&table, "/columnDefinitions/0/name"), "Name");
    assert_eq!(text(&table, "/rows/0/cells/0"), "p");
    assert_eq!(text(&table, "/rows/0/object/kind"), "PartialObjectMetadata");
    for number in 0..3 {
        api.post(CONFIG_MAPS, &config_map(&format!("m{number}"))).await.ok();
    }
    let first = ask(&format!("{CONFIG_MAPS}?limit=2"), TABLE).await.ok();
    assert_eq!(first["rows"].as_array().unwrap().len(), 2);
    let token = text(&first, "/metadata/continue");
    let second = ask(&format!("{CONFIG_MAPS}?limit=2&continue={token}"), TABLE).await.ok();
    assert_ne!(first["rows"][0]["cells"][0], second["rows"][0]["cells"][0]);
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {
        "resourceAttributes": {"verb": "get", "resource": "pods"}}});
    let headers = [("accept", TABLE), ("content-type", "application/json")];
    let unfit = api
        .ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &headers, Some(&review))
        .await;
    assert_eq!(unfit.code, 406, "{}", unfit.body);
}

#[tokio::test]
async fn fields_of_known_kinds_are_validated() {
    let api = Api::start().await;
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    let mut strange = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {"unknown": 1, "selector": {"matchLabels": {"app": "d"}}, "template": {
            "metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "c", "image": "nginx:1"}]}}},
    });
    let strict = api.post(&format!("{deployments}?fieldValidation=Strict"), &strange).await.failure();
    assert!(strict.contains(r#"strict decoding error: unknown field "spec.unknown""#), "{strict}");
    let warned = api.post(deployments, &strange).await;
    assert_eq!((warned.code, warned.warnings.len()), (201, 1));
    strange["metadata"]["name"] = json!("wrong");
    let mut meta = strange.clone();
    meta["metadata"]["unknownMeta"] = json!("x");
    let strict = api.post(&format!("{deployments}?fieldValidation=Strict"), &meta).await.failure();
    assert!(
        strict.contains(r#"unknown field "metadata.unknownMeta", unknown field "spec.unknown""#),
        "{strict}"
    );
    let path = format!("{deployments}/d?fieldValidation=Strict");
    let patch = json!({"spec": {"unknown": 1, "paused": true}});
    let strict = api.patch(&path, "strategic-merge", &patch).await.failure();
    assert_eq!(
        strict,
        r#"422 Invalid:  "" is invalid: patch: Invalid value: "map[spec:map[paused:true unknown:1]]": strict decoding error: unknown field "spec.unknown""#
    );
    let patch = json!({"spec": {"replicas": "many"}});
    let unfit = api.patch(&format!("{deployments}/d"), "strategic-merge", &patch).await.failure();
    assert_eq!(
        unfit,
        r#"422 Invalid:  "" is invalid: patch: Invalid value: "map[spec:map[replicas:many]]": unrecognized type: int32"#
    );
}

#[tokio::test]
async fn names_are_made_and_watched() {
    let api = Api::start().await;
    let jobs = "/apis/batch/v1/namespaces/default/cronjobs";
    let mut watch = api.watch(&format!("{jobs}?watch=true&labelSelector=time%3Dnow")).await;
    let job = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"generateName": "job-", "labels": {"time": "now"}},
        "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": {
            "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "nginx:1"}]}}}}},
    });
    let made = api.post(jobs, &job).await.ok();
    let name = text(&made, "/metadata/name");
    assert!(name.len() == "job-".len() + 5 && name.starts_with("job-"), "{name}");
    assert_eq!(watch.line().await, format!("ADDED {name}"));
    api.delete(&format!("{jobs}/{name}"), &json!({})).await.ok();
    assert_eq!(watch.line().await, format!("DELETED {name}"));
}

#[tokio::test]
async fn leases_are_held_and_given_up() {
    let api = Api::start().await;
    let leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"},
        "spec": {"holderIdentity": "holder", "leaseDurationSeconds": 30, "leaseTransitions": 0,
            "acquireTime": "2026-01-01T00:00:00.000000Z", "renewTime": "2026-01-01T00:00:05.000000Z"},
    });
    let mut made = api.post(leases, &lease).await.ok();
    assert_eq!(made["spec"], lease["spec"]);
    made["spec"]["holderIdentity"] = json!("holder2");
    let path = format!("{leases}/l");
    assert_eq!(text(&api.put(&path, &made).await.ok(), "/spec/holderIdentity"), "holder2");
    let patched =
        api.patch(&path, "strategic-merge", &json!({"spec": {"leaseDurationSeconds": 60}})).await.ok();
    assert_eq!(patched["spec"]["leaseDurationSeconds"], 60);
    let mut second = lease.clone();
    second["metadata"] = json!({"name": "m", "labels": {"deletecollection": "true"}});
    api.post(leases, &second).await.ok();
    assert_eq!(names(&api.get(leases).await.ok()), ["l", "m"]);
    api.delete(&format!("{leases}?labelSelector=deletecollection%3Dtrue"), &json!({})).await.ok();
    api.delete(&path, &json!({})).await.ok();
    assert_eq!(items(&api.get(leases).await.ok()).len(), 0);
}

#[tokio::test]
async fn config_maps_and_secrets_live_and_freeze() {
    let api = Api::start().await;
    for (plural, kind, value, other) in
        [("configmaps", "ConfigMap", "value", "other"), ("secrets", "Secret", "dmFsdWU=", "b3RoZXI=")]
    {
        let path = format!("/api/v1/namespaces/default/{plural}");
        let object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x", "labels": {"test": "a"}}, "data": {"k": value}});
        api.post(&path, &object).await.ok();
        let patch = json!({"metadata": {"labels": {"test": "patched"}}, "data": {"k": other}});
        api.patch(&format!("{path}/x"), "strategic-merge", &patch).await.ok();
        let everywhere = api.get(&format!("/api/v1/{plural}?labelSelector=test%3Dpatched")).await.ok();
        assert_eq!(text(&everywhere, "/items/0/data/k"), other);
        let frozen: Value = api.patch(&format!("{path}/x"), "merge", &json!({"immutable": true})).await.ok();
        for change in [
            json!({"data": {"k": value}}),
            json!({"immutable": false}),
            json!({"immutable": null}),
            json!({"data": {"n": value}}),
        ] {
            let refused = api.patch(&format!("{path}/x"), "merge", &change).await.failure();
            assert!(
                refused.contains("Forbidden: field is immutable when `immutable` is set"),
                "{change}: {refused}"
            );
        }
        let labelled = api
            .patch(&format!("{path}/x"), "merge", &json!({"metadata": {"labels": {"test": "b"}}}))
            .await
            .ok();
        assert_ne!(labelled["metadata"]["resourceVersion"], frozen["metadata"]["resourceVersion"]);
        api.delete(&format!("{path}?labelSelector=test%3Db"), &json!({})).await.ok();
        assert_eq!(api.get(&format!("{path}/x")).await.code, 404);
        api.post(&path, &object).await.ok();
    }
    let mut empty = config_map("e");
    empty["data"] = json!({"": "value"});
    assert_eq!(api.post(CONFIG_MAPS, &empty).await.code, 422, "a key has a name");
}

#[tokio::test]
async fn what_is_deprecated_or_does_nothing_is_said() {
    let api = Api::start().await;
    let endpoints = "/api/v1/namespaces/default/endpoints";
    let deprecated = r#"299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice""#;
    assert_eq!(api.get(endpoints).await.warnings, [deprecated]);
    assert_eq!(
        api.get("/api/v1/componentstatuses").await.warnings,
        [r#"299 - "v1 ComponentStatus is deprecated in v1.19+""#]
    );
    let mut twice = pod("p");
    twice["spec"]["containers"][0]["env"] = json!([{"name": "A", "value": "x"}, {"name": "A", "value": "y"}]);
    let warned = api.post(PODS, &twice).await;
    let hidden = r#"299 - "spec.containers[0].env[1]: hides previous definition of \"A\", which may be dropped when using apply""#;
    assert_eq!((warned.code, warned.warnings.as_slice()), (201, [hidden.to_owned()].as_slice()));
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    let mut old = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {"selector": {"matchLabels": {"app": "d"}}, "template": {"metadata": {"labels": {"app": "d"}},
            "spec": {"nodeSelector": {"beta.kubernetes.io/os": "linux"}, "containers": [{"name": "c", "image": "a"}]}}},
    });
    let label = r#"299 - "spec.template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use \"kubernetes.io/os\" instead""#;
    assert_eq!(api.post(deployments, &old).await.warnings, [label]);
    let path = format!("{deployments}/d");
    let unmoved = api.patch(&path, "merge", &json!({"metadata": {"labels": {"a": "b"}}})).await;
    assert_eq!(unmoved.warnings.len(), 0, "nothing else is wanted than before");
    old["spec"]["replicas"] = json!(3);
    assert_eq!(api.put(&path, &old).await.warnings, [label]);
    for place in ["livez", "readyz", "healthz"] {
        assert_eq!(api.get(&format!("/{place}")).await.body, "ok");
        assert_eq!(api.get(&format!("/{place}/ping")).await.body, "ok");
        assert_eq!(api.get(&format!("/{place}/nothing")).await.code, 404);
        let told = api.get(&format!("/{place}?verbose")).await.body;
        assert!(
            told.as_str().unwrap().ends_with(&format!("[+]bus ok\n{place} check passed\n"))
                || place == "readyz",
            "{told}"
        );
    }
}
