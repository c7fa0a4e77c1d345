//! What `k8s.io/apiserver` answers, found by sending the same requests to Kubernetes' own server.

use serde_json::{Value, json};

use super::customs::{definition, establish, foo};
use super::{Api, CONFIG_MAPS, config_map, text};

const FOOS: &str = "/apis/example.com/v1/namespaces/default/foos";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/default/leases";

async fn foos(api: &Api) {
    establish(api, &definition("example.com", &["v1"])).await;
    api.settles(FOOS, |code, _| code == 200).await;
}

#[tokio::test]
async fn some_kinds_are_replaced_only_at_a_version() {
    let api = Api::start().await;
    foos(&api).await;
    let made = api.post(FOOS, &foo("example.com", "a")).await.ok();
    let path = format!("{FOOS}/a");
    let wanted = "422 Invalid: foos.example.com \"a\" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update";
    assert_eq!(api.put(&path, &foo("example.com", "a")).await.failure(), wanted);
    let mut at_version = foo("example.com", "a");
    at_version["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"].clone();
    api.put(&path, &at_version).await.ok();
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": {}});
    api.post(LEASES, &lease).await.ok();
    assert_eq!(api.put(&format!("{LEASES}/l"), &lease).await.code, 422);
    api.post(CONFIG_MAPS, &config_map("c")).await.ok();
    api.put(&format!("{CONFIG_MAPS}/c"), &config_map("c")).await.ok();
}

#[tokio::test]
async fn what_replaces_an_object_says_what_it_is() {
    let api = Api::start().await;
    foos(&api).await;
    api.post(CONFIG_MAPS, &config_map("c")).await.ok();
    let nameless = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}});
    assert_eq!(
        api.put(&format!("{CONFIG_MAPS}/c"), &nameless).await.failure(),
        "400 BadRequest: the name of the object (c based on URL) was undeterminable: name must be provided"
    );
    let unkind = api.post(FOOS, &json!({"apiVersion": "example.com/v1", "metadata": {"name": "a"}})).await;
    let wanted =
        "400 BadRequest: the object provided is unrecognized (must be of type Foo): Object 'Kind' is missing";
    assert!(unkind.failure().starts_with(wanted), "{}", unkind.body);
    let mut other = foo("example.com", "a");
    other["kind"] = json!("Bar");
    assert_eq!(
        api.post(FOOS, &other).await.failure(),
        "422 Invalid: Bar.example.com \"a\" is invalid: kind: Invalid value: \"Bar\": must be Foo"
    );
}

