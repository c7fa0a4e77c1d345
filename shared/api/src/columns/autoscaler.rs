//! Autoscalers as `kubectl get` shows them.

use serde_json::{Value, json};

use super::{AGE, NAME, age, name, or_none, shown};
use crate::Timestamp;
use crate::json::{int, items, text};
use crate::kinds::Column;

/// Columns of autoscalers.
pub const AUTOSCALER: &[Column] = &[
    NAME,
    shown("Reference", "string", "What it scales."),
    shown("Targets", "string", "What its metrics show, and what they shall show."),
    shown("MinPods", "string", "No fewer pods."),
    shown("MaxPods", "string", "No more pods."),
    shown("Replicas", "integer", "Pods that are wanted now."),
    AGE,
];
/// So many metrics are shown.
const MOST_SHOWN: usize = 2;

/// Cells of an autoscaler.
pub fn autoscaler(object: &Value, now: Timestamp) -> Vec<Value> {
    let reference = format!(
        "{}/{}",
        text(object, "/spec/scaleTargetRef/kind"),
        text(object, "/spec/scaleTargetRef/name")
    );
    let least = int(object, "/spec/minReplicas").map_or("<unset>".to_owned(), |least| least.to_string());
    vec![
        name(object),
        json!(reference),
        json!(targets(object)),
        json!(least),
        json!(int(object, "/spec/maxReplicas").unwrap_or(0).to_string()),
        json!(int(object, "/status/currentReplicas").unwrap_or(0)),
        age(object, now),
    ]
}

/// `cpu: 12%/50%, memory: 5Mi/10Mi + 1 more...`
fn targets(object: &Value) -> String {
    let metrics = items(object, "/spec/metrics");
    let current = items(object, "/status/currentMetrics");
    let shown = metrics.iter().take(MOST_SHOWN).map(|metric| {
        let field =
            if text(metric, "/type") == "ContainerResource" { "containerResource" } else { "resource" };
        let source = metric.get(field).unwrap_or(&Value::Null);
        let same = |seen: &&Value| {
            let seen = seen.get(field).unwrap_or(&Value::Null);
            text(seen, "/name") == text(source, "/name")
                && text(seen, "/container") == text(source, "/container")
        };
        let seen = current.iter().find(same).and_then(|seen| seen.get(field)).unwrap_or(&Value::Null);
        let (is, wanted) = match int(source, "/target/averageUtilization") {
            Some(percent) => {
                (int(seen, "/current/averageUtilization").map(|is| format!("{is}%")), format!("{percent}%"))
            }
            None => {
                let is = text(seen, "/current/averageValue");
                ((!is.is_empty()).then(|| is.to_owned()), text(source, "/target/averageValue").to_owned())
            }
        };
        let container = text(source, "/container");
        let of = if container.is_empty() { String::new() } else { format!("{container}/") };
        format!("{of}{}: {}/{wanted}", text(source, "/name"), is.as_deref().unwrap_or("<unknown>"))
    });
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if metrics.len() > MOST_SHOWN {
        text.push_str(&format!(" + {} more...", metrics.len() - MOST_SHOWN));
    }
    or_none(&text).to_owned()
}
