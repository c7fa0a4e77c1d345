//! The words of single kinds.
//!
//! * workloads: `replicas=3 image=a paused completions=5 parallelism=2 backoff=6 minready=10 surge=1 unavailable=25% strategy=Recreate`
//!   `schedule="*/5 * * * *" suspend selector k=v observed=2`; selectors and template labels are `app=<name>` unless they say
//! * pods: `pending running succeeded failed ready[=30s] notready[=30s] node=n1 ip=10.0.0.1 image=a cpu=1 memory=1Gi port=[name:]80`
//!   `restarts=2 priority=10 grace=30s selector k=v toleration key[=value][:effect][@30s] reason=Evicted`
//! * nodes: `ready notready unknown cordoned cpu=2 memory=4Gi pods=110 ip=10.0.0.1 taint key[=value]:effect`
//! * volumes and claims: `size=1Gi class=fast mode=ReadWriteMany phase=Bound volume=v claim=name[/uid] policy=Delete near=n1`
//! * pods also: `mounts=claim`; storage classes: `by=provisioner waits default`
//! * services: `selector k=v port=[name:]80[:8080] type=NodePort ip=10.96.0.1 headless`

use std::time::Duration;

use api::Timestamp;
use serde_json::{Value, json};

use super::syntax::{Word, duration, pairs};
use super::{AGE, Draft, NOW, ago};

/// What an object of the kind has before any word is read.
pub(super) fn defaults(draft: &mut Draft) {
    match draft.kind.singular {
        "pod" => draft.merge(&json!({
            "spec": { "containers": [{ "name": "app", "image": "image" }], "restartPolicy": "Always" },
            "status": { "phase": "Pending" },
        })),
        "node" => draft.merge(&json!({ "spec": {}, "status": { "capacity": {}, "allocatable": {} } })),
        "namespace" => draft.merge(&json!({
            "spec": { "finalizers": ["kubernetes"] },
            "status": { "phase": "Active" },
        })),
        "service" => draft.merge(&json!({ "spec": { "type": "ClusterIP", "clusterIP": "10.96.0.10" }, "status": {} })),
        "deployment" | "replicaset" | "statefulset" | "daemonset" | "job" => workload(draft),
        "cronjob" => draft.merge(&json!({
            "spec": { "schedule": "* * * * *", "jobTemplate": { "spec": { "template": template("Never", &json!({})) } } },
            "status": {},
        })),
        "persistentvolume" => draft.merge(&json!({
            "metadata": { "finalizers": ["kubernetes.io/pv-protection"] },
            "spec": { "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"], "persistentVolumeReclaimPolicy": "Retain" },
            "status": { "phase": "Available" },
        })),
        "persistentvolumeclaim" => draft.merge(&json!({
            "metadata": { "finalizers": ["kubernetes.io/pvc-protection"] },
            "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } }, "storageClassName": "" },
            "status": { "phase": "Pending" },
        })),
        "storageclass" => draft.merge(&json!({
            "provisioner": "local.odeon.dev", "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate",
        })),
        _ => {}
    }
    inherit_template(draft);
}

fn workload(draft: &mut Draft) {
    let labels = match draft.kind.singular {
        "job" => json!({ "job-name": &*draft.key.name }),
        _ => json!({ "app": &*draft.key.name }),
    };
    let restart_policy = if draft.kind.singular == "job" { "Never" } else { "Always" };
    draft.merge(&json!({
        "spec": { "selector": { "matchLabels": labels }, "template": template(restart_policy, &labels) },
        "status": {},
    }));
    match draft.kind.singular {
        "job" => draft.merge(&json!({ "spec": { "completions": 1, "parallelism": 1, "backoffLimit": 6 } })),
        "daemonset" => {}
        _ => draft.set("spec.replicas", 1),
    }
    match draft.kind.singular {
        "deployment" => draft.merge(&json!({ "spec": {
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
            "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxSurge": "25%", "maxUnavailable": "25%" } },
        } })),
        "statefulset" => draft.set("spec.serviceName", &*draft.key.name.clone()),
        _ => {}
    }
}

fn template(restart_policy: &str, labels: &Value) -> Value {
    json!({
        "metadata": { "labels": labels },
        "spec": { "containers": [{ "name": "app", "image": "image" }], "restartPolicy": restart_policy },
    })
}

