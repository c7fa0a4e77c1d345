//! ControllerRevisions: what a StatefulSet or DaemonSet wanted at some time.

use serde::{Deserialize, Serialize};

use super::resource;

/// A revision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ControllerRevision {
    /// A patch that makes its owner's spec what it was: `{"spec": {"template": {…}}}`.
    pub data: serde_json::Value,
    /// Counts up; a template that comes back gets a new number.
    pub revision: i64,
    /// Nothing: revisions have no status.
    #[serde(skip)]
    pub status: (),
}
resource!(ControllerRevision, "controllerrevisions.apps", ());

impl ControllerRevision {
    /// Its place among its owner's revisions; not to be taken for the object's own revision in the bucket.
    pub fn revision_number(&self) -> i64 {
        self.revision
    }
}
