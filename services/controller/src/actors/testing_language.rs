//! The language of test clusters: `<kind> <name> <key>=<value>… <flag>… <JSON to merge>`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::testing::{NOW, merge_patch};

/// A line's words: `key=value` pairs, and flags as keys without a value.
struct Words<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Words<'a> {
    fn get(&self, key: &str) -> Option<&'a str> {
        self.0.get(key).copied()
    }

    fn has(&self, flag: &str) -> bool {
        self.0.contains_key(flag)
    }

    fn number(&self, key: &str, default: i64) -> i64 {
        self.get(key).map_or(default, |text| text.parse().unwrap())
    }

    /// A time so many seconds ago.
    fn ago(&self, key: &str, default: u64) -> Value {
        let seconds = self.get(key).map_or(default, |text| text.parse().unwrap());
        let micros = i64::try_from(Duration::from_secs(seconds).as_micros()).unwrap();
        json!(api::Timestamp(NOW.0 - micros))
    }

    /// `a:b,c:d`.
    fn map(&self, key: &str, default: Value) -> Value {
        let Some(text) = self.get(key) else { return default };
        let pairs = text.split(',').filter(|pair| !pair.is_empty()).filter_map(|pair| pair.split_once(':'));
        Value::Object(pairs.map(|(key, value)| (key.to_owned(), json!(value))).collect())
    }
}

pub(super) fn object(line: &str) -> Value {
    let (line, raw) = match line.find('{') {
        Some(at) => {
            (&line[..at], serde_json::from_str(&line[at..]).unwrap_or_else(|error| panic!("{line}: {error}")))
        }
        None => (line, json!({})),
    };
    let mut words = line.split_whitespace();
    let (kind, name) = (words.next().unwrap(), words.next().unwrap());
    let words = Words(words.map(|word| word.split_once('=').unwrap_or((word, ""))).collect());
    let (api_version, kind, mut object) = match kind {
        "deployment" => ("apps/v1", "Deployment", deployment(&words)),
        "replicaset" => ("apps/v1", "ReplicaSet", replica_set(name, &words)),
        "pod" => ("v1", "Pod", pod(&words)),
        "service" => ("v1", "Service", service(&words)),
        "endpointslice" => ("discovery.k8s.io/v1", "EndpointSlice", json!({})),
        "endpoints" => ("v1", "Endpoints", json!({})),
        "namespace" => ("v1", "Namespace", json!({"spec": {"finalizers": ["kubernetes"]}})),
        "node" => ("v1", "Node", json!({})),
        "configmap" => ("v1", "ConfigMap", json!({})),
        "poddisruptionbudget" => ("policy/v1", "PodDisruptionBudget", json!({})),
        "clusterrole" => ("rbac.authorization.k8s.io/v1", "ClusterRole", json!({})),
        "certificatesigningrequest" => ("certificates.k8s.io/v1", "CertificateSigningRequest", json!({})),
        "serviceaccount" => ("v1", "ServiceAccount", json!({})),
        "resourcequota" => ("v1", "ResourceQuota", json!({})),
        "customresourcedefinition" => ("apiextensions.k8s.io/v1", "CustomResourceDefinition", json!({})),
        "widget" => ("example.com/v1", "Widget", json!({})),
        other => panic!("{other} is not in the language"),
    };
    object["apiVersion"] = json!(api_version);
    object["kind"] = json!(kind);
    let labelled = matches!(kind, "Deployment" | "ReplicaSet" | "Pod");
    object["metadata"] =
        metadata(kind, name, &words, if labelled { json!({"app": "web"}) } else { json!({}) });
    merge_patch(&mut object, &raw);
    object
}

fn metadata(kind: &str, name: &str, words: &Words<'_>, labels: Value) -> Value {
    let mut metadata = json!({
        "name": name,
        "uid": format!("uid-{}-{name}", kind.to_lowercase()),
        "generation": words.number("generation", 1),
        "creationTimestamp": words.ago("created", 3600),
        "labels": words.map("labels", labels),
        "annotations": words.map("annotations", json!({})),
    });
    if !matches!(
        kind,
        "Namespace" | "Node" | "ClusterRole" | "CustomResourceDefinition" | "CertificateSigningRequest"
    ) {
        metadata["namespace"] = json!(words.get("in").unwrap_or("default"));
    }
    if let Some(finalizers) = words.get("finalizers") {
        metadata["finalizers"] = finalizers.split(',').collect();
    }
    if words.has("deleted") {
        metadata["deletionTimestamp"] = words.ago("-", 1);
        metadata["deletionGracePeriodSeconds"] =
            json!(words.get("deleted").and_then(|grace| grace.parse::<i64>().ok()).unwrap_or(0));
    }
    let owner = |(key, controls): (&str, bool)| {
        let (kind, name) = words.get(key)?.split_once('/')?;
        let api_version = if matches!(kind, "deployment" | "replicaset") { "apps/v1" } else { "v1" };
        let kinds = [
            ("deployment", "Deployment"),
            ("replicaset", "ReplicaSet"),
            ("service", "Service"),
            ("configmap", "ConfigMap"),
            ("node", "Node"),
        ];
        let proper = kinds.iter().find(|(lower, _)| *lower == kind).map(|(_, proper)| *proper).unwrap();
        let mut reference = json!({"apiVersion": api_version, "kind": proper, "name": name, "uid": format!("uid-{kind}-{name}")});
        if controls {
            reference["controller"] = json!(true);
            reference["blockOwnerDeletion"] = json!(true);
        }
        Some(reference)
    };
    let owners: Vec<Value> = [("owner", true), ("co-owner", false)].into_iter().filter_map(owner).collect();
    if !owners.is_empty() {
        metadata["ownerReferences"] = Value::Array(owners);
    }
    metadata
}

