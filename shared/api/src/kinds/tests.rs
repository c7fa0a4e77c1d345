//! Decoding, as YAML.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::Value;

fn check(yaml: &str, expected: Expect) {
    let object: Value = serde_yaml_ng::from_str(yaml).unwrap();
    let kind = super::by_gvk(crate::json::text(&object, "/apiVersion"), crate::json::text(&object, "/kind"))
        .unwrap();
    let text = match kind.decode(object) {
        Ok(decoded) => {
            format!("unknown: {:?}\n{}", decoded.unknown, serde_yaml_ng::to_string(&decoded.object).unwrap())
        }
        Err(error) => format!("error: {error}"),
    };
    expected.assert_eq(&text);
}

#[test]
fn unknown_fields_are_named_and_quantities_normalised() {
    check(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, creationTimestamp: null}
spec:
  replcas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: nginx, imge: x, resources: {limits: {cpu: 1, memory: 1024Mi}, requests: {cpu: '0.5'}}}
",
        expect![[r#"
            unknown: ["spec.replcas", "spec.template.spec.containers[0].imge"]
            apiVersion: apps/v1
            kind: Deployment
            metadata:
              name: web
            spec:
              selector:
                matchLabels:
                  app: web
              template:
                metadata:
                  labels:
                    app: web
                spec:
                  containers:
                  - image: nginx
                    name: web
                    resources:
                      limits:
                        cpu: '1'
                        memory: 1Gi
                      requests:
                        cpu: 500m
        "#]],
    );
}

#[test]
fn wrong_types_are_explained_in_gos_words() {
    for (yaml, expected) in [
        (
            "{apiVersion: apps/v1, kind: Deployment, spec: {replicas: three}}",
            expect![[
                r#"error: Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"#
            ]],
        ),
        (
            "{apiVersion: v1, kind: Pod, spec: {containers: {}}}",
            expect![[
                r#"error: Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container"#
            ]],
        ),
        (
            "{apiVersion: v1, kind: Pod, spec: {containers: [{image: 3}]}}",
            expect![[
                r#"error: Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal number into Go struct field Container.spec.containers.image of type string"#
            ]],
        ),
        (
            "{apiVersion: v1, kind: Pod, spec: {containers: [3]}}",
            expect![[
                r#"error: Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal number into Go struct field PodSpec.spec.containers of type v1.Container"#
            ]],
        ),
        (
            "{apiVersion: v1, kind: Pod, spec: {hostNetwork: 'yes'}}",
            expect![[
                r#"error: Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool"#
            ]],
        ),
        (
            "{apiVersion: v1, kind: Pod, metadata: {labels: {a: 1}}}",
            expect![[
                r#"error: Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string"#
            ]],
        ),
        (
            "{apiVersion: v1, kind: Pod, spec: {containers: [{ports: [{containerPort: 99999999999}]}]}}",
            expect![[
                r#"error: Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal number 99999999999 into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32"#
            ]],
        ),
        (
            "{apiVersion: v1, kind: Pod, spec: {containers: [{resources: {limits: {cpu: much}}}]}}",
            expect![[
                r#"error: Pod in version "v1" cannot be handled as a Pod: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"#
            ]],
        ),
        (
            "{apiVersion: v1, kind: ConfigMap, data: {a: 1}}",
            expect![[
                r#"error: ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type string"#
            ]],
        ),
        (
            "{apiVersion: v1, kind: Secret, data: {a: '***'}}",
            expect![[
                r#"error: Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 0"#
            ]],
        ),
        (
            "{apiVersion: v1, kind: Pod, metadata: {creationTimestamp: yesterday}}",
            expect![[
                r#"error: Pod in version "v1" cannot be handled as a Pod: parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006""#
            ]],
        ),
    ] {
        check(yaml, expected);
    }
}

#[test]
fn every_kind_is_in_the_schema_and_decodes_empty() {
    for kind in super::kinds().iter() {
        assert!(
            crate::schema::root(&kind.api_version(), kind.kind).is_some(),
            "{} has no message",
            kind.kind
        );
        let empty = serde_json::json!({"apiVersion": kind.api_version(), "kind": kind.kind, "metadata": {"name": "x"}});
        let mut object = kind.decode(empty).unwrap().object;
        kind.default(&mut object);
        let defaulted = kind.decode(kind.shown(object.clone())).unwrap();
        assert!(defaulted.unknown.is_empty(), "{}: {:?}", kind.kind, defaulted.unknown);
        let again = kind.decode(kind.shown(defaulted.object.clone())).unwrap();
        assert_eq!(again.object, defaulted.object, "{}: decoding is stable", kind.kind);
        kind.validate(&object, None);
        let cells = kind.cells(&object, crate::Timestamp::default());
        assert_eq!(cells.len(), kind.columns().len(), "{}: a cell per column", kind.kind);
        assert_eq!(
            super::by_path(kind.group, kind.version, kind.id.plural()).map(|known| known.kind),
            Some(kind.kind)
        );
    }
}