/// A replica set of a deployment runs the deployment's template, with the hash that its name ends with.
fn inherit_template(draft: &mut Draft) {
    let Some(template) = draft.owner.as_ref().and_then(|owner| owner.pointer("/spec/template")).cloned()
    else {
        return;
    };
    match draft.kind.singular {
        "replicaset" => {
            let hash = draft.key.name.rsplit('-').next().unwrap_or_default().to_owned();
            let labels = template.pointer("/metadata/labels").cloned().unwrap_or_default();
            draft.set("spec.template", template);
            draft.set("spec.selector.matchLabels", labels);
            draft.set("spec.template.metadata.labels.pod-template-hash", hash.as_str());
            draft.set("spec.selector.matchLabels.pod-template-hash", hash.as_str());
            let labels = draft.get("/spec/template/metadata/labels").cloned().unwrap_or_default();
            draft.set("metadata.labels", labels);
        }
        "pod" => {
            let spec = template.get("spec").cloned().unwrap_or_default();
            draft.merge(&json!({ "spec": spec }));
        }
        _ => {}
    }
}

/// Words of the draft's kind. False if it is not one.
pub(super) fn of_kind(
    draft: &mut Draft,
    word: &Word,
    argument: &mut impl FnMut() -> Result<String, String>,
) -> Result<bool, String> {
    match draft.kind.singular {
        "pod" => pod(draft, word, argument),
        "node" => node(draft, word, argument),
        "service" => service(draft, word, argument),
        "namespace" => Ok(word.key == "active"),
        "persistentvolume" | "persistentvolumeclaim" | "storageclass" => Ok(storage(draft, word)),
        "deployment" | "replicaset" | "statefulset" | "daemonset" | "job" | "cronjob" => {
            workload_word(draft, word, argument)
        }
        _ => Ok(false),
    }
}

fn storage(draft: &mut Draft, word: &Word) -> bool {
    let is_volume = draft.kind.singular == "persistentvolume";
    match (word.key.as_str(), word.value.as_deref()) {
        ("size", Some(size)) if is_volume => draft.set("spec.capacity.storage", size),
        ("size", Some(size)) => draft.set("spec.resources.requests.storage", size),
        ("class", Some(class)) => draft.set("spec.storageClassName", class),
        ("mode", Some(mode)) => draft.set("spec.accessModes.0", mode),
        ("phase", Some(phase)) => draft.set("status.phase", phase),
        ("volume", Some(volume)) => draft.set("spec.volumeName", volume),
        ("policy", Some(policy)) => draft.set("spec.persistentVolumeReclaimPolicy", policy),
        ("near", Some(host)) => {
            draft.merge(&json!({ "spec": { "nodeAffinity": { "required": { "nodeSelectorTerms": [
            { "matchExpressions": [{ "key": "kubernetes.io/hostname", "operator": "In", "values": [host] }] }
        ] } } } }))
        }
        ("claim", Some(claim)) => {
            let (name, uid) = claim.split_once('/').unwrap_or((claim, ""));
            draft.merge(&json!({ "spec": { "claimRef": { "namespace": "default", "name": name } } }));
            if !uid.is_empty() {
                draft.set("spec.claimRef.uid", uid);
            }
        }
        ("by", Some(provisioner)) => draft.set("provisioner", provisioner),
        ("waits", None) => draft.set("volumeBindingMode", "WaitForFirstConsumer"),
        ("default", None) => draft.merge(&json!({
            "metadata": { "annotations": { "storageclass.kubernetes.io/is-default-class": "true" } },
        })),
        _ => return false,
    }
    true
}

fn workload_word(
    draft: &mut Draft,
    word: &Word,
    argument: &mut impl FnMut() -> Result<String, String>,
) -> Result<bool, String> {
    let path = match (word.key.as_str(), word.value.is_some()) {
        ("replicas", true) => "spec.replicas",
        ("completions", true) => "spec.completions",
        ("parallelism", true) => "spec.parallelism",
        ("backoff", true) => "spec.backoffLimit",
        ("minready", true) => "spec.minReadySeconds",
        ("surge", true) => "spec.strategy.rollingUpdate.maxSurge",
        ("unavailable", true) => "spec.strategy.rollingUpdate.maxUnavailable",
        ("history", true) => "spec.revisionHistoryLimit",
        ("observed", true) => "status.observedGeneration",
        ("schedule", true) => "spec.schedule",
        ("image", true) if draft.kind.singular == "cronjob" => {
            "spec.jobTemplate.spec.template.spec.containers.0.image"
        }
        ("image", true) => "spec.template.spec.containers.0.image",
        ("strategy", true) => {
            draft.set("spec.strategy", json!({ "type": word.text()? }));
            return Ok(true);
        }
        ("paused", false) => {
            draft.set("spec.paused", true);
            return Ok(true);
        }
        ("suspend", false) => {
            draft.set("spec.suspend", true);
            return Ok(true);
        }
        ("selector", false) => {
            for (key, value) in pairs(&argument()?)? {
                draft.merge(&json!({ "spec": {
                    "selector": { "matchLabels": { key.clone(): value.clone() } },
                    "template": { "metadata": { "labels": { key: value } } },
                } }));
            }
            return Ok(true);
        }
        _ => return Ok(false),
    };
    // An image is a text even where it looks like a number.
    let value = if word.key == "image" { json!(word.text()?) } else { word.json() };
    draft.set(path, value);
    Ok(true)
}

