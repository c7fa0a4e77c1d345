//! Defaults of volumes, claims and what provides them.

use serde_json::{Map, Value, json};

use super::set_nonzero;
use crate::json::{child, set_default};

/// A file system that is kept when its claim is gone.
pub fn persistent_volume(object: &mut Value) {
    let Some(spec) = child(object, "spec") else { return };
    set_nonzero(spec, "persistentVolumeReclaimPolicy", "Retain");
    set_nonzero(spec, "volumeMode", "Filesystem");
    super::volume::remote(spec);
}

/// A file system.
pub fn persistent_volume_claim(object: &mut Value) {
    let Some(spec) = child(object, "spec") else { return };
    set_nonzero(spec, "volumeMode", "Filesystem");
    data_source(spec);
}

/// The older field says the same as the newer one, unless the source is in another namespace.
fn data_source(spec: &mut Map<String, Value>) {
    let (source, reference) = (spec.get("dataSource").cloned(), spec.get("dataSourceRef").cloned());
    let elsewhere = reference.as_ref().is_some_and(|reference| reference.get("namespace").is_some());
    match (source, reference) {
        (Some(source), None) => drop(spec.insert("dataSourceRef".into(), source)),
        (None, Some(reference)) if !elsewhere => drop(spec.insert("dataSource".into(), reference)),
        _ => {}
    }
}

/// Volumes go with their claims, and are bound at once.
pub fn storage_class(object: &mut Value) {
    let Some(class) = object.as_object_mut() else { return };
    set_nonzero(class, "reclaimPolicy", "Delete");
    set_nonzero(class, "volumeBindingMode", "Immediate");
}

/// A driver that attaches volumes and needs nothing else.
pub fn csi_driver(object: &mut Value) {
    let Some(spec) = child(object, "spec") else { return };
    set_default(spec, "attachRequired", true);
    for key in ["podInfoOnMount", "storageCapacity", "requiresRepublish", "seLinuxMount"] {
        set_default(spec, key, false);
    }
    set_nonzero(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
    if spec.get("volumeLifecycleModes").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        spec.insert("volumeLifecycleModes".into(), json!(["Persistent"]));
    }
}
