//! What a controller may ask for: a closed set of complete, idempotent commands, each with its reason.

use api::journal::EventView;
pub use api::lifecycle::Propagation;
use api::{ObjectKey, Revision, Uid};
use serde_json::Value;

/// A change to one object of the bucket. Performing it twice is performing it once.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Makes an object. Done already if one of the same name has the same controller.
    Create {
        /// Where it shall live.
        key: ObjectKey,
        /// Complete but for uid, creationTimestamp and generation.
        object: Value,
        /// For the journal.
        because: String,
        /// Where Kubernetes would write an event.
        event: Option<EventView>,
    },
    /// Replaces parts of an object by merge patch against the revision that was observed.
    Patch {
        /// Which object.
        key: ObjectKey,
        /// The revision that `merge` was thought for: any other means observe again.
        seen: Revision,
        /// An RFC 7396 merge patch.
        merge: Value,
        /// `.status` may change too; otherwise the stored status stays whatever the patch says.
        subresource_status: bool,
        /// For the journal.
        because: String,
        /// Where Kubernetes would write an event.
        event: Option<EventView>,
    },
    /// Asks for deletion, by the rules of `api::lifecycle`. Done already if another object has the name.
    Delete {
        /// Which object.
        key: ObjectKey,
        /// Only the object of this uid.
        uid: Uid,
        /// `None`: the object's own grace period.
        grace: Option<i64>,
        /// What becomes of its dependents.
        propagation: Propagation,
        /// For the journal.
        because: String,
        /// Where Kubernetes would write an event.
        event: Option<EventView>,
    },
    /// Ends a deletion: whatever grace or finalizers were left, the object is gone when this is done.
    Finish {
        /// Which object.
        key: ObjectKey,
        /// Only the object of this uid.
        uid: Uid,
        /// For the journal.
        because: String,
    },
    /// Changes nothing and says something of an object: once, as long as the process remembers that it was the last thing said of it.
    Tell {
        /// Which object.
        key: ObjectKey,
        /// The event.
        event: EventView,
    },
}

impl Write {
    /// `create`, `patch`, `delete`, `finish`, `tell`.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Patch { .. } => "patch",
            Self::Delete { .. } => "delete",
            Self::Finish { .. } => "finish",
            Self::Tell { .. } => "tell",
        }
    }

    /// The object that it writes to.
    pub fn key(&self) -> &ObjectKey {
        match self {
            Self::Create { key, .. }
            | Self::Patch { key, .. }
            | Self::Delete { key, .. }
            | Self::Finish { key, .. }
            | Self::Tell { key, .. } => key,
        }
    }

    /// Why.
    pub fn because(&self) -> &str {
        match self {
            Self::Create { because, .. }
            | Self::Patch { because, .. }
            | Self::Delete { because, .. }
            | Self::Finish { because, .. } => because,
            Self::Tell { event, .. } => &event.message,
        }
    }

    /// The event that goes with it.
    pub fn event(&self) -> Option<&EventView> {
        match self {
            Self::Create { event, .. } | Self::Patch { event, .. } | Self::Delete { event, .. } => {
                event.as_ref()
            }
            Self::Tell { event, .. } => Some(event),
            Self::Finish { .. } => None,
        }
    }
}
