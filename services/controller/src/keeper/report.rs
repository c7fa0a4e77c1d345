//! What a report about a pod changes in its object.

use api::json::text;
use api::messages::{AGENT_CONDITIONS, PodReport};
use api::{NodeName, Timestamp};
use bus::Stored;
use serde_json::{Map, Value, json};

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
    let own = status.remove("conditions").and_then(|own| own.as_array().cloned()).unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_of_others_stay_and_the_agents_end_with_its_word() {
        let conditions = |kinds: &[&str]| json!({"conditions": kinds.iter().map(|kind| json!({"type": kind})).collect::<Vec<_>>()});
        let mut pod = json!({"status": conditions(&["PodScheduled", "example.com/gate", "PodResizeInProgress", "Ready"])});
        let Value::Object(report) = conditions(&["Ready", "ContainersReady"]) else { unreachable!() };
        assert!(put_status(&mut pod, report));
        assert_eq!(
            pod["status"],
            conditions(&["PodScheduled", "example.com/gate", "Ready", "ContainersReady"])
        );
    }
}
