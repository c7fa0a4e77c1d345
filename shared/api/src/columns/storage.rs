//! Volumes, claims and what provides them, as `kubectl get` shows them.

use serde_json::{Value, json};

use super::{AGE, NAME, age, name, or, shown, wide};
use crate::Timestamp;
use crate::json::{flag, items, text};
use crate::kinds::Column;

/// Columns of persistent volumes.
pub const PERSISTENT_VOLUME: &[Column] = &[
    NAME,
    shown("Capacity", "string", "How much it holds."),
    shown("Access Modes", "string", "How it can be mounted."),
    shown("Reclaim Policy", "string", "What becomes of it when its claim is gone."),
    shown("Status", "string", "Whether it is bound to a claim."),
    shown("Claim", "string", "The claim that it is bound to."),
    shown("StorageClass", "string", "The class that it belongs to."),
    shown("VolumeAttributesClass", "string", "The class of its attributes."),
    shown("Reason", "string", "Why it is in that state."),
    AGE,
    wide("VolumeMode", "string", "A file system or a block device."),
];
/// Columns of claims.
pub const PERSISTENT_VOLUME_CLAIM: &[Column] = &[
    NAME,
    shown("Status", "string", "Whether it is bound to a volume."),
    shown("Volume", "string", "The volume that it is bound to."),
    shown("Capacity", "string", "How much that volume holds."),
    shown("Access Modes", "string", "How that volume can be mounted."),
    shown("StorageClass", "string", "The class that it asks for."),
    shown("VolumeAttributesClass", "string", "The class of attributes that it asks for."),
    AGE,
    wide("VolumeMode", "string", "A file system or a block device."),
];
/// Columns of storage classes.
pub const STORAGE_CLASS: &[Column] = &[
    NAME,
    shown("Provisioner", "string", "Who makes its volumes."),
    shown("ReclaimPolicy", "string", "What becomes of a volume when its claim is gone."),
    shown("VolumeBindingMode", "string", "When its volumes are made and bound."),
    shown("AllowVolumeExpansion", "boolean", "Whether its volumes can grow."),
    AGE,
];
/// Columns of volume attachments.
pub const VOLUME_ATTACHMENT: &[Column] = &[
    NAME,
    shown("Attacher", "string", "The driver that attaches it."),
    shown("PV", "string", "The volume."),
    shown("Node", "string", "Where it is wanted."),
    shown("Attached", "boolean", "Whether it is there."),
    AGE,
];
/// Columns of CSI drivers.
pub const CSI_DRIVER: &[Column] = &[
    NAME,
    shown("AttachRequired", "boolean", "Whether its volumes are attached before they are mounted."),
    shown("PodInfoOnMount", "boolean", "Whether it is told about pods."),
    shown("StorageCapacity", "boolean", "Whether it says how much there is to give."),
    shown("TokenRequests", "string", "The audiences of tokens that it needs."),
    shown("RequiresRepublish", "boolean", "Whether volumes are published again and again."),
    shown("Modes", "string", "The lives of volumes that it knows."),
    AGE,
];
/// Columns of CSI nodes.
pub const CSI_NODE: &[Column] =
    &[NAME, shown("Drivers", "integer", "How many drivers are registered on the node."), AGE];

const UNSET: &str = "<unset>";

/// Cells of a persistent volume.
pub fn persistent_volume(volume: &Value, now: Timestamp) -> Vec<Value> {
    let claim = match text(volume, "/spec/claimRef/name") {
        "" => String::new(),
        name => format!("{}/{name}", text(volume, "/spec/claimRef/namespace")),
    };
    vec![
        name(volume),
        json!(text(volume, "/spec/capacity/storage")),
        json!(access_modes(items(volume, "/spec/accessModes"))),
        json!(text(volume, "/spec/persistentVolumeReclaimPolicy")),
        json!(phase(volume)),
        json!(claim),
        json!(text(volume, "/spec/storageClassName")),
        json!(or(UNSET, text(volume, "/spec/volumeAttributesClassName"))),
        json!(text(volume, "/status/reason")),
        age(volume, now),
        json!(or(UNSET, text(volume, "/spec/volumeMode"))),
    ]
}

/// Cells of a claim.
pub fn persistent_volume_claim(claim: &Value, now: Timestamp) -> Vec<Value> {
    let volume = text(claim, "/spec/volumeName");
    let (capacity, modes) = match volume {
        "" => ("", String::new()),
        _ => (text(claim, "/status/capacity/storage"), access_modes(items(claim, "/status/accessModes"))),
    };
    vec![
        name(claim),
        json!(phase(claim)),
        json!(volume),
        json!(capacity),
        json!(modes),
        json!(text(claim, "/spec/storageClassName")),
        json!(or(UNSET, text(claim, "/spec/volumeAttributesClassName"))),
        age(claim, now),
        json!(or(UNSET, text(claim, "/spec/volumeMode"))),
    ]
}

fn phase(object: &Value) -> &str {
    match object.pointer("/metadata/deletionTimestamp") {
        Some(_) => "Terminating",
        None => text(object, "/status/phase"),
    }
}

/// In Kubernetes' order and abbreviations, each once.
fn access_modes(modes: &[Value]) -> String {
    const NAMES: [(&str, &str); 4] = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let found = NAMES.iter().filter(|(mode, _)| modes.iter().any(|known| known == mode));
    found.map(|(_, short)| *short).collect::<Vec<_>>().join(",")
}

/// Cells of a storage class.
pub fn storage_class(class: &Value, now: Timestamp) -> Vec<Value> {
    let own = text(class, "/metadata/name");
    let shown = match crate::admission::is_default_class(class) {
        true => format!("{own} (default)"),
        false => own.to_owned(),
    };
    vec![
        json!(shown),
        json!(text(class, "/provisioner")),
        json!(or("Delete", text(class, "/reclaimPolicy"))),
        json!(or("Immediate", text(class, "/volumeBindingMode"))),
        json!(flag(class, "/allowVolumeExpansion")),
        age(class, now),
    ]
}

/// Cells of a volume attachment.
pub fn volume_attachment(attachment: &Value, now: Timestamp) -> Vec<Value> {
    vec![
        name(attachment),
        json!(text(attachment, "/spec/attacher")),
        json!(text(attachment, "/spec/source/persistentVolumeName")),
        json!(text(attachment, "/spec/nodeName")),
        json!(flag(attachment, "/status/attached")),
        age(attachment, now),
    ]
}

/// Cells of a CSI driver.
pub fn csi_driver(driver: &Value, now: Timestamp) -> Vec<Value> {
    let joined = |list: Vec<&str>| if list.is_empty() { UNSET.to_owned() } else { list.join(",") };
    let audiences = items(driver, "/spec/tokenRequests").iter().map(|token| text(token, "/audience"));
    let modes = items(driver, "/spec/volumeLifecycleModes").iter().filter_map(Value::as_str);
    vec![
        name(driver),
        json!(driver.pointer("/spec/attachRequired").is_none_or(|required| *required == json!(true))),
        json!(flag(driver, "/spec/podInfoOnMount")),
        json!(flag(driver, "/spec/storageCapacity")),
        json!(joined(audiences.collect())),
        json!(flag(driver, "/spec/requiresRepublish")),
        json!(joined(modes.collect())),
        age(driver, now),
    ]
}

/// Cells of a CSI node.
pub fn csi_node(node: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(node), json!(items(node, "/spec/drivers").len()), age(node, now)]
}
