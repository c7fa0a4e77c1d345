//! Volumes, claims and classes, for what binds, schedules and mounts them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{LabelSelector, NodeSelector, resource};
use crate::quantity::Quantity;
use crate::{Timestamp, Uid};

/// A persistent volume.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PersistentVolume {
    /// Desired.
    pub spec: PersistentVolumeSpec,
    /// Observed.
    pub status: PersistentVolumeStatus,
}
resource!(PersistentVolume, "persistentvolumes", PersistentVolumeStatus);

/// `spec` of a persistent volume.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PersistentVolumeSpec {
    /// How much it holds, as written.
    pub capacity: BTreeMap<String, String>,
    /// How it can be mounted.
    pub access_modes: Vec<String>,
    /// Whose it is, or for whom it is kept.
    pub claim_ref: Option<ClaimReference>,
    /// `Retain`, `Delete`, `Recycle`.
    pub persistent_volume_reclaim_policy: String,
    /// Its class; empty: none.
    pub storage_class_name: String,
    /// `Filesystem` or `Block`.
    pub volume_mode: String,
    /// Which nodes reach it.
    pub node_affinity: VolumeNodeAffinity,
    /// A driver that knows where the data are.
    pub csi: Option<CsiSource>,
}

/// Which nodes reach a volume.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeNodeAffinity {
    /// These; `None`: all.
    pub required: Option<NodeSelector>,
}

/// Which claim a volume belongs to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClaimReference {
    /// The claim's namespace.
    pub namespace: String,
    /// The claim's name.
    pub name: String,
    /// The very claim; empty while the volume only waits for one of that name.
    pub uid: Uid,
}

/// A volume of a driver.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CsiSource {
    /// The driver.
    pub driver: String,
    /// The driver's name for the volume.
    pub volume_handle: String,
    /// What else the driver noted.
    pub volume_attributes: BTreeMap<String, String>,
}

/// `status` of a persistent volume.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PersistentVolumeStatus {
    /// `Pending`, `Available`, `Bound`, `Released`, `Failed`.
    pub phase: String,
    /// Why, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// CamelCase.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Since when it is in this phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_phase_transition_time: Option<Timestamp>,
}

/// A claim.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PersistentVolumeClaim {
    /// Desired.
    pub spec: PersistentVolumeClaimSpec,
    /// Observed.
    pub status: PersistentVolumeClaimStatus,
}
resource!(PersistentVolumeClaim, "persistentvolumeclaims", PersistentVolumeClaimStatus);

/// `spec` of a claim.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PersistentVolumeClaimSpec {
    /// How it is to be mounted.
    pub access_modes: Vec<String>,
    /// Which volumes may serve; `None`: any.
    pub selector: Option<LabelSelector>,
    /// How much it needs.
    pub resources: ClaimResources,
    /// The volume that it has, or wants.
    pub volume_name: String,
    /// Its class; `None`: the default one, `""`: volumes without a class.
    pub storage_class_name: Option<String>,
    /// `Filesystem` or `Block`.
    pub volume_mode: String,
}

/// How much a claim needs, as written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClaimResources {
    /// At least.
    pub requests: BTreeMap<String, String>,
}

/// `status` of a claim.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PersistentVolumeClaimStatus {
    /// `Pending`, `Bound`, `Lost`.
    pub phase: String,
    /// What its volume can.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub access_modes: Vec<String>,
    /// What its volume holds.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub capacity: BTreeMap<String, String>,
    /// What others say of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Value>,
}

/// A class of volumes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct StorageClass {
    /// Who makes its volumes.
    pub provisioner: String,
    /// What becomes of them afterwards.
    pub reclaim_policy: String,
    /// `Immediate` or `WaitForFirstConsumer`.
    pub volume_binding_mode: String,
    /// They may grow.
    pub allow_volume_expansion: bool,
    /// Options of their mounts.
    pub mount_options: Vec<String>,
    /// Where they may be made; empty: anywhere.
    pub allowed_topologies: Vec<TopologyTerm>,
    /// Nothing: classes have no status.
    #[serde(skip)]
    pub status: (),
}
resource!(StorageClass, "storageclasses.storage.k8s.io", ());

/// Nodes by their labels: all of these must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TopologyTerm {
    /// Each names values of a label.
    pub match_label_expressions: Vec<TopologyLabel>,
}

/// A label and the values that do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TopologyLabel {
    /// The label.
    pub key: String,
    /// Its values.
    pub values: Vec<String>,
}

/// The `storage` of a list of amounts, nothing if it is absent or malformed.
fn storage(amounts: &BTreeMap<String, String>) -> Quantity {
    amounts.get("storage").and_then(|text| Quantity::parse(text)).unwrap_or_default()
}

impl PersistentVolumeSpec {
    /// How much it holds.
    pub fn storage(&self) -> Quantity {
        storage(&self.capacity)
    }
}

impl PersistentVolumeClaimSpec {
    /// How much it needs.
    pub fn storage(&self) -> Quantity {
        storage(&self.resources.requests)
    }

    /// The class, `""` if there is none.
    pub fn class(&self) -> &str {
        self.storage_class_name.as_deref().unwrap_or_default()
    }
}
