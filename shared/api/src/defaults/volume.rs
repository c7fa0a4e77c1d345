//! Defaults of volumes.

use serde_json::{Map, Value, json};

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
    if let Some(path) = existing(volume, "hostPath") {
        set_default(path, "type", "");
    }
    if let Some(downward) = existing(volume, "downwardAPI") {
        each_in(downward, "items").for_each(field_version);
    }
    if let Some(projected) = existing(volume, "projected") {
        for source in each_in(projected, "sources") {
            if let Some(downward) = existing(source, "downwardAPI") {
                each_in(downward, "items").for_each(field_version);
            }
            if let Some(token) = existing(source, "serviceAccountToken") {
                set_default(token, "expirationSeconds", 3600);
            }
        }
    }
}

fn field_version(item: &mut Map<String, Value>) {
    if let Some(field) = existing(item, "fieldRef") {
        set_nonzero(field, "apiVersion", "v1");
    }
}
