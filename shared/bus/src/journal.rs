//! The journal of decisions.
use api::journal::JournalEntry;
use api::{ObjectKey, ResourceId, Timestamp};
use futures::Stream;

use crate::BusError;

/// Which entries to read. Empty: all.
#[derive(Clone, Debug, Default)]
pub struct JournalFilter {
    /// Only entries about this collection.
    pub resource: Option<ResourceId>,
    /// Only entries about objects in this namespace.
    pub namespace: Option<String>,
    /// Only entries about objects of this name.
    pub name: Option<String>,
    /// Only entries of this trace.
    pub trace: Option<u128>,
    /// Only entries that are not older.
    pub since: Option<Timestamp>,
    /// Only entries that Kubernetes would show as events.
    pub events_only: bool,
}

impl JournalFilter {
    /// Every entry.
    pub fn all() -> Self {
        Self::default()
    }

    /// Entries about one object.
    pub fn object(key: &ObjectKey) -> Self {
        Self {
            resource: Some(key.resource),
            namespace: key.namespace.as_deref().map(str::to_owned),
            name: Some(key.name.as_ref().to_owned()),
            ..Self::default()
        }
    }
}

/// Every decision with its cause, kept for days.
#[derive(Clone)]
pub struct Journal {
    pub(crate) bus: crate::Bus,
}

impl Journal {
    /// Appends; never blocks, never fails.
    pub fn append(&self, _entry: JournalEntry) {}
    /// The newest `limit` entries that match, oldest first, with their sequences.
    pub async fn read(&self, _filter: &JournalFilter, _limit: usize) -> Result<Vec<(u64, JournalEntry)>, BusError> {
        Ok(Vec::new())
    }
    /// Entries after a sequence, or new ones.
    pub async fn follow(
        &self,
        _after: Option<u64>,
    ) -> Result<impl Stream<Item = (u64, JournalEntry)> + Send + Unpin + 'static, BusError> {
        Ok(futures::stream::empty())
    }
}
