//! Strategic merge patches, as YAML.

use expect_test::{Expect, expect};
use serde_json::Value;

fn check(object: &str, patch: &str, expected: Expect) {
    let mut object: Value = serde_yaml_ng::from_str(object).unwrap();
    let patch: Value = serde_yaml_ng::from_str(patch).unwrap();
    let message = crate::schema::root("v1", "Pod");
    let text = match super::apply(&mut object, &patch, message) {
        Ok(()) => serde_yaml_ng::to_string(&object).unwrap(),
        Err(error) => format!("error: {error}"),
    };
    expected.assert_eq(&text);
}

const POD: &str = "
spec:
  nodeSelector: {a: b, c: d}
  containers:
  - {name: web, image: nginx, env: [{name: A, value: '1'}, {name: B, value: '2'}], ports: [{containerPort: 80}], args: [x]}
  - {name: log, image: fluent}
  tolerations: [{key: k}]
  volumes: [{name: v, emptyDir: {}}]
metadata:
  finalizers: [a, b]
";

#[test]
fn merges_by_key() {
    check(
        POD,
        "spec: {nodeSelector: {a: null, e: f}, containers: [{name: web, image: nginx:2, args: [y], env: [{name: B, value: '3'}, {name: C, value: '4'}]}], tolerations: [{key: l}]}",
        expect![[""]],
    );
}

#[test]
fn deletes_by_key_and_retains_keys() {
    check(
        POD,
        "
spec:
  containers: [{name: log, $patch: delete}]
  volumes: [{name: v, $retainKeys: [name, configMap], configMap: {name: cm}}]
metadata:
  $deleteFromPrimitiveList/finalizers: [a]
  finalizers: [c]
",
        expect![[""]],
    );
}

#[test]
fn replaces_and_orders() {
    check(
        POD,
        "
spec:
  $setElementOrder/containers: [{name: log}, {name: new}, {name: web}]
  containers: [{name: new, image: x}]
  nodeSelector: {$patch: replace, z: z}
  volumes: [{$patch: replace}]
",
        expect![[""]],
    );
}

#[test]
fn refuses_nonsense() {
    check(POD, "spec: {containers: [{image: x}]}", expect![[""]]);
    check(POD, "spec: {$patch: explode}", expect![[""]]);
    check(POD, "[]", expect![[""]]);
}