fn pod(
    draft: &mut Draft,
    word: &Word,
    argument: &mut impl FnMut() -> Result<String, String>,
) -> Result<bool, String> {
    match (word.key.as_str(), word.value.as_deref()) {
        ("pending", None) => draft.set("status.phase", "Pending"),
        ("running", None) => draft.set("status.phase", "Running"),
        ("succeeded", None) => draft.set("status.phase", "Succeeded"),
        ("failed", None) => draft.set("status.phase", "Failed"),
        ("ready", since) => readiness(draft, "True", since)?,
        ("notready", since) => readiness(draft, "False", since)?,
        ("node", Some(node)) => {
            draft.set("spec.nodeName", node);
            condition(draft, "PodScheduled", "True", AGE);
        }
        ("ip", Some(ip)) => draft.merge(&json!({ "status": { "podIP": ip, "podIPs": [{ "ip": ip }] } })),
        ("image", Some(image)) => draft.set("spec.containers.0.image", image),
        ("cpu" | "memory", Some(amount)) => {
            draft.set(&format!("spec.containers.0.resources.requests.{}", word.key), amount);
        }
        ("port", Some(port)) => {
            let (name, number) = port.split_once(':').unwrap_or(("", port));
            let number: u16 = number.parse().map_err(|_| format!("`{port}` is not a port"))?;
            let mut port = json!({ "containerPort": number, "protocol": "TCP" });
            if !name.is_empty() {
                json_patch::merge(&mut port, &json!({ "name": name }));
            }
            draft.push("spec.containers.0.ports", port);
        }
        ("mounts", Some(claim)) => draft
            .push("spec.volumes", json!({ "name": claim, "persistentVolumeClaim": { "claimName": claim } })),
        ("restarts", Some(_)) => draft.set("status.containerStatuses.0.restartCount", word.json()),
        ("priority", Some(_)) => draft.set("spec.priority", word.json()),
        ("reason", Some(reason)) => draft.set("status.reason", reason),
        ("grace", Some(grace)) => draft.set("spec.terminationGracePeriodSeconds", duration(grace)?.as_secs()),
        ("selector", None) => {
            for (key, value) in pairs(&argument()?)? {
                draft.merge(&json!({ "spec": { "nodeSelector": { key: value } } }));
            }
        }
        ("toleration", None) => draft.push("spec.tolerations", toleration(&argument()?)?),
        _ => return Ok(false),
    }
    Ok(true)
}

fn readiness(draft: &mut Draft, status: &str, since: Option<&str>) -> Result<(), String> {
    let since = since.map_or(Ok(AGE), duration)?;
    draft.set("status.phase", "Running");
    for kind in ["Initialized", "PodScheduled"] {
        condition(draft, kind, "True", AGE);
    }
    for kind in ["ContainersReady", "Ready"] {
        condition(draft, kind, status, since);
    }
    draft.set("status.containerStatuses.0.name", "app");
    draft.set("status.containerStatuses.0.ready", status == "True");
    Ok(())
}

/// `key[=value][:effect][@seconds]`.
fn toleration(text: &str) -> Result<Value, String> {
    let (text, seconds) = text.split_once('@').map_or((text, None), |(text, seconds)| (text, Some(seconds)));
    let (text, effect) = text.split_once(':').unwrap_or((text, ""));
    let mut toleration = match text.split_once('=') {
        Some((key, value)) => json!({ "key": key, "operator": "Equal", "value": value }),
        None => json!({ "key": text, "operator": "Exists" }),
    };
    if !effect.is_empty() {
        json_patch::merge(&mut toleration, &json!({ "effect": effect }));
    }
    if let Some(seconds) = seconds {
        json_patch::merge(&mut toleration, &json!({ "tolerationSeconds": duration(seconds)?.as_secs() }));
    }
    Ok(toleration)
}