#[test]
fn fields_given_twice_are_named() {
    let json =
        br#"{"spec": {"replicas": 1, "a": [{"b": 1, "b": 2}], "replicas": 2, "replicas": 3}, "kind": 1}"#;
    let read = super::read(&mut serde_json::Deserializer::from_slice(json)).unwrap();
    let paths: Vec<&str> = read.repeated.iter().map(|repeated| &*repeated.path).collect();
    assert_eq!(paths, ["spec.a[0].b", "spec.replicas"]);
    assert_eq!(read.value, serde_json::from_slice::<Value>(json).unwrap(), "the last one counts");
    let yaml =
        super::read(serde_yaml_ng::Deserializer::from_slice(b"a: {b: 1, b: 2}\nc: [~, 1.5, -1, x, true]"))
            .unwrap();
    assert_eq!(yaml.value, serde_json::json!({"a": {"b": 2}, "c": [null, 1.5, -1, "x", true]}));
    assert_eq!(yaml.repeated, [super::Repeated { path: "a.b".into(), key: "b".into() }]);
    assert!(super::read(&mut serde_json::Deserializer::from_slice(b"{\"a\": ")).is_err());
}

#[test]
fn micro_times_keep_their_fractions() {
    check(
        "{apiVersion: coordination.k8s.io/v1, kind: Lease, spec: {renewTime: '2026-01-01T00:00:00.123456Z'}}",
        expect![[r#"
        unknown: []
        apiVersion: coordination.k8s.io/v1
        kind: Lease
        metadata: {}
        spec:
          renewTime: 2026-01-01T00:00:00.123456Z
    "#]],
    );
}

/// JSON that looks like an object of some kind, with anything anywhere.
fn anything() -> impl Strategy<Value = Value> {
    const KEYS: [&str; 24] = [
        "metadata",
        "spec",
        "status",
        "name",
        "labels",
        "containers",
        "initContainers",
        "template",
        "selector",
        "ports",
        "volumes",
        "resources",
        "limits",
        "cpu",
        "strategy",
        "rollingUpdate",
        "conditions",
        "state",
        "terminated",
        "addresses",
        "subsets",
        "env",
        "livenessProbe",
        "matchLabels",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z0-9%/.]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(proptest::sample::select(&KEYS[..]), inner, 0..6).prop_map(
                |map| Value::Object(map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
            ),
        ]
    })
}

proptest! {
    #[test]
    fn no_object_makes_a_rule_panic(object in anything(), old in anything()) {
        for kind in super::kinds().iter() {
            let mut object = object.clone();
            let _ = kind.decode(object.clone());
            kind.default(&mut object);
            kind.validate(&object, Some(&old));
            kind.cells(&object, crate::Timestamp::default());
            crate::lifecycle::prepare_create(&mut object, kind, "x", &"u".into(), crate::Timestamp::default());
            let _ = crate::lifecycle::prepare_update(&mut object, &old, kind);
            let _ = crate::strategic::apply(&mut object, &old, kind.message());
        }
    }

    #[test]
    fn a_quantitys_canonical_spelling_means_the_same(number in "-?[0-9]{1,6}(\\.[0-9]{0,3})?", suffix in "(m|k|M|G|T|Ki|Mi|Gi|Ti|e3|)") {
        let text = format!("{number}{suffix}");
        if let Some(canonical) = crate::quantity::canonical(&text) {
            use crate::quantity::Quantity;
            prop_assert_eq!(Quantity::parse(&canonical), Quantity::parse(&text), "{} as {}", text, canonical);
        }
    }
}

#[test]
fn what_does_not_convert_is_said_in_gos_words() {
    for (yaml, expected) in [
        ("{apiVersion: apps/v1, kind: Deployment, spec: {replicas: three}}", "unrecognized type: int32"),
        ("{apiVersion: v1, kind: Pod, spec: {containers: {a: b}}}", "cannot restore slice from map"),
        ("{apiVersion: v1, kind: Pod, spec: {containers: [{image: 5}]}}", "cannot convert int64 to string"),
        ("{apiVersion: v1, kind: Pod, spec: {containers: [5]}}", "cannot restore struct from: int64"),
        ("{apiVersion: v1, kind: Pod, spec: {hostNetwork: 'yes'}}", "unrecognized type: bool"),
        ("{apiVersion: v1, kind: ConfigMap, data: {a: {b: c}}}", "unrecognized type: string"),
        ("{apiVersion: v1, kind: ConfigMap, data: x}", "cannot restore map from string"),
        (
            "{apiVersion: v1, kind: Secret, data: {a: '!'}}",
            "error decoding from json: illegal base64 data at input byte 0",
        ),
    ] {
        let object: Value = serde_yaml_ng::from_str(yaml).unwrap();
        let kind =
            super::by_gvk(crate::json::text(&object, "/apiVersion"), crate::json::text(&object, "/kind"));
        assert_eq!(kind.unwrap().decode(object).unwrap_err().converting, expected, "{yaml}");
    }
}

#[test]
fn bytes_and_amounts_are_read_as_leniently_as_in_go() {
    check(
        "
apiVersion: v1
kind: Secret
data:
  wrapped: |
    YWJj
    ZGVm
  bits: YR==
",
        expect![[r#"
            unknown: []
            apiVersion: v1
            data:
              bits: YQ==
              wrapped: YWJjZGVm
            kind: Secret
            metadata: {}
        "#]],
    );
    check(
        "{apiVersion: v1, kind: ResourceQuota, spec: {hard: {pods: null, cpu: ' 1500m '}}}",
        expect![[r#"
            unknown: []
            apiVersion: v1
            kind: ResourceQuota
            metadata: {}
            spec:
              hard:
                cpu: 1500m
                pods: '0'
        "#]],
    );
}
