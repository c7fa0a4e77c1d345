//! Priorities of pods, from their classes.

use serde_json::{Value, json};

use crate::json::{child, flag, int, text};

/// The priority classes that every cluster has.
pub const SYSTEM_PRIORITIES: [(&str, i64); 2] =
    [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];

/// What a pod is given before its class is looked at.
const DEFAULT: (i64, &str) = (0, "PreemptLowerPriority");

/// The priority of a class that every cluster has.
pub fn system_priority(name: &str) -> Option<i64> {
    SYSTEM_PRIORITIES.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// Gives a new pod the priority of its class, or of the class for pods that name none.
pub(super) fn resolve(pod: &mut Value, classes: &[Value]) -> Result<(), String> {
    let named = text(pod, "/spec/priorityClassName").to_owned();
    let class = match named.as_str() {
        "" => classes
            .iter()
            .filter(|class| flag(class, "/globalDefault"))
            .min_by_key(|class| int(class, "/value")),
        name => Some(
            classes
                .iter()
                .find(|class| text(class, "/metadata/name") == name)
                .ok_or_else(|| format!("no PriorityClass with name {name} was found"))?,
        ),
    };
    let Some(class) = class else { return Ok(()) };
    let (value, policy) = (int(class, "/value").unwrap_or(0), text(class, "/preemptionPolicy"));
    let given = int(pod, "/spec/priority").unwrap_or(DEFAULT.0);
    if given != DEFAULT.0 && given != value {
        return Err(format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller computed {value} from the given PriorityClass name"
        ));
    }
    let name = text(class, "/metadata/name").to_owned();
    if let Some(spec) = child(pod, "spec") {
        spec.insert("priorityClassName".into(), json!(name));
        spec.insert("priority".into(), json!(value));
        if !policy.is_empty() {
            spec.insert("preemptionPolicy".into(), json!(policy));
        }
    }
    Ok(())
}

/// A replacement of a pod that leaves out what its class gave it keeps it.
pub fn keep_priority(new: &mut Value, old: &Value) {
    let plain = int(new, "/spec/priority").unwrap_or(DEFAULT.0) == DEFAULT.0;
    let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut).filter(|_| plain) else { return };
    for key in ["priority", "preemptionPolicy", "priorityClassName"] {
        if let Some(value) = old.pointer("/spec").and_then(|spec| spec.get(key)) {
            spec.insert(key.to_owned(), value.clone());
        }
    }
}
