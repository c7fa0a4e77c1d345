//! Stories: who creates, updates and applies what, and what comes of it.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;
use crate::{merge_patch, schema};

/// Plays `verb manager: yaml` lines on one object and shows its fields and owners after the last one. An update is a merge patch.
fn check(api_version: &str, kind: &str, story: &str, expected: Expect) {
    let message = schema::root(api_version, kind).map_or(TypeRef::Unknown, TypeRef::Message);
    expected.assert_eq(&play(message, api_version, story));
}

fn play(kind: TypeRef<'_>, api_version: &str, story: &str) -> String {
    let mut object: Option<Value> = None;
    let mut errors = String::new();
    for (index, line) in story.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        let (head, yaml) = line.split_once(": ").unwrap();
        let (verb, manager) = head.split_once(' ').unwrap();
        let (manager, subresource) = manager.split_once('/').unwrap_or((manager, ""));
        let mut wanted: Value = serde_yaml_ng::from_str(yaml).unwrap();
        let now = Timestamp(1_000_000 * index as i64);
        let writer = Writer { manager, api_version, subresource, now, names_differ: false };
        let live = object.clone();
        match verb {
            "store" => object = Some(wanted),
            "create" => {
                created(&mut wanted, None, kind, &["status"], writer);
                object = Some(wanted);
            }
            "update" => {
                let old = live.unwrap();
                let mut new = old.clone();
                merge_patch::apply(&mut new, &wanted);
                let sent = detach(&mut new);
                updated(&mut new, &old, sent.as_ref(), kind, writer);
                object = Some(new);
            }
            "apply" | "force" => {
                match apply(live.as_ref(), &wanted, kind, &["status"], writer, verb == "force") {
                    Ok(new) => object = Some(new),
                    Err(error) => errors += &format!("{error}\n"),
                }
            }
            other => panic!("{other}"),
        }
    }
    format!("{errors}{}", shown(object.unwrap_or_default()))
}

fn shown(mut object: Value) -> String {
    let entries = detach(&mut object);
    let managers = Managers::from_value(&entries.clone().unwrap_or_default()).unwrap();
    assert_eq!(
        managers.to_value(),
        entries.clone().unwrap_or(json!([])),
        "entries survive being read and written"
    );
    let mut text = format!("{object}\n");
    for entry in entries.as_ref().and_then(Value::as_array).into_iter().flatten() {
        let name = |key: &str| entry[key].as_str().unwrap_or("-").to_owned();
        let fields = FieldSet::from_value(&entry["fieldsV1"]).unwrap();
        let time = name("time").replace("1970-01-01T00:00:", "");
        text += &format!("{} {} {}: {fields}\n", name("manager"), name("operation"), time);
    }
    text
}

#[test]
fn creating_owns_what_go_would_not_write_anyway() {
    check(
        "apps/v1",
        "Deployment",
        "create me: {metadata: {name: web, uid: u, labels: {app: web}}, status: {}, spec: {replicas: 1, selector: {matchLabels: {app: web}}, \
         strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1}}, template: {metadata: {labels: {app: web}}, \
         spec: {containers: [{name: c, image: i, resources: {}, ports: [{containerPort: 80}]}], restartPolicy: Always}}}}",
        expect![[r#"
            {"metadata":{"labels":{"app":"web"},"name":"web","uid":"u"},"spec":{"replicas":1,"selector":{"matchLabels":{"app":"web"}},"strategy":{"rollingUpdate":{"maxSurge":1},"type":"RollingUpdate"},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"image":"i","name":"c","ports":[{"containerPort":80}],"resources":{}}],"restartPolicy":"Always"}}},"status":{}}
            me Update 00Z: .metadata.labels .metadata.labels.app .spec.replicas .spec.selector .spec.strategy.rollingUpdate .spec.strategy.rollingUpdate.maxSurge .spec.strategy.type .spec.template.metadata.labels .spec.template.metadata.labels.app .spec.template.spec.containers[name="c"] .spec.template.spec.containers[name="c"].image .spec.template.spec.containers[name="c"].name .spec.template.spec.containers[name="c"].ports .spec.template.spec.containers[name="c"].ports[containerPort=80,protocol="TCP"] .spec.template.spec.containers[name="c"].ports[containerPort=80,protocol="TCP"].containerPort .spec.template.spec.containers[name="c"].resources .spec.template.spec.restartPolicy
        "#]],
    );
}

