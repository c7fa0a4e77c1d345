//! The language of the tables: one object per line, `node n1 cpu=2 zone=a` or `pod web-1 owner=web cpu=500m on=n1`.

use std::fmt::Write as _;
use std::sync::Arc;

use api::views::{Node, PersistentVolume, PersistentVolumeClaim, Pod, PodDisruptionBudget, StorageClass};
use api::{Object, ObjectKey, Resource, Revision, Timestamp};
use serde_json::{Value, json};

use crate::brain::Brain;
use crate::decide::Outcome;

/// Checks what is decided about a cluster.
pub fn check(cluster: &str, expect: &expect_test::Expect) {
    let mut brain = brain(cluster);
    expect.assert_eq(&shown(&brain.decide(1000), false));
}

/// Checks it with the reasons.
pub fn check_reasons(cluster: &str, expect: &expect_test::Expect) {
    let mut brain = brain(cluster);
    expect.assert_eq(&shown(&brain.decide(1000), true));
}

/// A brain that has seen the cluster.
pub fn brain(cluster: &str) -> Brain {
    let mut brain = Brain::default();
    for (revision, line) in (1..).zip(cluster.lines().map(str::trim).filter(|line| !line.is_empty())) {
        apply(&mut brain, line, revision);
    }
    brain
}

/// Shows one more line to a brain.
pub fn apply(brain: &mut Brain, line: &str, revision: u64) {
    let (kind, rest) = line.split_once(' ').expect("a line is a kind and a name");
    match kind {
        "node" => brain.node(&node(rest, revision)),
        "pod" => brain.pod(&pod(rest, revision)),
        "claim" | "volume" | "class" => storage(brain, kind, rest, revision),
        "budget" => brain.budget(Arc::new(budget(rest, revision))),
        "gone" => brain.pod_gone(&rest.into()),
        other => panic!("unknown kind {other}"),
    }
}

/// `claim data class=local [volume=v] [selected=n1] [mode=ReadWriteOncePod]`, `volume v on=n1 class=local [claim=data]`,
/// `class local waits [by=provisioner]`.
fn storage(brain: &mut Brain, kind: &str, line: &str, revision: u64) {
    let (name, fields) = words(line);
    let field = |key: &str| fields.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str());
    let class = field("class").unwrap_or_default();
    let modes = [field("mode").unwrap_or("ReadWriteOnce")];
    let undone = match kind {
        "claim" => {
            let mut annotations = json!({});
            if let Some(node) = field("selected") {
                annotations["volume.kubernetes.io/selected-node"] = json!(node);
            }
            if field("volume").is_some() {
                annotations["pv.kubernetes.io/bind-completed"] = json!("yes");
            }
            let metadata =
                json!({"name": name, "namespace": "default", "uid": name, "annotations": annotations});
            let spec = json!({
                "storageClassName": class, "accessModes": modes, "volumeName": field("volume").unwrap_or_default(),
                "resources": {"requests": {"storage": "1Gi"}},
            });
            brain.claim(Arc::new(object(
                ObjectKey::namespaced(PersistentVolumeClaim::ID, "default", &name),
                metadata,
                json!({"spec": spec, "status": {"phase": "Pending"}}),
                revision,
            )))
        }
        "volume" => {
            let mut spec =
                json!({"storageClassName": class, "accessModes": modes, "capacity": {"storage": "1Gi"}});
            if let Some(node) = field("on") {
                spec["nodeAffinity"] = json!({"required": {"nodeSelectorTerms": [
                    {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
                ]}});
            }
            if let Some(claim) = field("claim") {
                spec["claimRef"] = json!({"namespace": "default", "name": claim, "uid": claim});
            }
            let metadata = json!({"name": name, "uid": name});
            brain.volume(Arc::new(object(
                ObjectKey::cluster(PersistentVolume::ID, &name),
                metadata,
                json!({"spec": spec, "status": {"phase": "Available"}}),
                revision,
            )))
        }
        _ => {
            let mode = if field("waits").is_some() { "WaitForFirstConsumer" } else { "Immediate" };
            let body =
                json!({"provisioner": field("by").unwrap_or("local.odeon.dev"), "volumeBindingMode": mode});
            brain.class(Arc::new(object(
                ObjectKey::cluster(StorageClass::ID, &name),
                json!({"name": name, "uid": name}),
                body,
                revision,
            )));
            Vec::new()
        }
    };
    for pod in undone {
        let again = self::pod(&format!("{} claim={}", pod.key.name, pod.class.claims[0].0), revision);
        brain.failed(&pod.uid, Some(&again));
    }
}

