//! Custom kinds, as YAML.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::{JsonPath, Names, accept, kinds_of};
use crate::{KindInfo, Timestamp};

const DEFINITION: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crontabs.stable.example.com}
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas, labelSelectorPath: .status.selector}}
    selectableFields: [{jsonPath: .spec.color}]
    additionalPrinterColumns:
    - {name: Spec, type: string, jsonPath: .spec.cronSpec}
    - {name: Replicas, type: integer, jsonPath: .spec.replicas, priority: 1, description: How many}
    - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties: {cronSpec: {type: string}, replicas: {type: integer, default: 1}, color: {type: string}}
          status:
            type: object
            properties: {replicas: {type: integer}, selector: {type: string}, conditions: {type: array, items: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
  - name: v1beta1
    served: true
    storage: false
    deprecated: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
  - name: v1alpha1
    served: false
    storage: false
    schema: {openAPIV3Schema: {type: object}}
"#;

fn definition() -> Value {
    let mut definition: Value = serde_yaml_ng::from_str(DEFINITION).unwrap();
    definition["status"] = json!({"storedVersions": ["v1"]});
    let kind = crate::by_gvk("apiextensions.k8s.io/v1", "CustomResourceDefinition").unwrap();
    kind.default(&mut definition);
    let errors = kind.validate(&definition, None);
    assert!(errors.is_empty(), "{errors:?}");
    definition
}

fn established() -> Vec<std::sync::Arc<KindInfo>> {
    let mut definition = definition();
    let names = definition["spec"]["names"].clone();
    definition["status"] =
        json!({"acceptedNames": names, "conditions": [{"type": "Established", "status": "True"}]});
    kinds_of(&definition)
}

/// The same definition, whose versions a webhook converts.
pub(super) fn converted_by_webhook() -> Value {
    let mut definition = definition();
    let names = definition["spec"]["names"].clone();
    definition["metadata"]["generation"] = json!(3);
    definition["status"] =
        json!({"acceptedNames": names, "conditions": [{"type": "Established", "status": "True"}]});
    definition["spec"]["conversion"] = json!({"strategy": "Webhook", "webhook": {
        "conversionReviewVersions": ["v2", "v1beta1", "v1"],
        "clientConfig": {"service": {"namespace": "default", "name": "converter", "path": "/convert", "port": 443}},
    }});
    definition
}

#[test]
fn what_a_webhook_converts_is_in_the_version_that_is_asked_for() {
    let kinds = kinds_of(&converted_by_webhook());
    let beta = &kinds[1];
    assert_eq!((beta.stored_as.is_none(), beta.is_stored()), (true, false));
    assert_eq!(beta.stored_version(), "stable.example.com/v1");
    let object = json!({
        "apiVersion": "stable.example.com/v1beta1", "kind": "CronTab", "metadata": {"name": "a"}, "spec": {"free": true},
    });
    let decoded = beta.decode(object.clone()).unwrap().object;
    assert_eq!(decoded, object);
    assert_eq!(beta.shown(decoded), object);
    // Of an object in another version nothing is made but what its own schema says.
    let stored = json!({"apiVersion": "stable.example.com/v1", "kind": "CronTab", "spec": {"gone": 1}});
    let shown = beta.up_to_date(stored);
    assert_eq!(
        shown,
        json!({"apiVersion": "stable.example.com/v1", "kind": "CronTab", "spec": {"replicas": 1}})
    );
}

fn show(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

#[test]
fn a_version_that_is_served_is_a_kind() {
    assert!(kinds_of(&definition()).is_empty(), "its names are not accepted yet");
    let lines: Vec<String> = established()
        .iter()
        .map(|kind| {
            format!(
                "{} {} {} {} {:?} {:?} namespaced={} status={} scale={} stored_as={:?}",
                kind.id,
                kind.api_version(),
                kind.kind,
                kind.list_kind(),
                kind.short_names,
                kind.categories,
                kind.namespaced,
                kind.has_status,
                kind.has_scale,
                kind.stored_as.map(|(version, _)| version)
            )
        })
        .collect();
    expect![[r#"
        crontabs.stable.example.com stable.example.com/v1 CronTab CronTabList ["ct"] ["all"] namespaced=true status=true scale=true stored_as=None
        crontabs.stable.example.com stable.example.com/v1beta1 CronTab CronTabList ["ct"] ["all"] namespaced=true status=false scale=false stored_as=Some("stable.example.com/v1")"#]].assert_eq(&lines.join("\n"));
}

#[test]
fn objects_are_read_stored_and_shown() {
    let kinds = established();
    let (v1, beta) = (&kinds[0], &kinds[1]);
    let object = json!({
        "apiVersion": "stable.example.com/v1beta1", "kind": "CronTab", "metadata": {"name": "a", "typo": 1},
        "spec": {"cronSpec": "* *", "free": true},
    });
    let decoded = beta.decode(object.clone()).unwrap();
    assert_eq!(decoded.unknown, ["metadata.typo"]);
    assert_eq!(decoded.object["apiVersion"], "stable.example.com/v1");
    let shown = v1.shown(decoded.object.clone());
    expect![[r#"{"apiVersion":"stable.example.com/v1","kind":"CronTab","metadata":{"name":"a"},"spec":{"cronSpec":"* *","replicas":1}}"#]].assert_eq(&show(&shown));
    assert_eq!(beta.shown(decoded.object)["apiVersion"], "stable.example.com/v1beta1");
    let mut strict = object;
    strict["apiVersion"] = json!("stable.example.com/v1");
    assert_eq!(v1.decode(strict.clone()).unwrap().unknown, ["metadata.typo", "spec.free"]);
    strict["metadata"]["labels"] = json!({"a": 1});
    expect![[r#"CronTab in version "v1" cannot be handled as a CronTab: json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string"#]].assert_eq(&v1.decode(strict).unwrap_err().to_string());
    assert_eq!(
        beta.custom().unwrap().deprecation(),
        Some("stable.example.com/v1beta1 CronTab is deprecated; use stable.example.com/v1 CronTab")
    );
}

#[test]
fn columns_show_what_their_paths_lead_to() {
    let kinds = established();
    let now = Timestamp::parse("2026-01-01T12:00:00Z").unwrap();
    let object = json!({
        "metadata": {"name": "a", "creationTimestamp": "2026-01-01T11:00:00Z"},
        "spec": {"cronSpec": "* *", "replicas": 3},
        "status": {"conditions": [{"type": "Seen", "status": "False"}, {"type": "Ready", "status": "True"}]},
    });
    let columns: Vec<&str> = kinds[0].columns().iter().map(|column| &*column.name).collect();
    expect![[r#"["Name", "Spec", "Replicas", "Ready", "Age"] ["a","* *",3,"True","60m"]"#]]
        .assert_eq(&format!("{columns:?} {}", show(&kinds[0].cells(&object, now))));
    let columns: Vec<&str> = kinds[1].columns().iter().map(|column| &*column.name).collect();
    expect![[r#"["Name", "Age"] ["",null]"#]]
        .assert_eq(&format!("{columns:?} {}", show(&kinds[1].cells(&json!({}), now))));
}

#[test]
fn what_is_wrong_with_a_definition() {
    let wrong = |change: fn(&mut Value), expected: Expect| {
        let mut object = definition();
        change(&mut object);
        let kind = crate::by_gvk("apiextensions.k8s.io/v1", "CustomResourceDefinition").unwrap();
        let errors = kind.validate(&object, None);
        let lines: String =
            errors.iter().map(|error| format!("{}: {}\n", error.field, error.message)).collect();
        expected.assert_eq(&lines);
    };
    wrong(
        |it| it["metadata"]["name"] = json!("a.b"),
        expect![[r#"
        metadata.name: Invalid value: "a.b": must be spec.names.plural+"."+spec.group
    "#]],
    );
    wrong(
        |it| {
            it["metadata"]["name"] = json!("CronTabs.x.k8s.io");
            it["spec"]["group"] = json!("x.k8s.io");
            it["spec"]["names"] = json!({"plural": "CronTabs", "singular": "crontab", "kind": "Cron_Tab", "listKind": "Cron_Tab"});
            it["spec"]["scope"] = json!("Universe");
            it["spec"]["conversion"]["strategy"] = json!("Magic");
            it["status"]["storedVersions"] = json!(["v1"]);
        },
        expect![[r#"
            metadata.name: Invalid value: "CronTabs.x.k8s.io": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            spec.scope: Unsupported value: "Universe": supported values: "Cluster", "Namespaced"
            spec.names.plural: Invalid value: "CronTabs": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')
            spec.names.kind: Invalid value: "Cron_Tab": may have mixed case, but should otherwise match: a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')
            spec.names.listKind: Invalid value: "Cron_Tab": may have mixed case, but should otherwise match: a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')
            spec.names.listKind: Invalid value: "Cron_Tab": kind and listKind may not be the same
            spec.conversion.strategy: Unsupported value: "Magic": supported values: "None", "Webhook"
            metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111
        "#]],
    );
    wrong(
        |it| {
            it["spec"]["versions"][1]["storage"] = json!(true);
            it["spec"]["versions"][1]["name"] = json!("v1");
            it["spec"]["versions"][2]["schema"] = json!({});
            let version = &mut it["spec"]["versions"][0];
            version["subresources"]["scale"]["specReplicasPath"] = json!(".status.replicas");
            version["selectableFields"] = json!([{"jsonPath": ".spec"}, {"jsonPath": ".spec.none"}]);
            version["additionalPrinterColumns"] =
                json!([{"name": "", "type": "text", "jsonPath": ".a[?(@.b=="}]);
            version["schema"]["openAPIV3Schema"]["properties"]["spec"]["type"] = json!("");
        },
        expect![[r#"
            spec.versions[2].schema.openAPIV3Schema: Required value
            spec.versions[0].schema.openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields
            spec.versions[0].subresources.scale.specReplicasPath: Invalid value: ".status.replicas": should be a json path under .spec
            spec.versions[0].additionalPrinterColumns[0].name: Required value
            spec.versions[0].additionalPrinterColumns[0].type: Invalid value: "text": must be one of boolean,date,integer,number,string
            spec.versions[0].selectableFields[0].jsonPath: Invalid value: ".spec": must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.
            spec.versions[0].selectableFields[1].jsonPath: Invalid value: ".spec.none": is an invalid path: does not refer to a valid field
            spec.versions: Invalid value: [{"Name":"v1","Served":true,"Storage":true,"Deprecated":false,"DeprecationWarning":null,"Schema":{"openAPIV3Schema":{"properties":{"spec":{"properties":{"color":{"type":"string"},"cronSpec":{"type":"string"},"replicas":{"default":1,"type":"integer"}},"type":""},"status":{"properties":{"conditions":{"items":{"type":"object","x-kubernetes-preserve-unknown-fields":true},"type":"array"},"replicas":{"type":"integer"},"selector":{"type":"string"}},"type":"object"}},"type":"object"}},"Subresources":{"scale":{"labelSelectorPath":".status.selector","specReplicasPath":".status.replicas","statusReplicasPath":".status.replicas"},"status":{}},"AdditionalPrinterColumns":[{"jsonPath":".a[?(@.b==","name":"","type":"text"}],"SelectableFields":[{"jsonPath":".spec"},{"jsonPath":".spec.none"}]},{"Name":"v1","Served":true,"Storage":true,"Deprecated":true,"DeprecationWarning":null,"Schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}},"Subresources":null,"AdditionalPrinterColumns":null,"SelectableFields":null},{"Name":"v1alpha1","Served":false,"Storage":false,"Deprecated":false,"DeprecationWarning":null,"Schema":{},"Subresources":null,"AdditionalPrinterColumns":null,"SelectableFields":null}]: must contain unique version names
            spec.versions: Invalid value: [{"Name":"v1","Served":true,"Storage":true,"Deprecated":false,"DeprecationWarning":null,"Schema":{"openAPIV3Schema":{"properties":{"spec":{"properties":{"color":{"type":"string"},"cronSpec":{"type":"string"},"replicas":{"default":1,"type":"integer"}},"type":""},"status":{"properties":{"conditions":{"items":{"type":"object","x-kubernetes-preserve-unknown-fields":true},"type":"array"},"replicas":{"type":"integer"},"selector":{"type":"string"}},"type":"object"}},"type":"object"}},"Subresources":{"scale":{"labelSelectorPath":".status.selector","specReplicasPath":".status.replicas","statusReplicasPath":".status.replicas"},"status":{}},"AdditionalPrinterColumns":[{"jsonPath":".a[?(@.b==","name":"","type":"text"}],"SelectableFields":[{"jsonPath":".spec"},{"jsonPath":".spec.none"}]},{"Name":"v1","Served":true,"Storage":true,"Deprecated":true,"DeprecationWarning":null,"Schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}},"Subresources":null,"AdditionalPrinterColumns":null,"SelectableFields":null},{"Name":"v1alpha1","Served":false,"Storage":false,"Deprecated":false,"DeprecationWarning":null,"Schema":{},"Subresources":null,"AdditionalPrinterColumns":null,"SelectableFields":null}]: must have exactly one version marked as storage version
        "#]],
    );
}

#[test]
fn paths_lead_to_values() {
    let object = json!({
        "metadata": {"labels": {"a/b": "c", "x.y": "z"}},
        "list": [{"name": "one", "n": 1, "on": true}, {"name": "two", "n": 2}, {"name": "three", "n": 3}],
        "deep": {"er": {"name": "four"}},
    });
    let mut lines = String::new();
    for path in [
        ".list[0].name",
        ".list[-1].name",
        ".list[*].name",
        ".list[1:].name",
        ".list[?(@.n>=2)].name",
        ".list[?(@.name=='two')].n",
        ".list[?(@.on)].name",
        ".list[?(@.on==true)].name",
        ".metadata.labels['a/b']",
        ".metadata.labels.x\\.y",
        "{.deep..name}",
        ".none.at.all",
        ".list[",
        ".list[x]",
        ".list[?(@.n>two)]",
        ".a b",
    ] {
        let found = JsonPath::parse(path).map(|path| show(&path.find(&object)));
        lines.push_str(&format!("{path} -> {}\n", found.unwrap_or_else(|error| error.to_string())));
    }
    expect![[r#"
        .list[0].name -> ["one"]
        .list[-1].name -> ["three"]
        .list[*].name -> ["one","two","three"]
        .list[1:].name -> ["two","three"]
        .list[?(@.n>=2)].name -> ["two","three"]
        .list[?(@.name=='two')].n -> [2]
        .list[?(@.on)].name -> ["one"]
        .list[?(@.on==true)].name -> ["one"]
        .metadata.labels['a/b'] -> ["c"]
        .metadata.labels.x\.y -> ["z"]
        {.deep..name} -> ["four"]
        .none.at.all -> []
        .list[ -> unterminated array
        .list[x] -> invalid array index x
        .list[?(@.n>two)] -> unrecognized identifier two
        .a b -> unrecognized character in "a b"
    "#]]
    .assert_eq(&lines);
}

#[test]
fn names_belong_to_one_definition() {
    let names = |plural: &str, kind: &str, short: &str| Names {
        plural: plural.to_owned(),
        kind: kind.to_owned(),
        short_names: vec![short.to_owned()],
        ..Names::default()
    };
    let wanted = names("widgets", "Widget", "w");
    let nothing = Names::default();
    assert_eq!(accept(&wanted, &nothing, [names("gadgets", "Gadget", "g")].iter()).conflict, None);
    let taken = accept(&wanted, &nothing, [names("gadgets", "Gadget", "w")].iter());
    expect![[r#"Acceptance { accepted: Names { plural: "widgets", singular: "", short_names: [], kind: "Widget", list_kind: "", categories: [] }, conflict: Some(("ShortNamesConflict", "\"w\" is already in use")) }"#]].assert_eq(&format!("{taken:?}"));
}

#[test]
fn scales_are_numbers() {
    let kinds = established();
    let wrong = |object: Value, expected: Expect| {
        let errors = kinds[0].validate(&object, None);
        expected.assert_eq(
            &errors.iter().map(|error| format!("{}: {}\n", error.field, error.message)).collect::<String>(),
        );
    };
    let object = |spec: Value, status: Value| {
        json!({
        "apiVersion": "stable.example.com/v1", "kind": "CronTab", "metadata": {"name": "a", "namespace": "b"}, "spec": spec, "status": status})
    };
    wrong(
        object(json!({"replicas": -1}), json!({"replicas": 3_000_000_000_i64})),
        expect![[r#"
        .spec.replicas: Invalid value: -1: should be a non-negative integer
        .status.replicas: Invalid value: 3000000000: should be less than or equal to 2147483647
    "#]],
    );
    wrong(
        object(json!({"replicas": "2"}), json!({"selector": 7})),
        expect![[r#"
        spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: "string"
        status.selector: Invalid value: "integer": status.selector in body must be of type string: "integer"
        .spec.replicas: Invalid value: 0: .spec.replicas accessor error: 2 is of the type string, expected int64
        .status.selector: Invalid value: "": .status.selector accessor error: 7 is of the type int64, expected string
    "#]],
    );
    wrong(
        object(json!("none"), json!({})),
        expect![[r#"
        spec: Invalid value: "string": spec in body must be of type object: "string"
        .spec.replicas: Invalid value: 0: .spec accessor error: none is of the type string, expected map[string]interface{}
    "#]],
    );
}
