//! What every resource has in common: the `Resource` trait and `Object`, a decoded resource at one revision.

use std::fmt::Debug;
use std::ops::Deref;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Metadata, ObjectKey, ResourceId, Revision};

/// A small typed view of one kind: `spec`, `status` and other top-level fields, as far as decisions need them.
pub trait Resource: DeserializeOwned + Clone + Debug + Default + Send + Sync + 'static {
    /// The collection it is read from.
    const ID: ResourceId;

    /// What the kind's own actor writes. Serialises to the complete `.status`.
    type Status: Serialize + DeserializeOwned + Clone + Debug + Default + PartialEq + Send + Sync + 'static;

    /// The status that was last written.
    fn status(&self) -> &Self::Status;
}

/// A resource as the bucket had it at `revision`. Dereferences to its body: `deployment.spec.replicas`.
#[derive(Clone, Debug)]
pub struct Object<K> {
    /// Where it lives.
    pub key: ObjectKey,
    /// The write that made it what it is.
    pub revision: Revision,
    /// Its metadata.
    pub metadata: Arc<Metadata>,
    /// Its spec, status and other top-level fields.
    pub body: K,
}

impl<K> Deref for Object<K> {
    type Target = K;

    fn deref(&self) -> &K {
        &self.body
    }
}
