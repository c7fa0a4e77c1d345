//! Defaults of autoscalers.

use serde_json::{Map, Value, json};

use crate::json::{child, set_default};

/// At least one replica, and four fifths of the requested processor time.
pub fn autoscaler(object: &mut Value) {
    let Some(spec) = child(object, "spec") else { return };
    set_default(spec, "minReplicas", 1);
    if spec.get("metrics").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        let target = json!({"type": "Utilization", "averageUtilization": 80});
        spec.insert(
            "metrics".into(),
            json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]),
        );
    }
    let Some(behavior) = super::existing(spec, "behavior") else { return };
    let percent = json!({"type": "Percent", "value": 100, "periodSeconds": 15});
    let pods = json!({"type": "Pods", "value": 4, "periodSeconds": 15});
    rules(behavior, "scaleUp", &json!([pods, percent]), Some(0));
    rules(behavior, "scaleDown", &json!([percent]), None);
}

/// A direction that is not spoken of, is as in Kubernetes.
fn rules(behavior: &mut Map<String, Value>, direction: &str, policies: &Value, window: Option<i64>) {
    set_default(behavior, direction, json!({}));
    let Some(rules) = super::existing(behavior, direction) else { return };
    set_default(rules, "selectPolicy", "Max");
    set_default(rules, "policies", policies.clone());
    if let Some(window) = window {
        set_default(rules, "stabilizationWindowSeconds", window);
    }
}
