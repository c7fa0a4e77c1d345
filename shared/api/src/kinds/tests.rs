//! Decoding, as YAML.

use expect_test::{Expect, expect};
use serde_json::Value;

fn check(yaml: &str, expected: Expect) {
    let object: Value = serde_yaml_ng::from_str(yaml).unwrap();
    let kind = super::by_gvk(crate::json::text(&object, "/apiVersion"), crate::json::text(&object, "/kind"))
        .unwrap();
    let text = match (kind.decode)(object) {
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
                r#"error: Pod in version "v1" cannot be handled as a Pod: json: metadata.creationTimestamp: failed to parse four digit integer as year: invalid digit, expected 0-9 but got y"#
            ]],
        ),
    ] {
        check(yaml, expected);
    }
}

#[test]
fn every_kind_is_in_the_schema_and_decodes_empty() {
    for kind in super::kinds() {
        assert!(
            crate::schema::root(&kind.api_version(), kind.kind).is_some(),
            "{} has no message",
            kind.kind
        );
        let empty = serde_json::json!({"apiVersion": kind.api_version(), "kind": kind.kind, "metadata": {"name": "x"}});
        let mut object = (kind.decode)(empty).unwrap().object;
        (kind.default)(&mut object);
        let defaulted = (kind.decode)(object.clone()).unwrap();
        assert!(defaulted.unknown.is_empty(), "{}: {:?}", kind.kind, defaulted.unknown);
        let again = (kind.decode)(defaulted.object.clone()).unwrap();
        assert_eq!(again.object, defaulted.object, "{}: decoding is stable", kind.kind);
        (kind.validate)(&object, None);
        let cells = (kind.cells)(&object, crate::Timestamp::default());
        assert_eq!(cells.len(), kind.columns.len(), "{}: a cell per column", kind.kind);
        assert_eq!(
            super::by_path(kind.group, kind.version, kind.id.plural()).map(|known| known.kind),
            Some(kind.kind)
        );
    }
}
