//! `autoscaling/v1` and `autoscaling/v2`: the older version knows of one metric, and keeps everything else in annotations.

use serde_json::{Map, Value, json};

use super::Conversion;
use crate::json::{child, int, items, text};

/// Autoscalers are stored as `autoscaling/v2`.
pub const AUTOSCALER: Conversion = Conversion { store, show };

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";

fn store(object: &mut Value) {
    let target = object
        .pointer_mut("/spec")
        .and_then(Value::as_object_mut)
        .and_then(|spec| spec.remove("targetCPUUtilizationPercentage"));
    let current = object
        .pointer_mut("/status")
        .and_then(Value::as_object_mut)
        .and_then(|status| status.remove("currentCPUUtilizationPercentage"));
    let mut metrics: Vec<Value> = target
        .into_iter()
        .map(|percent| cpu("target", json!({"type": "Utilization", "averageUtilization": percent})))
        .collect();
    metrics.extend(taken(object, METRICS).and_then(|kept| kept.as_array().cloned()).into_iter().flatten());
    let mut measured: Vec<Value> =
        current.into_iter().map(|percent| cpu("current", json!({"averageUtilization": percent}))).collect();
    measured.extend(
        taken(object, CURRENT_METRICS).and_then(|kept| kept.as_array().cloned()).into_iter().flatten(),
    );
    let behavior = taken(object, BEHAVIOR);
    let conditions = taken(object, CONDITIONS);
    if let Some(spec) = child(object, "spec") {
        spec.extend(some("metrics", (!metrics.is_empty()).then_some(Value::Array(metrics))));
        spec.extend(some("behavior", behavior));
    }
    if object.get("status").is_some()
        && let Some(status) = child(object, "status")
    {
        status.extend(some("currentMetrics", (!measured.is_empty()).then_some(Value::Array(measured))));
        status.extend(some("conditions", conditions));
    }
}

fn show(object: &mut Value) {
    let (target, others) = split(items(object, "/spec/metrics"), "/resource/target/averageUtilization");
    let (current, measured) =
        split(items(object, "/status/currentMetrics"), "/resource/current/averageUtilization");
    let mut kept = Vec::new();
    if let Some(spec) = object.pointer_mut("/spec").and_then(Value::as_object_mut) {
        spec.remove("metrics");
        spec.extend(some("targetCPUUtilizationPercentage", target));
        kept.extend(spec.remove("behavior").map(|behavior| (BEHAVIOR, behavior)));
    }
    if let Some(status) = object.pointer_mut("/status").and_then(Value::as_object_mut) {
        status.remove("currentMetrics");
        status.extend(some("currentCPUUtilizationPercentage", current));
        kept.extend(
            status
                .remove("conditions")
                .filter(|list| list != &json!([]))
                .map(|conditions| (CONDITIONS, conditions)),
        );
    }
    kept.extend((!others.is_empty()).then_some((METRICS, Value::Array(others))));
    kept.extend((!measured.is_empty()).then_some((CURRENT_METRICS, Value::Array(measured))));
    if kept.is_empty() {
        return;
    }
    let Some(annotations) = object.get_mut("metadata").and_then(|metadata| child(metadata, "annotations"))
    else {
        return;
    };
    annotations.extend(kept.into_iter().map(|(key, value)| (key.to_owned(), json!(value.to_string()))));
}

fn cpu(aim: &str, value: Value) -> Value {
    json!({"type": "Resource", "resource": {"name": "cpu", aim: value}})
}

/// The first processor utilization, and everything else.
fn split(metrics: &[Value], utilization: &str) -> (Option<Value>, Vec<Value>) {
    let is_cpu =
        |metric: &&Value| text(metric, "/resource/name") == "cpu" && int(metric, utilization).is_some();
    let place = metrics.iter().position(|metric| is_cpu(&metric));
    let found =
        place.and_then(|place| metrics.get(place)).and_then(|metric| metric.pointer(utilization)).cloned();
    let others = metrics.iter().enumerate().filter(|(index, _)| Some(*index) != place);
    (found, others.map(|(_, metric)| metric.clone()).collect())
}

/// What an annotation held; it is not one any more.
fn taken(object: &mut Value, annotation: &str) -> Option<Value> {
    let annotations = object.pointer_mut("/metadata/annotations")?.as_object_mut()?;
    let kept = annotations.remove(annotation)?;
    serde_json::from_str(kept.as_str()?).ok()
}

fn some(key: &str, value: Option<Value>) -> Map<String, Value> {
    value.into_iter().map(|value| (key.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_on_the_way_to_the_older_version_and_back() {
        let stored = json!({
            "metadata": {"name": "web", "annotations": {"a": "b"}},
            "spec": {"maxReplicas": 5, "behavior": {"scaleUp": {"selectPolicy": "Min"}}, "metrics": [
                {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}},
                {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}}]},
            "status": {"currentReplicas": 1, "conditions": [{"type": "AbleToScale", "status": "True"}],
                "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 7}}}]},
        });
        let mut object = stored.clone();
        show(&mut object);
        assert_eq!(object["spec"]["targetCPUUtilizationPercentage"], 50);
        assert_eq!(object["status"]["currentCPUUtilizationPercentage"], 7);
        assert_eq!(object["spec"]["metrics"], Value::Null);
        store(&mut object);
        assert_eq!(object, stored);
    }
}