/// Decisions as text.
pub fn shown(outcomes: &[Outcome], reasons: bool) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        match outcome {
            Outcome::Bind { pod, node, because } => {
                write!(text, "{} -> {node}", pod.key.name).unwrap();
                if reasons {
                    write!(text, ": {because}").unwrap();
                }
            }
            Outcome::Choose { pod, node, claims } => {
                let claims: Vec<&str> = claims.iter().map(|claim| &*claim.name).collect();
                write!(text, "{} waits for {} on {node}", pod.key.name, claims.join(" ")).unwrap();
            }
            Outcome::Preempt { pod, node, victims, verdict } => {
                let waits = crate::binding::who_goes(victims, node);
                write!(text, "{} waits: {} {waits}", pod.key.name, verdict.message).unwrap();
            }
            Outcome::Unplaced { pod, verdict } => {
                write!(text, "{} waits: {}", pod.key.name, verdict.message).unwrap();
                if reasons {
                    write!(text, " ({})", verdict.because).unwrap();
                }
            }
        }
        text.push('\n');
    }
    text
}

fn words(line: &str) -> (String, Vec<(String, String)>) {
    let mut words = line.split_whitespace();
    let name = words.next().expect("an object has a name").to_owned();
    let fields = words.map(|word| match word.split_once('=') {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => (word.to_owned(), String::new()),
    });
    (name, fields.collect())
}

/// `budget web allows=1`: of the pods with `app=web`.
fn budget(line: &str, revision: u64) -> Object<PodDisruptionBudget> {
    let (name, fields) = words(line);
    let allowed: i64 = fields[0].1.parse().unwrap();
    let body = json!({"spec": {"selector": {"matchLabels": {"app": name}}}, "status": {"disruptionsAllowed": allowed}});
    let key = ObjectKey::namespaced(PodDisruptionBudget::ID, "default", &name);
    object(key, json!({"name": name, "uid": name}), body, revision)
}

fn node(line: &str, revision: u64) -> Object<Node> {
    let (name, fields) = words(line);
    let mut labels = json!({"kubernetes.io/hostname": name});
    let mut allocatable = json!({"cpu": "4", "memory": "8Gi"});
    let (mut spec, mut ready) = (json!({"taints": []}), "True");
    for (key, value) in fields {
        match key.as_str() {
            "cpu" | "memory" | "pods" | "gpu" => allocatable[key] = json!(value),
            "zone" => labels["topology.kubernetes.io/zone"] = json!(value),
            "label" => {
                let (key, value) = value.split_once(':').unwrap();
                labels[key] = json!(value);
            }
            "taint" => {
                let (taint, effect) = value.rsplit_once(':').unwrap();
                let (key, value) = taint.split_once(':').unwrap_or((taint, ""));
                spec["taints"]
                    .as_array_mut()
                    .unwrap()
                    .push(json!({"key": key, "value": value, "effect": effect}));
            }
            "cordoned" => spec["unschedulable"] = json!(true),
            "unready" => ready = "False",
            other => panic!("unknown field {other}"),
        }
    }
    let status = json!({"allocatable": allocatable, "conditions": [{"type": "Ready", "status": ready}]});
    let key = ObjectKey::cluster(Node::ID, &name);
    object(
        key,
        json!({"name": name, "labels": labels, "uid": name}),
        json!({"spec": spec, "status": status}),
        revision,
    )
}

