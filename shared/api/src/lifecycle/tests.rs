//! Lives of objects, as text.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;
use crate::ResourceId;

fn kind(id: &'static str) -> &'static KindInfo {
    crate::kind(ResourceId::new(id)).unwrap()
}

fn now() -> Timestamp {
    Timestamp::parse("2026-01-01T12:00:00Z").unwrap()
}

fn yaml(text: &str) -> Value {
    serde_yaml_ng::from_str(text).unwrap()
}

fn check(value: &Value, expected: Expect) {
    expected.assert_eq(&serde_yaml_ng::to_string(value).unwrap());
}

#[test]
fn creation() {
    let mut pod = yaml(
        "{metadata: {generateName: web-, uid: mine, resourceVersion: '4', managedFields: []}, spec: {containers: []}, status: {phase: Running}}",
    );
    prepare_create(&mut pod, kind("pods"), "x7k2p", &Uid::from("u-1"), now());
    check(
        &pod,
        expect![[r#"
        metadata:
          creationTimestamp: 2026-01-01T12:00:00Z
          generateName: web-
          generation: 1
          name: web-x7k2p
          uid: u-1
        spec:
          containers: []
        status:
          phase: Pending
          qosClass: BestEffort
    "#]],
    );
    let mut namespace = yaml("{metadata: {name: blue, namespace: odd}, spec: {}}");
    prepare_create(&mut namespace, kind("namespaces"), "", &Uid::from("u-2"), now());
    check(
        &namespace,
        expect![[r#"
        metadata:
          creationTimestamp: 2026-01-01T12:00:00Z
          labels:
            kubernetes.io/metadata.name: blue
          name: blue
          uid: u-2
        spec: {}
        status:
          phase: Active
    "#]],
    );
}

#[test]
fn update() {
    let old = yaml(
        "{metadata: {name: web, namespace: d, uid: u, creationTimestamp: '2026-01-01T00:00:00Z', generation: 3}, spec: {replicas: 1}, status: {replicas: 1}}",
    );
    let mut new = yaml(
        "{metadata: {name: web, labels: {a: b}, generation: 9}, spec: {replicas: 2}, status: {replicas: 7}}",
    );
    prepare_update(&mut new, &old, kind("deployments.apps")).unwrap();
    check(
        &new,
        expect![[r#"
        metadata:
          creationTimestamp: 2026-01-01T00:00:00Z
          generation: 4
          labels:
            a: b
          name: web
          namespace: d
          uid: u
        spec:
          replicas: 2
        status:
          replicas: 1
    "#]],
    );
    let mut same = old.clone();
    prepare_update(&mut same, &old, kind("deployments.apps")).unwrap();
    assert_eq!(same, old);
    let mut status =
        yaml("{metadata: {name: web, labels: {a: b}}, spec: {replicas: 2}, status: {replicas: 7}}");
    prepare_status_update(&mut status, &old, kind("deployments.apps")).unwrap();
    check(
        &status,
        expect![[r#"
        metadata:
          creationTimestamp: 2026-01-01T00:00:00Z
          generation: 3
          name: web
          namespace: d
          uid: u
        spec:
          replicas: 1
        status:
          replicas: 7
    "#]],
    );
    let mut other = yaml("{metadata: {name: web, uid: v}}");
    let refusal = prepare_update(&mut other, &old, kind("deployments.apps")).unwrap_err();
    expect!["Precondition failed: UID in precondition: v, UID in object meta: u"]
        .assert_eq(&refusal.to_string());
}

/// What deleting an object of a kind leads to, in a line.
fn delete(id: &'static str, object: &str, options: Value) -> String {
    match request_deletion(&yaml(object), kind(id), &DeleteOptions::from_value(&options), now()) {
        Ok(Deletion::Remove(_)) => "remove".into(),
        Ok(Deletion::Already) => "already".into(),
        Ok(Deletion::Mark(marked)) => format!(
            "mark at {} grace {} generation {} finalizers {} phase {:?}",
            text(&marked, "/metadata/deletionTimestamp"),
            marked.pointer("/metadata/deletionGracePeriodSeconds").unwrap(),
            marked.pointer("/metadata/generation").unwrap_or(&json!(0)),
            marked.pointer("/metadata/finalizers").unwrap_or(&json!([])),
            text(&marked, "/status/phase"),
        ),
        Err(refusal) => refusal.to_string(),
    }
}

fn check_deletions(cases: &[(&'static str, &str, Value)], expected: Expect) {
    let line = |(id, object, options): &(&'static str, &str, Value)| {
        format!("{id} {object} {options}\n  -> {}\n", delete(id, object, options.clone()))
    };
    expected.assert_eq(&cases.iter().map(line).collect::<String>());
}

#[test]
fn pods_end_with_grace() {
    let bound = "{metadata: {uid: u, generation: 1}, spec: {nodeName: n, terminationGracePeriodSeconds: 20}}";
    let ending = "{metadata: {deletionTimestamp: '2026-01-01T12:00:30Z', deletionGracePeriodSeconds: 30, generation: 2}, spec: {nodeName: n, terminationGracePeriodSeconds: 30}}";
    let cases = [
        ("pods", "{spec: {}}", json!({})),
        ("pods", bound, json!({})),
        ("pods", bound, json!({"gracePeriodSeconds": 5})),
        ("pods", bound, json!({"gracePeriodSeconds": 0})),
        ("pods", bound, json!({"preconditions": {"uid": "v"}})),
        ("pods", bound, json!({"preconditions": {"uid": "u", "resourceVersion": "7"}})),
        ("pods", ending, json!({})),
        ("pods", ending, json!({"gracePeriodSeconds": 60})),
        ("pods", ending, json!({"gracePeriodSeconds": 10})),
        ("pods", ending, json!({"gracePeriodSeconds": 0})),
        ("pods", "{spec: {nodeName: n}, status: {phase: Succeeded}}", json!({})),
    ];
    check_deletions(
        &cases,
        expect![[r#"
        pods {spec: {}} {}
          -> remove
        pods {metadata: {uid: u, generation: 1}, spec: {nodeName: n, terminationGracePeriodSeconds: 20}} {}
          -> mark at 2026-01-01T12:00:20Z grace 20 generation 2 finalizers [] phase ""
        pods {metadata: {uid: u, generation: 1}, spec: {nodeName: n, terminationGracePeriodSeconds: 20}} {"gracePeriodSeconds":5}
          -> mark at 2026-01-01T12:00:05Z grace 5 generation 2 finalizers [] phase ""
        pods {metadata: {uid: u, generation: 1}, spec: {nodeName: n, terminationGracePeriodSeconds: 20}} {"gracePeriodSeconds":0}
          -> remove
        pods {metadata: {uid: u, generation: 1}, spec: {nodeName: n, terminationGracePeriodSeconds: 20}} {"preconditions":{"uid":"v"}}
          -> Precondition failed: UID in precondition: v, UID in object meta: u
        pods {metadata: {uid: u, generation: 1}, spec: {nodeName: n, terminationGracePeriodSeconds: 20}} {"preconditions":{"resourceVersion":"7","uid":"u"}}
          -> Precondition failed: ResourceVersion in precondition: 7, ResourceVersion in object meta: 
        pods {metadata: {deletionTimestamp: '2026-01-01T12:00:30Z', deletionGracePeriodSeconds: 30, generation: 2}, spec: {nodeName: n, terminationGracePeriodSeconds: 30}} {}
          -> already
        pods {metadata: {deletionTimestamp: '2026-01-01T12:00:30Z', deletionGracePeriodSeconds: 30, generation: 2}, spec: {nodeName: n, terminationGracePeriodSeconds: 30}} {"gracePeriodSeconds":60}
          -> already
        pods {metadata: {deletionTimestamp: '2026-01-01T12:00:30Z', deletionGracePeriodSeconds: 30, generation: 2}, spec: {nodeName: n, terminationGracePeriodSeconds: 30}} {"gracePeriodSeconds":10}
          -> mark at 2026-01-01T12:00:10Z grace 10 generation 2 finalizers [] phase ""
        pods {metadata: {deletionTimestamp: '2026-01-01T12:00:30Z', deletionGracePeriodSeconds: 30, generation: 2}, spec: {nodeName: n, terminationGracePeriodSeconds: 30}} {"gracePeriodSeconds":0}
          -> remove
        pods {spec: {nodeName: n}, status: {phase: Succeeded}} {}
          -> remove
    "#]],
    );
}

#[test]
fn finalizers_hold() {
    let held = "{metadata: {deletionTimestamp: '2026-01-01T11:00:00Z', deletionGracePeriodSeconds: 0, finalizers: [a/b]}}";
    let cases = [
        ("configmaps", "{metadata: {name: c}}", json!({})),
        ("configmaps", "{metadata: {finalizers: [a/b]}}", json!({})),
        ("configmaps", held, json!({})),
        ("deployments.apps", "{metadata: {generation: 4}}", json!({"propagationPolicy": "Foreground"})),
        (
            "deployments.apps",
            "{metadata: {finalizers: [foregroundDeletion]}}",
            json!({"propagationPolicy": "Orphan"}),
        ),
        (
            "deployments.apps",
            "{metadata: {finalizers: [orphan]}}",
            json!({"propagationPolicy": "Background"}),
        ),
        (
            "namespaces",
            "{metadata: {name: n}, spec: {finalizers: [kubernetes]}, status: {phase: Active}}",
            json!({}),
        ),
        ("namespaces", "{metadata: {name: n}, spec: {}}", json!({})),
    ];
    check_deletions(
        &cases,
        expect![[r#"
        configmaps {metadata: {name: c}} {}
          -> remove
        configmaps {metadata: {finalizers: [a/b]}} {}
          -> mark at 2026-01-01T12:00:00Z grace 0 generation 0 finalizers ["a/b"] phase ""
        configmaps {metadata: {deletionTimestamp: '2026-01-01T11:00:00Z', deletionGracePeriodSeconds: 0, finalizers: [a/b]}} {}
          -> already
        deployments.apps {metadata: {generation: 4}} {"propagationPolicy":"Foreground"}
          -> mark at 2026-01-01T12:00:00Z grace 0 generation 5 finalizers ["foregroundDeletion"] phase ""
        deployments.apps {metadata: {finalizers: [foregroundDeletion]}} {"propagationPolicy":"Orphan"}
          -> mark at 2026-01-01T12:00:00Z grace 0 generation 0 finalizers ["orphan"] phase ""
        deployments.apps {metadata: {finalizers: [orphan]}} {"propagationPolicy":"Background"}
          -> remove
        namespaces {metadata: {name: n}, spec: {finalizers: [kubernetes]}, status: {phase: Active}} {}
          -> mark at 2026-01-01T12:00:00Z grace 0 generation 0 finalizers [] phase "Terminating"
        namespaces {metadata: {name: n}, spec: {}} {}
          -> remove
    "#]],
    );
}

fn check_service_update(new: &str, expected: Expect) {
    let old = yaml(
        "{metadata: {name: web}, spec: {type: NodePort, clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], externalTrafficPolicy: Cluster, ports: [{port: 80, protocol: TCP, nodePort: 30080}]}}",
    );
    let mut new = yaml(new);
    prepare_update(&mut new, &old, kind("services")).unwrap();
    expected.assert_eq(&new["spec"].to_string());
}

#[test]
fn services_keep_what_was_allocated() {
    check_service_update(
        "{metadata: {name: web}, spec: {type: NodePort, ports: [{port: 80, protocol: TCP}, {port: 81, protocol: TCP}]}}",
        expect![[
            r#"{"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1"],"ports":[{"nodePort":30080,"port":80,"protocol":"TCP"},{"port":81,"protocol":"TCP"}],"type":"NodePort"}"#
        ]],
    );
    check_service_update(
        "{metadata: {name: web}, spec: {type: ClusterIP, clusterIP: 10.0.0.1, externalTrafficPolicy: Cluster, ports: [{port: 80, protocol: TCP, nodePort: 30080}]}}",
        expect![[r#"{"clusterIP":"10.0.0.1","ports":[{"port":80,"protocol":"TCP"}],"type":"ClusterIP"}"#]],
    );
    check_service_update(
        "{metadata: {name: web}, spec: {type: ExternalName, clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], externalName: example.com}}",
        expect![[r#"{"externalName":"example.com","type":"ExternalName"}"#]],
    );
}

#[test]
fn services_lose_what_only_their_old_type_had() {
    let after = |old: &str, new: &str| {
        let with = |spec: &str| {
            yaml(&format!("{{metadata: {{name: web}}, spec: {{clusterIP: None, ports: [], {spec}}}}}"))
        };
        let (old, mut new) = (with(old), with(new));
        prepare_update(&mut new, &old, kind("services")).unwrap();
        new["spec"].as_object_mut().unwrap().retain(|key, _| key != "ports" && key != "clusterIP");
        format!("{}\n", new["spec"])
    };
    let balancer = "allocateLoadBalancerNodePorts: true, loadBalancerClass: a.io/b, externalTrafficPolicy: Local, healthCheckNodePort: 30001";
    let lines = [
        after(&format!("type: LoadBalancer, {balancer}"), &format!("type: NodePort, {balancer}")),
        after(&format!("type: LoadBalancer, {balancer}"), &format!("type: ClusterIP, {balancer}")),
        after(
            &format!("type: LoadBalancer, {balancer}"),
            &format!("type: LoadBalancer, {}", balancer.replace("Local", "Cluster")),
        ),
        after(
            "type: ClusterIP, externalIPs: [1.2.3.4], externalTrafficPolicy: Cluster",
            "type: ClusterIP, externalTrafficPolicy: Cluster",
        ),
        after(
            "type: NodePort, externalIPs: [1.2.3.4], externalTrafficPolicy: Cluster",
            "type: ClusterIP, externalIPs: [1.2.3.4], externalTrafficPolicy: Cluster",
        ),
    ];
    expect![[r#"
        {"externalTrafficPolicy":"Local","type":"NodePort"}
        {"type":"ClusterIP"}
        {"allocateLoadBalancerNodePorts":true,"externalTrafficPolicy":"Cluster","loadBalancerClass":"a.io/b","type":"LoadBalancer"}
        {"type":"ClusterIP"}
        {"externalIPs":["1.2.3.4"],"externalTrafficPolicy":"Cluster","type":"ClusterIP"}
    "#]]
    .assert_eq(&lines.concat());
}

#[test]
fn label_keys_join_the_selectors_of_a_new_pod() {
    let mut pod = yaml(
        "{metadata: {name: web, labels: {app: web, hash: '1'}}, spec: {
            topologySpreadConstraints: [{labelSelector: {matchLabels: {app: web}}, matchLabelKeys: [hash, none]}, {matchLabelKeys: [hash]}],
            affinity: {podAntiAffinity: {
                requiredDuringSchedulingIgnoredDuringExecution: [{labelSelector: {matchExpressions: [{key: a, operator: Exists}]}, mismatchLabelKeys: [hash]}],
                preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {labelSelector: {}, matchLabelKeys: [app]}}]}}}}",
    );
    prepare_create(&mut pod, kind("pods"), "x7k2p", &Uid::from("u-1"), now());
    let once = pod.clone();
    complete(&mut pod, kind("pods"), &Uid::from("u-1"));
    assert_eq!(pod, once, "doing it again changes nothing");
    check(
        &pod["spec"],
        expect![[r#"
        affinity:
          podAntiAffinity:
            preferredDuringSchedulingIgnoredDuringExecution:
            - podAffinityTerm:
                labelSelector:
                  matchExpressions:
                  - key: app
                    operator: In
                    values:
                    - web
                matchLabelKeys:
                - app
              weight: 1
            requiredDuringSchedulingIgnoredDuringExecution:
            - labelSelector:
                matchExpressions:
                - key: a
                  operator: Exists
                - key: hash
                  operator: NotIn
                  values:
                  - '1'
              mismatchLabelKeys:
              - hash
        topologySpreadConstraints:
        - labelSelector:
            matchExpressions:
            - key: hash
              operator: In
              values:
              - '1'
            matchLabels:
              app: web
          matchLabelKeys:
          - hash
          - none
        - matchLabelKeys:
          - hash
    "#]],
    );
}

#[test]
fn a_daemon_set_counts_its_templates() {
    let kind = kind("daemonsets.apps");
    let counted = |object: &Value| object["metadata"]["annotations"][TEMPLATE_GENERATION].clone();
    let mut first = json!({"metadata": {"name": "d", "annotations": {"a": "b"}}, "spec": {"template": {"spec": {"hostPID": true}}}});
    prepare_create(&mut first, kind, "", &Uid::from("u"), Timestamp(0));
    assert_eq!(counted(&first), "1");
    let mut relabelled = first.clone();
    relabelled["metadata"] = json!({"name": "d"});
    prepare_update(&mut relabelled, &first, kind).unwrap();
    assert_eq!(counted(&relabelled), "1");
    let mut changed = relabelled.clone();
    changed["spec"]["template"]["spec"]["hostPID"] = json!(false);
    prepare_update(&mut changed, &relabelled, kind).unwrap();
    assert_eq!(counted(&changed), "2");
}