#[test]
fn updates_take_what_they_change() {
    check(
        "v1",
        "ConfigMap",
        "create me: {metadata: {name: c}, data: {a: '1', b: '2'}}
         update you: {data: {b: '3', c: '4'}}
         update he: {data: {a: null}}
         update he: {metadata: {resourceVersion: '7'}}",
        expect![[r#"
            {"data":{"b":"3","c":"4"},"metadata":{"name":"c","resourceVersion":"7"}}
            me Update 00Z: .data
            you Update 01Z: .data.b .data.c
        "#]],
    );
}

#[test]
fn what_nobody_owns_stays_so_until_it_is_applied() {
    check(
        "v1",
        "ConfigMap",
        "store -: {metadata: {name: c, uid: u}, data: {a: '1'}}
         update me: {data: {b: '2'}}",
        expect![[r#"
            {"data":{"a":"1","b":"2"},"metadata":{"name":"c","uid":"u"}}
        "#]],
    );
    check(
        "v1",
        "ConfigMap",
        "store -: {metadata: {name: c, uid: u}, data: {a: '1'}}
         apply me: {data: {b: '2'}}",
        expect![[r#"
            {"data":{"a":"1","b":"2"},"metadata":{"name":"c","uid":"u"}}
            me Apply 01Z: .data.b
            before-first-apply Update 01Z: .data .data.a
        "#]],
    );
    check(
        "v1",
        "ConfigMap",
        "create me: {metadata: {name: c, uid: u}, data: {a: '1'}}
         update me: {metadata: {managedFields: [{}]}}",
        expect![[r#"
            {"data":{"a":"1"},"metadata":{"name":"c","uid":"u"}}
        "#]],
    );
}

#[test]
fn applying_adds_changes_and_takes_away() {
    check(
        "v1",
        "ConfigMap",
        "apply me: {metadata: {name: c, labels: {x: '1', y: '2'}}, data: {a: '1', b: '2'}}
         apply you: {data: {b: '2', c: '3'}}
         apply me: {metadata: {labels: {y: '2'}}, data: {a: '5'}}",
        expect![[r#"
            {"data":{"a":"5","b":"2","c":"3"},"metadata":{"labels":{"y":"2"},"name":"c"}}
            you Apply 01Z: .data.b .data.c
            me Apply 02Z: .data.a .metadata.labels.y
        "#]],
    );
    check(
        "v1",
        "ConfigMap",
        "apply me: {metadata: {labels: {x: '1'}}, data: {a: '1'}}
         apply me: {metadata: {}}",
        expect![[r#"
            {"metadata":{}}
        "#]],
    );
}

#[test]
fn lists_merge_by_their_keys_and_keep_their_order() {
    let pod = |containers: &str| format!("{{spec: {{containers: [{containers}]}}}}");
    check(
        "v1",
        "Pod",
        &format!(
            "apply me: {}\napply you: {}\napply me: {}",
            pod(
                "{name: a, image: i, ports: [{containerPort: 80}, {containerPort: 80, protocol: UDP}], args: [x, y]}, {name: b, image: i}"
            ),
            pod("{name: c, image: i}, {name: b, env: [{name: e, value: v}]}"),
            pod(
                "{name: c, image: i}, {name: a, image: i, ports: [{containerPort: 80, protocol: UDP}], args: [x]}"
            ),
        ),
        expect![[r#"
            {"metadata":{},"spec":{"containers":[{"image":"i","name":"c"},{"env":[{"name":"e","value":"v"}],"name":"b"},{"args":["x"],"image":"i","name":"a","ports":[{"containerPort":80,"protocol":"UDP"}]}]}}
            you Apply 01Z: .spec.containers[name="b"] .spec.containers[name="b"].env[name="e"] .spec.containers[name="b"].env[name="e"].name .spec.containers[name="b"].env[name="e"].value .spec.containers[name="b"].name .spec.containers[name="c"] .spec.containers[name="c"].image .spec.containers[name="c"].name
            me Apply 02Z: .spec.containers[name="a"] .spec.containers[name="a"].args .spec.containers[name="a"].image .spec.containers[name="a"].name .spec.containers[name="a"].ports[containerPort=80,protocol="UDP"] .spec.containers[name="a"].ports[containerPort=80,protocol="UDP"].containerPort .spec.containers[name="a"].ports[containerPort=80,protocol="UDP"].protocol .spec.containers[name="c"] .spec.containers[name="c"].image .spec.containers[name="c"].name
        "#]],
    );
    check(
        "v1",
        "ConfigMap",
        "apply me: {metadata: {finalizers: [b/b, a/a]}}
         apply you: {metadata: {finalizers: [c/c, a/a]}}
         apply me: {metadata: {finalizers: [b/b]}}",
        expect![[r#"
            {"metadata":{"finalizers":["b/b","c/c","a/a"]}}
            me Apply 00Z: .metadata.finalizers[="b/b"]
            you Apply 01Z: .metadata.finalizers[="a/a"] .metadata.finalizers[="c/c"]
        "#]],
    );
}

#[test]
fn conflicts_are_told_and_may_be_forced() {
    let deployment = "{spec: {replicas: 1, selector: {matchLabels: {a: b}}, paused: true}}";
    let start = format!("create kubectl-client-side-apply: {deployment}");
    check(
        "apps/v1",
        "Deployment",
        &format!("{start}\napply me: {{spec: {{replicas: 2}}}}"),
        expect![[r#"
            Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using apps/v1: .spec.replicas
            {"metadata":{},"spec":{"paused":true,"replicas":1,"selector":{"matchLabels":{"a":"b"}}}}
            kubectl-client-side-apply Update 00Z: .spec.paused .spec.replicas .spec.selector
        "#]],
    );
    check(
        "apps/v1",
        "Deployment",
        &format!(
            "{start}\nupdate hpa/scale: {{spec: {{replicas: 5}}}}\napply me: {{spec: {{replicas: 2, paused: false, selector: {{matchLabels: {{a: b}}}}}}}}"
        ),
        expect![[r#"
            Apply failed with 2 conflicts: conflicts with "hpa" with subresource "scale" using apps/v1:
            - .spec.replicas
            conflicts with "kubectl-client-side-apply" using apps/v1:
            - .spec.paused
            {"metadata":{},"spec":{"paused":true,"replicas":5,"selector":{"matchLabels":{"a":"b"}}}}
            kubectl-client-side-apply Update 00Z: .spec.paused .spec.selector
            hpa Update 01Z: .spec.replicas
        "#]],
    );
    check(
        "apps/v1",
        "Deployment",
        &format!("{start}\nforce me: {{spec: {{replicas: 2, paused: true}}}}"),
        expect![[r#"
            {"metadata":{},"spec":{"paused":true,"replicas":2,"selector":{"matchLabels":{"a":"b"}}}}
            me Apply 01Z: .spec.paused .spec.replicas
            kubectl-client-side-apply Update 00Z: .spec.paused .spec.selector
        "#]],
    );
    check(
        "v1",
        "Pod",
        "create a: {spec: {containers: [{name: c, image: i}]}}\napply me: {spec: {containers: [{name: c, image: j}]}}",
        expect![[r#"
            Apply failed with 1 conflict: conflict with "a" using v1: .spec.containers[name="c"].image
            {"metadata":{},"spec":{"containers":[{"image":"i","name":"c"}]}}
            a Update 00Z: .spec.containers[name="c"] .spec.containers[name="c"].image .spec.containers[name="c"].name
        "#]],
    );
}

#[test]
fn kubectl_takes_over_from_its_client_side() {
    let annotated = r#"{metadata: {annotations: {kubectl.kubernetes.io/last-applied-configuration: '{"data":{"a":"1","b":"2"}}'}}, data: {a: '1', b: '3'}}"#;
    check(
        "v1",
        "ConfigMap",
        &format!(
            "create kubectl-client-side-apply: {annotated}\napply kubectl: {{data: {{a: '2', b: '2'}}}}"
        ),
        expect![[r#"
            Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using v1: .data.b
            {"data":{"a":"1","b":"3"},"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"data\":{\"a\":\"1\",\"b\":\"2\"}}"}}}
            kubectl-client-side-apply Update 00Z: .data .data.a .data.b .metadata.annotations .metadata.annotations.kubectl.kubernetes.io/last-applied-configuration
        "#]],
    );
    check(
        "v1",
        "ConfigMap",
        &format!("create kubectl-client-side-apply: {annotated}\napply kubectl: {{data: {{a: '2'}}}}"),
        expect![[r#"
            {"data":{"a":"2","b":"3"},"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"data\":{\"a\":\"2\"}}\n"}}}
            kubectl Apply 01Z: .data.a
            kubectl-client-side-apply Update 00Z: .data .data.b .metadata.annotations .metadata.annotations.kubectl.kubernetes.io/last-applied-configuration
        "#]],
    );
}

#[test]
fn the_oldest_updaters_are_merged() {
    let mut story = "create u0: {data: {k0: '0'}}".to_owned();
    for index in 1..12 {
        story += &format!("\nupdate u{index}: {{data: {{k{index}: '0'}}}}");
    }
    check(
        "v1",
        "ConfigMap",
        &story,
        expect![[r#"
        {"data":{"k0":"0","k1":"0","k10":"0","k11":"0","k2":"0","k3":"0","k4":"0","k5":"0","k6":"0","k7":"0","k8":"0","k9":"0"},"metadata":{}}
        ancient-changes Update 02Z: .data .data.k0 .data.k1 .data.k2
        u3 Update 03Z: .data.k3
        u4 Update 04Z: .data.k4
        u5 Update 05Z: .data.k5
        u6 Update 06Z: .data.k6
        u7 Update 07Z: .data.k7
        u8 Update 08Z: .data.k8
        u9 Update 09Z: .data.k9
        u10 Update 10Z: .data.k10
        u11 Update 11Z: .data.k11
    "#]],
    );
}

#[test]
fn what_cannot_be_told_apart_is_refused() {
    let refused = |config: Value| {
        let kind = schema::root("v1", "Pod").map_or(TypeRef::Unknown, TypeRef::Message);
        let writer = Writer {
            manager: "me",
            api_version: "v1",
            subresource: "",
            now: Timestamp(0),
            names_differ: false,
        };
        apply(None, &config, kind, &[], writer, false).unwrap_err().to_string()
    };
    let sentences = [
        refused(json!({"spec": {"containers": [{"image": "i"}]}})),
        refused(json!({"spec": {"containers": [{"name": "c", "env": [{"name": "a"}, {"name": "a"}]}]}})),
        refused(json!({"metadata": {"finalizers": ["a", "a"]}})),
    ];
    expect![[r#"
        .spec.containers: element 0: associative list with keys has an element that omits all key fields ["name"] (and doesn't have default values for any key fields)
        .spec.containers[name="c"].env: duplicate entries for key [name="a"]
        .metadata.finalizers: duplicate entries for key [="a"]"#]].assert_eq(&sentences.join("\n"));
}

#[test]
fn structural_schemas_say_how_to_merge() {
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "rules": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["host", "port"], "items": {
            "type": "object", "properties": {"host": {"type": "string"}, "port": {"type": "integer", "default": 80}}}},
        "names": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "args": {"type": "array", "items": {"type": "string"}},
        "whole": {"type": "object", "x-kubernetes-map-type": "atomic"},
        "loose": {"x-kubernetes-preserve-unknown-fields": true},
    }}}});
    let story = "apply me: {metadata: {labels: {a: b}}, spec: {rules: [{host: h, path: /}, {host: h, port: 81}], names: [x], args: [x], whole: {a: 1}, loose: {a: [1]}}}
         apply you: {spec: {rules: [{host: h, tls: true}], names: [y], loose: {b: 2}}}
         apply me: {spec: {rules: [{host: h}]}}";
    expect![[r#"
        {"metadata":{},"spec":{"loose":{"b":2},"names":["y"],"rules":[{"host":"h","tls":true}]}}
        you Apply 01Z: .spec.loose.b .spec.names[="y"] .spec.rules[host="h",port=80] .spec.rules[host="h",port=80].host .spec.rules[host="h",port=80].tls
        me Apply 02Z: .spec.rules[host="h",port=80] .spec.rules[host="h",port=80].host
    "#]].assert_eq(&play(TypeRef::Custom(&schema), "example.com/v1", story));
}

#[test]
fn fields_v1_is_read_leniently_and_never_believed() {
    let fields = json!({"f:spec": {".": {}, "f:ports": {"k:{\"protocol\":\"TCP\", \"containerPort\":80}": {"f:name": {}}, "v:\"x\"": {}, "i:3": {}}}});
    let set = FieldSet::from_value(&fields).unwrap();
    expect![[r#".spec .spec.ports[3] .spec.ports[containerPort=80,protocol="TCP"].name .spec.ports[="x"]"#]]
        .assert_eq(&set.to_string());
    for wrong in [
        json!(3),
        json!({"x": {}}),
        json!({"k:3": {}}),
        json!({"v:": {}}),
        json!({"i:x": {}}),
        json!({"f:a": 3}),
    ] {
        FieldSet::from_value(&wrong).unwrap_err();
    }
}

/// Two versions of an object: `spec.place` is `spec.host` and `spec.port` in the other one.
#[test]
fn owners_in_another_version_lose_what_changes_there() {
    let object = |spec: Value| json!({"metadata": {"name": "a"}, "spec": spec});
    let writer = |api_version, manager| Writer {
        manager,
        api_version,
        subresource: "",
        now: Timestamp(0),
        names_differ: true,
    };
    let mut old = object(json!({"place": "a:1", "kept": 1}));
    created(&mut old, None, TypeRef::Unknown, &[], writer("x/v1", "first"));
    let entries = detach(&mut old);
    let mut new = object(json!({"host": "a", "port": 2, "kept": 1}));
    attach(&mut old, entries);
    let mut before = object(json!({"host": "a", "port": 1, "kept": 1}));
    attach(&mut before, old.pointer("/metadata/managedFields").cloned());
    updated(&mut new, &before, None, TypeRef::Unknown, writer("x/v2", "second"));
    assert_eq!(other_versions(&new, "x/v2").into_iter().collect::<Vec<_>>(), ["x/v1"]);
    let there = object(json!({"place": "a:2", "kept": 1}));
    let change = Elsewhere { api_version: "x/v1", kind: TypeRef::Unknown, old: &old, new: &there };
    let mut updated = new.clone();
    settle_elsewhere(&mut updated, change, writer("x/v2", "second"), false).unwrap();
    expect![[r#"
        {"metadata":{"name":"a"},"spec":{"host":"a","kept":1,"port":2}}
        first Update 00Z: .spec .spec.kept
        second Update 00Z: .spec.port
    "#]]
    .assert_eq(&shown(updated));
    let mut later = new.clone();
    forget_version(&mut later, "x/v1");
    expect![[r#"
        {"metadata":{"name":"a"},"spec":{"host":"a","kept":1,"port":2}}
        second Update 00Z: .spec.port
    "#]]
    .assert_eq(&shown(later));
    let conflicts = settle_elsewhere(&mut new, change, writer("x/v2", "second"), true).unwrap_err();
    expect![[r#"Apply failed with 1 conflict: conflict with "first" using x/v1: .spec.place"#]]
        .assert_eq(&conflicts.to_string());
}
