//! Kinds whose objects claim others by a selector.

use api::views::{DaemonSet, Deployment, Job, LabelSelector, ReplicaSet, ReplicationController, StatefulSet};
use api::{Object, ObjectKey, Resource};
use bus::{Change, Reader};

use super::ownership::Owner;

/// A kind whose objects claim others by a selector.
pub trait Selecting: Resource {
    /// Group and version.
    const API_VERSION: &'static str;
    /// The kind.
    const KIND: &'static str;

    /// Which objects are its own.
    fn selector(&self) -> &LabelSelector;
}

macro_rules! selecting {
    ($($view:ident $api_version:literal),* $(,)?) => {
        $(impl Selecting for $view {
            const API_VERSION: &'static str = $api_version;
            const KIND: &'static str = stringify!($view);

            fn selector(&self) -> &LabelSelector {
                &self.spec.selector
            }
        })*
    };
}

selecting! {
    DaemonSet "apps/v1",
    Deployment "apps/v1",
    Job "batch/v1",
    ReplicaSet "apps/v1",
    ReplicationController "v1",
    StatefulSet "apps/v1",
}

impl<'a> Owner<'a> {
    /// An object as the owner of what it selects.
    pub fn of<K: Selecting>(me: &'a Object<K>) -> Self {
        Self { api_version: K::API_VERSION, kind: K::KIND, metadata: &me.metadata, selector: me.selector() }
    }
}

/// The objects of a kind that would adopt what has changed and nobody manages.
pub(super) fn would_adopt<K: Selecting>(change: &Change, reader: &Reader<'_>) -> Vec<ObjectKey> {
    let orphan = &change.object.metadata;
    if orphan.controller().is_some() || orphan.is_terminating() {
        return Vec::new();
    }
    let owners = reader.list(K::ID, Some(&orphan.namespace));
    let matching = owners.filter(|owner| owner.object::<K>().selector().matches(&orphan.labels));
    matching.map(|owner| owner.key.clone()).collect()
}
