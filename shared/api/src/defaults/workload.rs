//! Defaults of workloads.

use serde_json::{Value, json};

use super::{pod_template, set_nonzero};
use crate::json::{child, set_default};

/// One replica, replaced by rolling update, 25 % at a time.
pub fn deployment(object: &mut Value) {
    let Some(spec) = child(object, "spec") else { return };
    set_default(spec, "replicas", 1);
    set_default(spec, "revisionHistoryLimit", 10);
    set_default(spec, "progressDeadlineSeconds", 600);
    set_default(spec, "strategy", json!({}));
    if let Some(strategy) = super::existing(spec, "strategy") {
        set_nonzero(strategy, "type", "RollingUpdate");
        if strategy.get("type") == Some(&json!("RollingUpdate")) {
            set_default(strategy, "rollingUpdate", json!({}));
        }
        if let Some(rolling) = super::existing(strategy, "rollingUpdate") {
            set_default(rolling, "maxUnavailable", "25%");
            set_default(rolling, "maxSurge", "25%");
        }
    }
    pod_template(object);
}

/// One replica.
pub fn replica_set(object: &mut Value) {
    if let Some(spec) = child(object, "spec") {
        set_default(spec, "replicas", 1);
    }
    pod_template(object);
}
