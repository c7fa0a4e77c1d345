//! The documents say what clients look for.

use expect_test::expect;

use super::*;

const APPS: GroupVersion = GroupVersion { group: "apps", version: "v1" };
const CORE: GroupVersion = GroupVersion { group: "", version: "v1" };

#[test]
fn every_reference_has_its_definition() {
    for version in model::group_versions(api::kinds()) {
        let document = version_3(api::kinds(), version);
        let schemas = document["components"]["schemas"].as_object().unwrap();
        check_references(&document, "#/components/schemas/", schemas);
        assert!(schemas.values().all(Value::is_object));
    }
    let document = version_2(api::kinds());
    check_references(&document, "#/definitions/", document["definitions"].as_object().unwrap());
}

fn check_references(value: &Value, prefix: &str, definitions: &Map<String, Value>) {
    match value {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                assert!(definitions.contains_key(reference.strip_prefix(prefix).unwrap()), "{reference}");
            }
            fields.values().for_each(|value| check_references(value, prefix, definitions));
        }
        Value::Array(values) => values.iter().for_each(|value| check_references(value, prefix, definitions)),
        _ => {}
    }
}

#[test]
fn fields_say_how_they_merge() {
    let document = version_3(api::kinds(), CORE);
    let schemas = &document["components"]["schemas"];
    let mut containers = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"].clone();
    containers["description"] = Value::Null;
    expect![[r##"{"description":null,"items":{"allOf":[{"$ref":"#/components/schemas/io.k8s.api.core.v1.Container"}],"default":{}},"type":"array","x-kubernetes-list-map-keys":["name"],"x-kubernetes-list-type":"map","x-kubernetes-patch-merge-key":"name","x-kubernetes-patch-strategy":"merge"}"##]]
        .assert_eq(&containers.to_string());
    let volumes = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["volumes"];
    assert_eq!(volumes["x-kubernetes-patch-strategy"], "merge,retainKeys");
    assert_eq!(schemas["io.k8s.api.core.v1.PodSpec"]["required"], json!(["containers"]));
    assert!(schemas["io.k8s.api.core.v1.Probe"]["properties"]["httpGet"]["allOf"].is_array());
}

#[test]
fn fields_say_what_they_may_be_and_are_by_default() {
    let (third, second) = (version_3(api::kinds(), CORE), version_2(api::kinds()));
    let third = |message: &str, field: &str| {
        third["components"]["schemas"][format!("io.k8s.api.core.v1.{message}")]["properties"][field].clone()
    };
    let second = |message: &str, field: &str| {
        second["definitions"][format!("io.k8s.api.core.v1.{message}")]["properties"][field].clone()
    };
    let policy = third("Container", "imagePullPolicy");
    assert_eq!(policy["enum"], json!(["Always", "IfNotPresent", "Never"]));
    assert!(policy["default"].is_null());
    let text = policy["description"].as_str().unwrap();
    let meanings =
        text.split_once("\n\nPossible enum values:\n - `\"Always\"` means that kubelet always").unwrap().1;
    assert!(meanings.contains("\n - `\"Never\"` means that kubelet never"), "{text}");
    assert_eq!(second("Container", "imagePullPolicy")["enum"], policy["enum"]);
    let modes = third("PersistentVolumeClaimSpec", "accessModes");
    assert_eq!(modes["items"]["enum"].as_array().unwrap().len(), 4);
    assert_eq!(modes["items"]["default"], "");
    let defaults = [
        ("ServicePort", "protocol", json!("TCP")),
        ("ServicePort", "port", json!(0)),
        ("Container", "name", json!("")),
        ("Container", "resources", json!({})),
        ("Pod", "spec", json!({})),
        ("LocalObjectReference", "name", json!("")),
        ("ReplicationControllerSpec", "replicas", json!(1)),
        ("Container", "image", json!(null)),
        ("Container", "securityContext", json!(null)),
        ("ServicePort", "targetPort", json!(null)),
        ("PodCondition", "lastProbeTime", json!(null)),
        ("PodSpec", "hostNetwork", json!(null)),
    ];
    for (message, field, default) in defaults {
        assert_eq!(third(message, field)["default"], default, "{message}.{field}");
        assert!(second(message, field)["default"].is_null(), "{message}.{field}");
    }
    assert!(
        third("Volume", "configMap")["description"].as_str().unwrap().starts_with("configMap represents")
    );
}

#[test]
fn writes_have_their_parameters() {
    let document = version_3(api::kinds(), APPS);
    let paths = &document["paths"];
    let patch = &paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Deployment");
    assert_eq!(patch["parameters"][0]["name"], "dryRun");
    assert!(paths["/apis/apps/v1/deployments"]["get"].is_object());
    assert!(paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"]["get"].is_object());
    let all = version_2(api::kinds());
    assert!(all["paths"]["/api/v1/nodes/{name}"]["patch"].is_object());
    assert!(all["paths"]["/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"]["post"].is_object());
}

#[test]
fn hashes_lead_to_documents() {
    let index = index(api::kinds(), &[]);
    let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().unwrap();
    let hash = url.strip_prefix("/openapi/v3/apis/apps/v1?hash=").unwrap();
    let wanted = |hash, known| Wanted { accept: "application/json", hash, known };
    let answered = answer(api::kinds(), Vec::new, "v3/apis/apps/v1", wanted(hash, "")).unwrap();
    assert_eq!(answered.status(), 200);
    let tag = answered.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(answer(api::kinds(), Vec::new, "v3/apis/apps/v1", wanted("", &tag)).unwrap().status(), 304);
    let moved = answer(api::kinds(), Vec::new, "v3/apis/apps/v1", wanted("OLD", "")).unwrap();
    assert_eq!((moved.status().as_u16(), moved.headers()["location"].to_str().unwrap()), (301, url));
    assert_eq!(answer(api::kinds(), Vec::new, "v3/apis/none/v1", wanted("", "")).unwrap_err().code(), 404);
    let protobuf =
        Wanted { accept: "application/com.github.proto-openapi.spec.v3@v1.0+protobuf", hash: "", known: "" };
    assert_eq!(answer(api::kinds(), Vec::new, "v3/api/v1", protobuf).unwrap_err().code(), 406);
}
