//! Round trips, bodies that kubectl 1.32 sent, and garbage.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{decode, encode};

const DEPLOYMENT: &str = "6b3873000a150a07617070732f7631120a4465706c6f796d656e7412bd010a1f0a0377656212001a0022002a003200380042\
     005a0a0a036170701203776562128b010802120c0a0a0a0361707012037765621a710a1c0a0012001a0022002a0032003800\
     42005a0a0a036170701203776562125112330a056e67696e78120a6e67696e783a312e32372a00320a0a001000185022002a\
     0042006a007200800100880100900100a201001a00320042004a0052005800600068008201008a01009a0100c2010022020a\
     00280038001a0c0800100018002000280038001a002200";
const SERVICE: &str = "6b3873000a0d0a02763112075365727669636512680a1f0a0377656212001a0022002a003200380042005a0a0a0361707012\
     0377656212410a1b0a0738302d38303830120354435018502207080010903f1a002800120a0a0361707012037765621a0022\
     084e6f6465506f72743a00420052005a00600068001a020a001a002200";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn check(hex: &str, expected: Expect) {
    let object = decode(&bytes(hex)).unwrap();
    let kind = crate::by_gvk(crate::json::text(&object, "/apiVersion"), crate::json::text(&object, "/kind"))
        .unwrap();
    let decoded = kind.decode(object).unwrap();
    assert!(decoded.unknown.is_empty(), "{:?}", decoded.unknown);
    expected.assert_eq(&serde_yaml_ng::to_string(&decoded.object).unwrap());
}

#[test]
fn kubectls_bodies_are_read() {
    check(
        DEPLOYMENT,
        expect![[r#"
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          labels:
            app: web
          name: web
        spec:
          replicas: 2
          selector:
            matchLabels:
              app: web
          strategy: {}
          template:
            metadata:
              labels:
                app: web
            spec:
              containers:
              - image: nginx:1.27
                name: nginx
                ports:
                - containerPort: 80
                resources: {}
        status: {}
    "#]],
    );
    check(
        SERVICE,
        expect![[r#"
        apiVersion: v1
        kind: Service
        metadata:
          labels:
            app: web
          name: web
        spec:
          ports:
          - name: 80-8080
            port: 80
            protocol: TCP
            targetPort: 8080
          selector:
            app: web
          type: NodePort
        status:
          loadBalancer: {}
    "#]],
    );
}

/// What is written and read again is the same.
fn survives(object: &Value) {
    assert_eq!(&decode(&encode(object).unwrap()).unwrap(), object);
}

#[test]
fn objects_survive() {
    let pod = "
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {a: b}, creationTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 0, ownerReferences: [{apiVersion: v1, kind: X, name: y, uid: z, controller: false}]}
spec:
  terminationGracePeriodSeconds: 0
  nodeSelector: {a: ''}
  containers:
  - name: web
    image: nginx
    args: [a, '']
    livenessProbe: {httpGet: {port: web, path: /}, periodSeconds: 3}
    resources: {limits: {cpu: 100m}}
    securityContext: {runAsUser: 0, runAsNonRoot: false}
    env: [{name: A, valueFrom: {configMapKeyRef: {name: c, key: k, optional: false}}}]
  volumes: [{name: a, emptyDir: {}}, {name: b, configMap: {name: c, defaultMode: 420}}]
  tolerations: [{key: k, tolerationSeconds: 0}]
status: {phase: Running, containerStatuses: [{name: web, ready: true, restartCount: 2, state: {running: {startedAt: '2026-01-01T00:00:00Z'}}}]}
";
    survives(&serde_yaml_ng::from_str(pod).unwrap());
    survives(
        &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "AAEC/w=="}}),
    );
    survives(
        &json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": 0, "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}}}}),
    );
    survives(
        &json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": {"renewTime": "2026-01-01T00:00:00.123456Z", "leaseTransitions": 0}}),
    );
    survives(
        &json!({"apiVersion": "v1", "kind": "Service", "metadata": {}, "spec": {"ports": [{"port": 80, "targetPort": "web"}], "clusterIPs": ["None"]}}),
    );
    survives(
        &json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "propagationPolicy": "Foreground", "preconditions": {"uid": "u"}}),
    );
    survives(&crate::status::not_found(crate::ResourceId::new("pods"), "web").to_value());
    survives(
        &json!({"apiVersion": "v1", "kind": "ConfigMapList", "metadata": {"resourceVersion": "7"}, "items": [{"metadata": {"name": "a"}, "data": {"k": ""}}]}),
    );
    survives(
        &json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {}, "addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": false}}], "ports": [{"port": 80, "name": "web"}]}),
    );
}

#[test]
fn floats_extras_and_any_json_survive() {
    let schema = json!({"type": "object", "properties": {"ratio": {"type": "number", "maximum": 1.5, "minimum": 0.0, "default": [1, "a"], "enum": [0.5, null]},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}}}});
    survives(
        &json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "a"},
            "spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]}}),
    );
    survives(
        &json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "metadata": {}, "spec": {"extra": {"scopes": ["a", ""]}}}),
    );
}

#[test]
fn delete_options_of_any_group_are_read() {
    let options =
        encode(&json!({"apiVersion": "apps/v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}))
            .unwrap();
    assert_eq!(decode(&options).unwrap()["propagationPolicy"], "Background");
}

#[test]
fn refusals_say_why() {
    let unknown = encode(&json!({"apiVersion": "v1", "kind": "Teapot"})).unwrap_err();
    expect![[r#"no kind "Teapot" is registered for version "v1""#]].assert_eq(&unknown.to_string());
    expect!["provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"]
        .assert_eq(&decode(b"{}").unwrap_err().to_string());
    expect!["malformed protobuf: it ends too early"]
        .assert_eq(&decode(b"k8s\0\x0a\xff").unwrap_err().to_string());
    let wrong = encode(&json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": 3}]}}))
        .unwrap_err();
    expect!["field Container.name is of the wrong type"].assert_eq(&wrong.to_string());
}

proptest! {
    #[test]
    fn garbage_is_refused_without_a_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&[b"k8s\0".as_slice(), &body].concat());
    }

    #[test]
    fn damaged_bodies_are_read_or_refused(at in 4_usize..223, byte: u8, cut in 4_usize..223) {
        let mut damaged = bytes(DEPLOYMENT);
        damaged[at] = byte;
        if let Ok(object) = decode(&damaged) {
            let _ = encode(&object);
        }
        let _ = decode(&damaged[..cut]);
    }

    #[test]
    fn config_maps_survive(data in proptest::collection::btree_map("[a-z]{1,8}", ".{0,20}", 1..5)) {
        survives(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}));
    }
}
