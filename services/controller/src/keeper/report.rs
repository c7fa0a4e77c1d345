//! What a report about a pod changes in its object.

use api::json::{flag, items, text};
use api::messages::{AGENT_CONDITIONS, PodReport};
use api::{NodeName, Timestamp};
use bus::Stored;
use serde_json::{Map, Value, json};

/// Where a pod has its containers, and where their statuses.
const CONTAINERS: [(&str, &str); 3] = [
    ("containers", "containerStatuses"),
    ("initContainers", "initContainerStatuses"),
    ("ephemeralContainers", "ephemeralContainerStatuses"),
];

/// What to do with one report.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// The pod does not exist, is another one, or is bound elsewhere.
    Unknown,
    /// The object says so already.
    Nothing,
    /// Write this.
    Put(Value),
    /// The pod is gone: delete the object, whose last state is this.
    Remove(Value),
}

/// Decides about one report of an agent that is entitled to speak for `node`.
pub fn judge(current: Option<&Stored>, node: &NodeName, report: &PodReport, now: Timestamp) -> Verdict {
    let Some(stored) = current.filter(|stored| stored.metadata.uid == report.uid) else {
        return Verdict::Unknown;
    };
    let mut pod = stored.value();
    if pod.pointer("/spec/nodeName").and_then(Value::as_str) != Some(node.as_str()) {
        return Verdict::Unknown;
    }
    let mut changed = false;
    if let Ok(Value::Object(status)) = serde_json::from_str::<Value>(&report.status) {
        changed = put_status(&mut pod, status);
    }
    if report.gone && stored.metadata.is_terminating() {
        return gone(pod, stored, now);
    }
    if changed { Verdict::Put(pod) } else { Verdict::Nothing }
}

/// A deleted pod of which nothing is left: the rules of deletion with no grace left decide whether finalizers still hold it.
fn gone(pod: Value, stored: &Stored, now: Timestamp) -> Verdict {
    use api::lifecycle::{DeleteOptions, Deletion, request_deletion};
    let Some(kind) = api::kinds::kind(stored.key.resource) else { return Verdict::Remove(pod) };
    let options = DeleteOptions { grace: Some(0), ..DeleteOptions::default() };
    match request_deletion(&pod, kind, &options, now) {
        Ok(Deletion::Remove(last)) => Verdict::Remove(last),
        Ok(Deletion::Mark(marked)) => Verdict::Put(marked),
        Ok(Deletion::Already) | Err(_) => Verdict::Nothing,
    }
}

/// Replaces the status by the agent's. Conditions that the agent knows nothing of (the scheduler's, readiness gates) stay, and
/// so does an ended phase: it is final. True if anything changed.
fn put_status(pod: &mut Value, mut status: Map<String, Value>) -> bool {
    let Some(object) = pod.as_object_mut() else { return false };
    let old = object.get("status").cloned().unwrap_or_else(|| json!({}));
    let ended = |phase: Option<&Value>| matches!(phase.and_then(Value::as_str), Some("Succeeded" | "Failed"));
    if ended(old.get("phase")) && old.get("phase") != status.get("phase") {
        return false;
    }
    let mut own = match status.remove("conditions") {
        Some(Value::Array(own)) => own,
        Some(_) | None => Vec::new(),
    };
    for condition in own.iter_mut().filter_map(Value::as_object_mut) {
        // Nobody probes conditions; Kubernetes says so.
        condition.entry("lastProbeTime").or_insert(Value::Null);
    }
    for (containers, statuses) in CONTAINERS {
        let specs = object.get("spec").and_then(|spec| spec.get(containers)).and_then(Value::as_array);
        show_mounts(specs.map(Vec::as_slice).unwrap_or_default(), status.get_mut(statuses));
    }
    let foreign = old.get("conditions").and_then(Value::as_array).into_iter().flatten();
    let is_agents = |known: &Value| AGENT_CONDITIONS.contains(&text(known, "/type"));
    let mut conditions: Vec<Value> = foreign
        .filter(|known| !is_agents(known) && !own.iter().any(|own| own.get("type") == known.get("type")))
        .cloned()
        .collect();
    conditions.extend(own);
    status.insert("conditions".to_owned(), Value::Array(conditions));
    if let Some(class) = old.get("qosClass") {
        status.entry("qosClass").or_insert_with(|| class.clone());
    }
    let status = Value::Object(status);
    let changed = old != status;
    object.insert("status".to_owned(), status);
    changed
}

/// Tells with each container's status what is mounted into it, as kubelets do.
fn show_mounts(specs: &[Value], statuses: Option<&mut Value>) {
    for status in statuses.and_then(Value::as_array_mut).into_iter().flatten() {
        let spec = specs.iter().find(|spec| spec.get("name") == status.get("name"));
        let mounts = spec.map(|spec| items(spec, "/volumeMounts")).unwrap_or_default();
        if let (Some(status), false) = (status.as_object_mut(), mounts.is_empty()) {
            status.insert("volumeMounts".to_owned(), mounts.iter().map(shown_mount).collect());
        }
    }
}

fn shown_mount(mount: &Value) -> Value {
    let mut shown = json!({"name": mount.get("name"), "mountPath": mount.get("mountPath")});
    if let (Some(fields), true) = (shown.as_object_mut(), flag(mount, "/readOnly")) {
        fields.insert("readOnly".to_owned(), true.into());
        // The engine makes the mount read-only, not what is mounted below it.
        fields.insert("recursiveReadOnly".to_owned(), "Disabled".into());
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_of_others_stay_and_the_agents_end_with_its_word() {
        let conditions = |kinds: &[&str]| json!({"conditions": kinds.iter().map(|kind| json!({"type": kind, "lastProbeTime": null})).collect::<Vec<_>>()});
        let mut pod = json!({"status": conditions(&["PodScheduled", "example.com/gate", "PodResizeInProgress", "Ready"])});
        let Value::Object(report) = conditions(&["Ready", "ContainersReady"]) else { unreachable!() };
        assert!(put_status(&mut pod, report));
        assert_eq!(
            pod["status"],
            conditions(&["PodScheduled", "example.com/gate", "Ready", "ContainersReady"])
        );
    }

    #[test]
    fn what_is_mounted_is_told() {
        let mounts =
            json!([{"name": "v", "mountPath": "/v"}, {"name": "t", "mountPath": "/t", "readOnly": true}]);
        let mut pod = json!({"spec": {"containers": [{"name": "a", "volumeMounts": mounts}, {"name": "b"}]}});
        let Value::Object(report) = json!({"containerStatuses": [{"name": "b"}, {"name": "a"}]}) else {
            unreachable!()
        };
        assert!(put_status(&mut pod, report.clone()));
        let told = json!([
            {"name": "b"},
            {"name": "a", "volumeMounts": [
                {"name": "v", "mountPath": "/v"},
                {"name": "t", "mountPath": "/t", "readOnly": true, "recursiveReadOnly": "Disabled"},
            ]},
        ]);
        assert_eq!(pod["status"]["containerStatuses"], told);
        assert!(!put_status(&mut pod, report));
    }
}
