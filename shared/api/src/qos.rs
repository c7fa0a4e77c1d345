//! A pod's quality-of-service class, from its containers' requests and limits.

use serde_json::Value;

use crate::json::{items, text};
use crate::quantity::Quantity;

/// `Guaranteed`, `Burstable` or `BestEffort`.
pub fn class(pod: &Value) -> &'static str {
    let containers = || items(pod, "/spec/containers").iter().chain(items(pod, "/spec/initContainers"));
    let amount = |container: &Value, list: &str, resource: &str| {
        Quantity::parse(container.pointer(&format!("/resources/{list}/{resource}")).and_then(Value::as_str)?)
            .filter(|quantity| quantity.milli > 0)
    };
    let each = |check: &dyn Fn(&Value, &str) -> bool| {
        containers().all(|container| ["cpu", "memory"].iter().all(|resource| check(container, resource)))
    };
    if each(&|container, resource| {
        amount(container, "requests", resource).is_none() && amount(container, "limits", resource).is_none()
    }) {
        return "BestEffort";
    }
    let guaranteed = each(&|container, resource| {
        let limit = amount(container, "limits", resource);
        let request = amount(container, "requests", resource);
        limit.is_some() && (request.is_none() || request == limit)
    });
    if guaranteed { "Guaranteed" } else { "Burstable" }
}

/// The class in a pod's status, or computed if it has none.
pub fn of(pod: &Value) -> &str {
    match text(pod, "/status/qosClass") {
        "" => class(pod),
        known => known,
    }
}