/// The template of an image, with the label that tells it from others if there is one.
pub(super) fn template(image: &str, hash: Option<&str>) -> Value {
    let mut labels = json!({"app": "web"});
    if let Some(hash) = hash {
        labels["pod-template-hash"] = json!(hash);
    }
    json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": image}]}})
}

fn deployment(words: &Words<'_>) -> Value {
    let limit = |key: &str, default: &str| match words.get(key).unwrap_or(default) {
        text if text.ends_with('%') => json!(text),
        text => json!(text.parse::<i64>().unwrap()),
    };
    let limits = json!({"maxSurge": limit("surge", "1"), "maxUnavailable": limit("unavailable", "0")});
    let strategy = match words.has("recreate") {
        true => json!({"type": "Recreate"}),
        false => json!({"type": "RollingUpdate", "rollingUpdate": limits}),
    };
    json!({"spec": {
        "replicas": words.number("replicas", 3),
        "selector": {"matchLabels": {"app": "web"}},
        "template": template(words.get("image").unwrap_or("v1"), None),
        "strategy": strategy,
        "paused": words.has("paused"),
        "minReadySeconds": words.number("settle", 0),
        "revisionHistoryLimit": words.number("history", 10),
        "progressDeadlineSeconds": words.number("deadline", 600),
    }})
}

/// `counts=3/2/2` are its replicas, ready and available ones.
fn replica_set(name: &str, words: &Words<'_>) -> Value {
    let hash = words.has("image").then(|| name.rsplit('-').next().unwrap());
    let mut selector = json!({"app": "web"});
    if let Some(hash) = hash {
        selector["pod-template-hash"] = json!(hash);
    }
    let counts: Vec<i64> =
        words.get("counts").unwrap_or("0/0/0").split('/').map(|count| count.parse().unwrap()).collect();
    json!({
        "spec": {
            "replicas": words.number("replicas", 3),
            "minReadySeconds": words.number("settle", 0),
            "selector": {"matchLabels": selector},
            "template": template(words.get("image").unwrap_or("v1"), hash),
        },
        "status": {
            "observedGeneration": words.number("observed", words.number("generation", 1)),
            "replicas": counts[0], "readyReplicas": counts[1], "availableReplicas": counts[2],
        },
    })
}

/// `pending` (as if nothing is said), `running`, `ready` (`ready=60`: since a minute), `failed`, `succeeded`.
fn pod(words: &Words<'_>) -> Value {
    let phase = match () {
        () if words.has("failed") => "Failed",
        () if words.has("succeeded") => "Succeeded",
        () if words.has("running") || words.has("ready") => "Running",
        () => "Pending",
    };
    let mut pod = json!({"spec": {"containers": [{"name": "web"}]}, "status": {"phase": phase}});
    if words.has("ready") {
        let since = words.get("ready").and_then(|seconds| seconds.parse::<u64>().ok()).unwrap_or(600);
        let since = words.ago("-", since);
        pod["status"]["conditions"] =
            json!([{"type": "Ready", "status": "True", "lastTransitionTime": since}]);
    }
    if let Some(node) = words.get("node") {
        pod["spec"]["nodeName"] = json!(node);
    }
    if let Some(ip) = words.get("ip") {
        pod["status"]["podIP"] = json!(ip);
    }
    if let Some(restarts) = words.get("restarts") {
        pod["status"]["containerStatuses"] =
            json!([{"name": "web", "restartCount": restarts.parse::<i64>().unwrap()}]);
    }
    pod
}

/// `port=80:8080` or `port=80:http`; `port=` has none.
fn service(words: &Words<'_>) -> Value {
    let (port, target) = words.get("port").unwrap_or("80:8080").split_once(':').unwrap_or(("80", "80"));
    let target = target.parse::<u16>().map_or_else(|_| json!(target), |number| json!(number));
    json!({"spec": {
        "type": words.get("type").unwrap_or("ClusterIP"),
        "clusterIP": words.get("ip").unwrap_or("10.96.0.7"),
        "selector": words.map("selector", json!({"app": "web"})),
        "ports": [{"name": "web", "protocol": "TCP", "port": port.parse::<u16>().unwrap(), "targetPort": target}],
    }})
}