#[tokio::test]
async fn fields_that_are_there_twice_are_told() {
    let api = Api::start().await;
    let twice = r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "1", "k": "2"}}"#;
    let send = async |query: &str, content_type: &str, body: &str| {
        let path = format!("{CONFIG_MAPS}?dryRun=All{query}");
        api.send("POST", &path, &[("content-type", content_type)], body.as_bytes().to_vec()).await
    };
    let warned = send("", "application/json", twice).await;
    assert_eq!(warned.warnings, [r#"299 - "duplicate field \"data.k\"""#]);
    assert_eq!(text(&warned.ok(), "/data/k"), "2");
    let strict = send("&fieldValidation=Strict", "application/json", twice).await;
    assert!(
        strict.failure().ends_with("strict decoding error: duplicate field \"data.k\""),
        "{}",
        strict.body
    );
    assert!(send("&fieldValidation=Ignore", "application/json", twice).await.warnings.is_empty());
    let yaml =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  k: a\n  k: b\n---\nkind: Other\n";
    let warned = send("", "application/yaml", yaml).await;
    assert_eq!(warned.warnings, [r#"299 - "key \"k\" already set in map""#]);
    assert_eq!(text(&warned.ok(), "/data/k"), "b");
}

#[tokio::test]
async fn what_is_applied_fits_its_type() {
    let api = Api::start().await;
    foos(&api).await;
    let apply = async |config: &Value| {
        let path = format!("{FOOS}/a?fieldManager=me");
        api.ask("PATCH", &path, &[("content-type", "application/apply-patch+yaml")], Some(config)).await
    };
    let mut config = foo("example.com", "a");
    config["spec"] = json!({"colour": "red", "size": "large", "bars": {}});
    assert_eq!(
        apply(&config).await.failure(),
        "500 : failed to create typed patch object (/a; example.com/v1, Kind=Foo): errors:\n  \
         .spec.bars: expected list, got &{map[]}\n  .spec.colour: field not declared in schema\n  \
         .spec.size: expected numeric (int or float), got string"
    );
    config["kind"] = json!("Bar");
    assert_eq!(
        apply(&config).await.failure(),
        "400 BadRequest: invalid object type: example.com/v1, Kind=Bar"
    );
}

#[tokio::test]
async fn what_two_managers_share_goes_with_neither() {
    let api = Api::start().await;
    foos(&api).await;
    let apply = async |manager: &str, spec: Value| {
        let path = format!("{FOOS}/a?fieldManager={manager}");
        let mut config = foo("example.com", "a");
        config["spec"] = spec;
        api.ask("PATCH", &path, &[("content-type", "application/apply-patch+yaml")], Some(&config)).await.ok()
    };
    apply("one", json!({"size": 2})).await;
    apply("two", json!({"size": 2})).await;
    apply("one", json!({})).await;
    let left = apply("two", json!({})).await;
    assert_eq!(left["spec"], json!({"defaulted": "here"}));
    let managers: Vec<&str> = left["metadata"]["managedFields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| text(entry, "/manager"))
        .collect();
    assert_eq!(managers, ["one", "two"]);
}

#[tokio::test]
async fn what_leaves_a_selection_or_is_deleted_is_shown_as_it_was() {
    let api = Api::start().await;
    let path = format!("{CONFIG_MAPS}/a");
    let mut watch = api.watch(&format!("{CONFIG_MAPS}?watch=true&labelSelector=watch%3Dyes")).await;
    let mut map = config_map("a");
    map["metadata"]["labels"] = json!({"watch": "yes"});
    api.post(CONFIG_MAPS, &map).await.ok();
    assert_eq!(watch.line().await, "ADDED a");
    let label = json!({"metadata": {"labels": {"watch": "no"}}, "data": {"k": "later"}});
    let changed = api.patch(&path, "merge", &label).await.ok();
    let gone = watch.next().await;
    assert_eq!(text(&gone, "/type"), "DELETED");
    assert_eq!(text(&gone, "/object/metadata/labels/watch"), "yes");
    assert_eq!(text(&gone, "/object/data/k"), "v");
    let version = |object: &Value| text(object, "/metadata/resourceVersion").to_owned();
    assert_eq!(version(&gone["object"]), version(&changed));
    let mut all = api.watch(&format!("{CONFIG_MAPS}?watch=true&resourceVersion={}", version(&changed))).await;
    api.delete(&path, &json!({})).await.ok();
    let deleted = all.next().await;
    assert_eq!(text(&deleted, "/type"), "DELETED");
    assert_eq!(deleted.pointer("/object/metadata/deletionTimestamp"), None);
}

#[tokio::test]
async fn answers_come_as_they_are_asked_for() {
    let api = Api::start().await;
    foos(&api).await;
    api.post(CONFIG_MAPS, &config_map("a")).await.ok();
    let yaml = api.ask("GET", &format!("{CONFIG_MAPS}/a"), &[("accept", "application/yaml")], None).await;
    assert!(yaml.body.as_str().unwrap().contains("\ndata:\n  k: v\n"), "{}", yaml.body);
    let watch = format!("{CONFIG_MAPS}?watch=true");
    let refused = api.ask("GET", &watch, &[("accept", "application/yaml")], None).await;
    assert_eq!(refused.code, 406);
    let watch = format!("{FOOS}?watch=true");
    let refused =
        api.ask("GET", &watch, &[("accept", "application/vnd.kubernetes.protobuf;stream=watch")], None).await;
    assert_eq!(refused.code, 406);
    let nothing = api.get("/apis/nothing.example.com/v1/things").await;
    assert_eq!((nothing.code, nothing.body.as_str()), (404, Some("404 page not found\n")));
}
