//! What the cluster's own objects say about new ones: classes that are the default, priorities that every cluster has.

use serde_json::Value;

use crate::json::entries;

/// The priority classes that every cluster has.
pub const SYSTEM_PRIORITIES: [(&str, i64); 2] =
    [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];

/// The priority of a class that every cluster has.
pub fn system_priority(name: &str) -> Option<i64> {
    SYSTEM_PRIORITIES.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// The class of objects that name none, by its annotation (storage classes, ingress classes).
pub fn is_default_class(class: &Value) -> bool {
    let mut annotations = entries(class, "/metadata/annotations");
    annotations.any(|(key, value)| {
        matches!(
            key,
            "storageclass.kubernetes.io/is-default-class" | "ingressclass.kubernetes.io/is-default-class"
        ) && value == "true"
    })
}