fn pod(line: &str, revision: u64) -> Object<Pod> {
    let (name, fields) = words(line);
    let (mut requests, mut ports) = (json!({}), json!([]));
    let mut metadata = json!({"name": name, "namespace": "default", "uid": name, "labels": {}});
    let (mut spec, mut status) = (json!({"tolerations": []}), json!({"phase": "Pending"}));
    for (key, value) in fields {
        match key.as_str() {
            "cpu" | "memory" | "gpu" => requests[key] = json!(value),
            "owner" => {
                metadata["ownerReferences"] =
                    json!([{"kind": "ReplicaSet", "name": value, "uid": value, "controller": true}]);
                metadata["labels"]["app"] = json!(value);
            }
            "claim" => {
                spec["volumes"] = json!([{"name": "data", "persistentVolumeClaim": {"claimName": value}}])
            }
            "app" => metadata["labels"]["app"] = json!(value),
            "on" => spec["nodeName"] = json!(value),
            "priority" => spec["priority"] = json!(value.parse::<i32>().unwrap()),
            "port" => ports = json!([{"containerPort": 80, "hostPort": value.parse::<u16>().unwrap()}]),
            "tolerates" => {
                spec["tolerations"].as_array_mut().unwrap().push(json!({"key": value, "operator": "Exists"}))
            }
            "selects" => {
                let (key, value) = value.split_once(':').unwrap();
                spec["nodeSelector"] = json!({ key: value });
            }
            "wants" => {
                let (key, value) = value.split_once(':').unwrap();
                let term = json!({"matchExpressions": [{"key": key, "operator": "In", "values": [value]}]});
                spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] =
                    json!({"nodeSelectorTerms": [term]});
            }
            "prefers" => {
                let (key, value) = value.split_once(':').unwrap();
                let term = json!({"matchExpressions": [{"key": key, "operator": "In", "values": [value]}]});
                spec["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"] =
                    json!([{"weight": 100, "preference": term}]);
            }
            "apart" | "near" => {
                let kind = if key == "apart" { "podAntiAffinity" } else { "podAffinity" };
                let term = json!({"labelSelector": {"matchLabels": {"app": value}}, "topologyKey": "kubernetes.io/hostname"});
                spec["affinity"][kind]["requiredDuringSchedulingIgnoredDuringExecution"] = json!([term]);
            }
            "spread" => {
                let app = metadata["labels"]["app"].clone();
                spec["topologySpreadConstraints"] = json!([{
                    "maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": value,
                    "labelSelector": {"matchLabels": {"app": app}},
                }]);
            }
            "phase" => status["phase"] = json!(value),
            "never" => spec["preemptionPolicy"] = json!("Never"),
            "leaving" => metadata["deletionTimestamp"] = json!("2020-01-01T00:00:00Z"),
            "nominated" => status["nominatedNodeName"] = json!(value),
            "born" => {
                metadata["creationTimestamp"] = json!(Timestamp(value.parse::<i64>().unwrap() * 1_000_000))
            }
            "gated" => spec["schedulingGates"] = json!([{"name": "wait"}]),
            "told" => {
                let message = value.replace('_', " ");
                status["conditions"] =
                    json!([{"type": "PodScheduled", "status": "False", "message": message}]);
            }
            other => panic!("unknown field {other}"),
        }
    }
    spec["containers"] =
        json!([{"name": "main", "image": "i", "resources": {"requests": requests}, "ports": ports}]);
    let key = ObjectKey::namespaced(Pod::ID, "default", &name);
    object(key, metadata, json!({"spec": spec, "status": status}), revision)
}

fn object<K: Resource>(key: ObjectKey, metadata: Value, body: Value, revision: u64) -> Object<K> {
    let metadata: api::Metadata = serde_json::from_value(metadata).unwrap();
    let body = serde_json::from_value(body).unwrap();
    Object { key, revision: Revision(revision), metadata: Arc::new(metadata), body }
}
