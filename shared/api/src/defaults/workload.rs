//! Defaults of workloads.

use serde_json::{Map, Value, json};

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

/// One replica; labels and selector are the template's.
pub fn replication_controller(object: &mut Value) {
    let labels = object.pointer("/spec/template/metadata/labels").cloned();
    let labels = labels.filter(|labels| labels.as_object().is_some_and(|labels| !labels.is_empty()));
    let absent = |value: Option<&Value>| value.and_then(Value::as_object).is_none_or(Map::is_empty);
    let unlabelled = absent(object.pointer("/metadata/labels"));
    if let Some(spec) = child(object, "spec") {
        set_default(spec, "replicas", 1);
        if let Some(labels) = labels.clone().filter(|_| absent(spec.get("selector"))) {
            spec.insert("selector".into(), labels);
        }
    }
    if let (Some(labels), Some(metadata)) = (labels.filter(|_| unlabelled), child(object, "metadata")) {
        metadata.insert("labels".into(), labels);
    }
    pod_template(object);
}

/// One replica; pods in order; a new template reaches all of them; claims stay.
pub fn stateful_set(object: &mut Value) {
    let Some(spec) = child(object, "spec") else { return };
    set_default(spec, "replicas", 1);
    set_default(spec, "revisionHistoryLimit", 10);
    set_nonzero(spec, "podManagementPolicy", "OrderedReady");
    set_default(spec, "updateStrategy", json!({}));
    if let Some(rolling) = rolling_update(spec) {
        set_default(rolling, "partition", 0);
    }
    set_default(spec, "persistentVolumeClaimRetentionPolicy", json!({}));
    if let Some(retention) = super::existing(spec, "persistentVolumeClaimRetentionPolicy") {
        set_nonzero(retention, "whenDeleted", "Retain");
        set_nonzero(retention, "whenScaled", "Retain");
    }
    for claim in super::each_in(spec, "volumeClaimTemplates") {
        set_nonzero(claim, "apiVersion", "v1");
        set_nonzero(claim, "kind", "PersistentVolumeClaim");
        set_default(claim, "spec", json!({}));
        if let Some(spec) = super::existing(claim, "spec") {
            set_nonzero(spec, "volumeMode", "Filesystem");
        }
        set_default(claim, "status", json!({"phase": "Pending"}));
    }
    pod_template(object);
}

/// A new template reaches all nodes, one after the other.
pub fn daemon_set(object: &mut Value) {
    let Some(spec) = child(object, "spec") else { return };
    set_default(spec, "revisionHistoryLimit", 10);
    set_default(spec, "updateStrategy", json!({}));
    if let Some(rolling) = rolling_update(spec) {
        set_default(rolling, "maxUnavailable", 1);
        set_default(rolling, "maxSurge", 0);
    }
    pod_template(object);
}

/// The limits of a rolling update, unless the strategy is another one.
fn rolling_update(spec: &mut Map<String, Value>) -> Option<&mut Map<String, Value>> {
    let strategy = super::existing(spec, "updateStrategy")?;
    set_nonzero(strategy, "type", "RollingUpdate");
    if strategy.get("type") == Some(&json!("RollingUpdate")) {
        set_default(strategy, "rollingUpdate", json!({}));
    }
    super::existing(strategy, "rollingUpdate")
}

/// One replica.
pub fn replica_set(object: &mut Value) {
    if let Some(spec) = child(object, "spec") {
        set_default(spec, "replicas", 1);
    }
    pod_template(object);
}
