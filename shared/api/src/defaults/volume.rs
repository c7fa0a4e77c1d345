//! Defaults of volumes.

use serde_json::{Map, Value, json};

use super::container::pull_policy;
use super::{each_in, existing, set_nonzero};
use crate::json::set_default;

/// 0644.
const MODE: i64 = 420;

/// Fills in one volume. A volume without a source is an empty directory.
pub(super) fn fill(volume: &mut Map<String, Value>) {
    if volume.keys().all(|key| key == "name") {
        volume.insert("emptyDir".into(), json!({}));
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = existing(volume, source) {
            set_default(source, "defaultMode", MODE);
        }
    }
    remote(volume);
    if let Some(downward) = existing(volume, "downwardAPI") {
        each_in(downward, "items").for_each(references);
    }
    if let Some(projected) = existing(volume, "projected") {
        for source in each_in(projected, "sources") {
            if let Some(downward) = existing(source, "downwardAPI") {
                each_in(downward, "items").for_each(references);
            }
            if let Some(token) = existing(source, "serviceAccountToken") {
                set_default(token, "expirationSeconds", 3600);
            }
        }
    }
    if let Some(image) = existing(volume, "image") {
        let policy = pull_policy(image.get("reference").and_then(Value::as_str).unwrap_or_default());
        set_nonzero(image, "pullPolicy", policy);
    }
    let template = existing(volume, "ephemeral").and_then(|source| existing(source, "volumeClaimTemplate"));
    if let Some(spec) = template.and_then(|template| existing(template, "spec")) {
        set_nonzero(spec, "volumeMode", "Filesystem");
    }
}

/// Fills in where data are that a volume of a pod or a persistent one is about.
pub(super) fn remote(volume: &mut Map<String, Value>) {
    if let Some(path) = existing(volume, "hostPath") {
        set_default(path, "type", "");
    }
    if let Some(target) = existing(volume, "iscsi") {
        set_nonzero(target, "iscsiInterface", "default");
    }
    if let Some(device) = existing(volume, "rbd") {
        set_nonzero(device, "pool", "rbd");
        set_nonzero(device, "user", "admin");
        set_nonzero(device, "keyring", "/etc/ceph/keyring");
    }
    if let Some(disk) = existing(volume, "azureDisk") {
        set_default(disk, "cachingMode", "ReadWrite");
        set_default(disk, "kind", "Shared");
        set_default(disk, "fsType", "ext4");
        set_default(disk, "readOnly", false);
    }
    if let Some(volume) = existing(volume, "scaleIO") {
        set_nonzero(volume, "storageMode", "ThinProvisioned");
        set_nonzero(volume, "fsType", "xfs");
    }
}

/// Fills in what a variable or a file tells of the pod.
pub(super) fn references(source: &mut Map<String, Value>) {
    if let Some(field) = existing(source, "fieldRef") {
        set_nonzero(field, "apiVersion", "v1");
    }
    if let Some(resource) = existing(source, "resourceFieldRef") {
        set_default(resource, "divisor", "0");
    }
}