fn node(
    draft: &mut Draft,
    word: &Word,
    argument: &mut impl FnMut() -> Result<String, String>,
) -> Result<bool, String> {
    match (word.key.as_str(), word.value.as_deref()) {
        ("ready", None) => condition(draft, "Ready", "True", AGE),
        ("notready", None) => condition(draft, "Ready", "False", AGE),
        ("unknown", None) => condition(draft, "Ready", "Unknown", AGE),
        ("cordoned", None) => draft.set("spec.unschedulable", true),
        ("cpu" | "memory" | "pods", Some(amount)) => {
            draft.set(&format!("status.capacity.{}", word.key), amount);
            draft.set(&format!("status.allocatable.{}", word.key), amount);
        }
        ("ip", Some(ip)) => draft.push("status.addresses", json!({ "type": "InternalIP", "address": ip })),
        ("taint", None) => {
            let text = argument()?;
            let (taint, effect) =
                text.split_once(':').ok_or_else(|| format!("`{text}` is not `key[=value]:effect`"))?;
            let (key, value) = taint.split_once('=').unwrap_or((taint, ""));
            draft.push(
                "spec.taints",
                match value {
                    "" => json!({ "key": key, "effect": effect }),
                    value => json!({ "key": key, "value": value, "effect": effect }),
                },
            );
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn service(
    draft: &mut Draft,
    word: &Word,
    argument: &mut impl FnMut() -> Result<String, String>,
) -> Result<bool, String> {
    match (word.key.as_str(), word.value.as_deref()) {
        ("selector", None) => {
            for (key, value) in pairs(&argument()?)? {
                draft.merge(&json!({ "spec": { "selector": { key: value } } }));
            }
        }
        ("port", Some(port)) => draft.push("spec.ports", service_port(port)?),
        ("type", Some(kind)) => draft.set("spec.type", kind),
        ("ip", Some(ip)) => draft.merge(&json!({ "spec": { "clusterIP": ip, "clusterIPs": [ip] } })),
        ("headless", None) => {
            draft.merge(&json!({ "spec": { "clusterIP": "None", "clusterIPs": ["None"] } }))
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// `80`, `http:80`, `80:8080`, `http:80:web`.
fn service_port(text: &str) -> Result<Value, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let number = |text: &str| text.parse::<u16>().ok();
    let (name, port, target) = match parts.as_slice() {
        [port] => ("", number(port), *port),
        [first, target] if number(first).is_some() => ("", number(first), *target),
        [name, port] => (*name, number(port), *port),
        [name, port, target] => (*name, number(port), *target),
        _ => ("", None, ""),
    };
    let port = port.ok_or_else(|| format!("`{text}` is not `[name:]port[:target]`"))?;
    let target = number(target).map_or_else(|| json!(target), |target| json!(target));
    let mut entry = json!({ "port": port, "protocol": "TCP", "targetPort": target });
    if !name.is_empty() {
        json_patch::merge(&mut entry, &json!({ "name": name }));
    }
    Ok(entry)
}

/// Deletion was asked for now; pods have their grace period left.
pub(super) fn terminating(draft: &mut Draft, grace: Option<&str>) -> Result<(), String> {
    let default = if draft.kind.singular == "pod" { 30 } else { 0 };
    let grace = grace.map(duration).transpose()?.unwrap_or(Duration::from_secs(default));
    let at: Timestamp = NOW.plus(grace);
    draft.merge(&json!({ "metadata": {
        "deletionTimestamp": at,
        "deletionGracePeriodSeconds": grace.as_secs(),
    } }));
    if draft.kind.singular == "namespace" {
        draft.set("status.phase", "Terminating");
    }
    Ok(())
}

/// Sets a condition, replacing one of the same type.
fn condition(draft: &mut Draft, kind: &str, status: &str, since: Duration) {
    let entry = json!({ "type": kind, "status": status, "lastTransitionTime": ago(since) });
    let known = draft.get("/status/conditions").and_then(Value::as_array).and_then(|conditions| {
        conditions.iter().position(|condition| condition.get("type").and_then(Value::as_str) == Some(kind))
    });
    match known {
        Some(index) => draft.set(&format!("status.conditions.{index}"), entry),
        None => draft.push("status.conditions", entry),
    }
}
