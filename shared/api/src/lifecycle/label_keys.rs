//! Labels of a pod whose values become part of its own selectors when it is created: `matchLabelKeys` and `mismatchLabelKeys` (KEP-3243,
//! KEP-3633). Whoever schedules the pod needs to look at its selectors only.

use serde_json::{Map, Value, json};

const AFFINITIES: [&str; 2] = ["podAffinity", "podAntiAffinity"];
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// Extends the selectors of spreading rules and of pod affinities. Keys that the pod has no label for say nothing.
pub fn merge(pod: &mut Value) {
    let labels = match pod.pointer("/metadata/labels") {
        Some(Value::Object(labels)) => labels.clone(),
        _ => Map::new(),
    };
    let extend = |terms: Option<&mut Value>, place: &str| {
        for term in terms.and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(term) = term.pointer_mut(place) {
                extend_selector(term, &labels);
            }
        }
    };
    extend(pod.pointer_mut("/spec/topologySpreadConstraints"), "");
    for affinity in AFFINITIES {
        let Some(affinity) = pod.pointer_mut(&format!("/spec/affinity/{affinity}")) else { continue };
        extend(affinity.get_mut(REQUIRED), "");
        extend(affinity.get_mut(PREFERRED), "/podAffinityTerm");
    }
}

fn extend_selector(term: &mut Value, labels: &Map<String, Value>) {
    let expressions = |list: &str, operator: &str| -> Vec<Value> {
        let keys = term.get(list).and_then(Value::as_array).into_iter().flatten();
        let known = keys.filter_map(|key| Some((key, labels.get(key.as_str()?)?)));
        known.map(|(key, value)| json!({"key": key, "operator": operator, "values": [value]})).collect()
    };
    let mut more = expressions("matchLabelKeys", "In");
    more.extend(expressions("mismatchLabelKeys", "NotIn"));
    let Some(selector) = term.get_mut("labelSelector").and_then(Value::as_object_mut) else { return };
    // A pod of a controller that a gateway has admitted has been here before.
    let known = selector.get("matchExpressions").and_then(Value::as_array);
    more.retain(|new| !known.is_some_and(|known| known.contains(new)));
    if more.is_empty() {
        return;
    }
    match selector.get_mut("matchExpressions").and_then(Value::as_array_mut) {
        Some(known) => known.extend(more),
        None => drop(selector.insert("matchExpressions".to_owned(), Value::Array(more))),
    }
}
