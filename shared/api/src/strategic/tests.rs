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
        expect![[r#"
            metadata:
              finalizers:
              - a
              - b
            spec:
              containers:
              - args:
                - y
                env:
                - name: A
                  value: '1'
                - name: B
                  value: '3'
                - name: C
                  value: '4'
                image: nginx:2
                name: web
                ports:
                - containerPort: 80
              - image: fluent
                name: log
              nodeSelector:
                c: d
                e: f
              tolerations:
              - key: l
              volumes:
              - emptyDir: {}
                name: v
        "#]],
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
        expect![[r#"
            metadata:
              finalizers:
              - b
              - c
            spec:
              containers:
              - args:
                - x
                env:
                - name: A
                  value: '1'
                - name: B
                  value: '2'
                image: nginx
                name: web
                ports:
                - containerPort: 80
              nodeSelector:
                a: b
                c: d
              tolerations:
              - key: k
              volumes:
              - configMap:
                  name: cm
                name: v
        "#]],
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
        expect![[r#"
            metadata:
              finalizers:
              - a
              - b
            spec:
              containers:
              - image: fluent
                name: log
              - image: x
                name: new
              - args:
                - x
                env:
                - name: A
                  value: '1'
                - name: B
                  value: '2'
                image: nginx
                name: web
                ports:
                - containerPort: 80
              nodeSelector:
                z: z
              tolerations:
              - key: k
              volumes: []
        "#]],
    );
}

#[test]
fn refuses_nonsense() {
    check(
        POD,
        "spec: {containers: [{image: x}]}",
        expect![[r#"error: map: {"image":"x"} does not contain declared merge key: name"#]],
    );
    check(POD, "spec: {$patch: explode}", expect!["error: unknown patch type found: explode"]);
    check(
        POD,
        "[]",
        expect!["error: json: cannot unmarshal array into Go value of type map[string]interface {}"],
    );
}
