//! The parts of `metadata` that decisions and indexes need, of any object.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Timestamp, Uid};

/// `metadata`, read leniently: whatever is absent is empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Metadata {
    /// The object's name.
    pub name: Arc<str>,
    /// Empty for cluster-scoped kinds.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub namespace: Arc<str>,
    /// Never changes; a new object of the same name has another.
    pub uid: Uid,
    /// Counts changes of the spec.
    pub generation: i64,
    /// When the gateway or a controller first wrote it.
    pub creation_timestamp: Timestamp,
    /// Present from the moment deletion is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<Timestamp>,
    /// Seconds that the object may still take to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_grace_period_seconds: Option<i64>,
    /// Keys that selectors match.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// Keys that nothing matches.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<Arc<str>, Arc<str>>,
    /// While any is left, a deleted object stays.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finalizers: Vec<Arc<str>>,
    /// Who goes with whom.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owner_references: Vec<OwnerReference>,
}

impl Metadata {
    /// The owner that manages this object, if any (`controller: true`).
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references.iter().find(|owner| owner.controller)
    }

    /// Deletion was asked for.
    pub fn is_terminating(&self) -> bool {
        self.deletion_timestamp.is_some()
    }
}

/// One entry of `metadata.ownerReferences`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OwnerReference {
    /// Group and version of the owner.
    pub api_version: Arc<str>,
    /// The owner's kind.
    pub kind: Arc<str>,
    /// The owner's name.
    pub name: Arc<str>,
    /// The owner's uid: a new owner of the same name does not own this object.
    pub uid: Uid,
    /// At most one owner manages an object.
    pub controller: bool,
    /// Foreground deletion of the owner waits for this object.
    pub block_owner_deletion: bool,
}
