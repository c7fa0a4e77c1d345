//! Writes to the bucket: compare-and-set, durable when acknowledged, committed in groups.

mod attempt;
mod queue;
mod turns;
mod unit;
pub(crate) mod verdict;
mod writer;

use std::sync::Arc;
use std::time::Instant;

use api::journal::Cause;
use api::{ObjectKey, Revision};
use bytes::Bytes;
use tokio::sync::oneshot;

use crate::connection::Inner;
use crate::metrics;
pub use turns::Turn;
use unit::{Prepared, Unit};
pub(crate) use writer::Writer;

/// The most mutations that can be written atomically.
const LARGEST_BATCH: usize = 1_000;

/// One change of one object.
#[derive(Clone, Debug)]
pub struct Mutation {
    /// Which object.
    pub key: ObjectKey,
    /// What must hold for the change to happen.
    pub expect: Expect,
    /// What it shall become.
    pub change: ChangeTo,
    /// What led to it.
    pub cause: Cause,
}

/// What the writer believes about the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// No live object has this name. A deleted one may have had it.
    Absent,
    /// The object's last write is this one.
    At(Revision),
}

/// What an object shall become.
#[derive(Clone, Debug)]
pub enum ChangeTo {
    /// This object; its `metadata.resourceVersion` is ignored.
    Put(serde_json::Value),
    /// This object, as `encode` writes it, without `resourceVersion`.
    PutBytes(Bytes),
    /// Gone. The value is its last state, which watchers are told.
    Delete(serde_json::Value),
}

/// Why a write did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The object is not what the writer believed. Observe again.
    #[error("the object has changed: {}", current.map_or("it does not exist".to_owned(), |at| format!("it is at revision {at}")))]
    Conflict {
        /// Its live revision; `None` if it does not exist. Of an atomic write: of the first object that has changed.
        current: Option<Revision>,
    },
    /// The object is larger than the bucket takes.
    #[error("the object has {size} bytes, at most {limit} can be stored")]
    TooLarge {
        /// Its size as stored.
        size: usize,
        /// The bucket's limit.
        limit: usize,
    },
    /// The server's storage is full.
    #[error("the storage of the bus is full: {0}")]
    Full(String),
    /// The write did not happen and may be tried again.
    #[error("the bus is not available: {0}")]
    Unavailable(String),
    /// Whether it happened is not known even after reading back. Observe again.
    #[error("the outcome of the write is not known: {0}")]
    Unknown(String),
}

impl WriteError {
    fn label(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "conflict",
            Self::TooLarge { .. } => "too_large",
            Self::Full(_) => "full",
            Self::Unavailable(_) => "unavailable",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// Writes objects. Cheap to clone; all clones of a process share one group commit.
#[derive(Clone)]
pub struct Store {
    pub(crate) writer: Writer,
    /// Keeps the connection and the view.
    pub(crate) _bus: Arc<Inner>,
}

impl Store {
    /// Writes one object. Durable when it returns; writes that wait at the same time are committed together.
    pub async fn write(&self, mutation: Mutation) -> Result<Revision, WriteError> {
        let revisions = self.submit(vec![mutation]).await?;
        revisions.first().copied().ok_or_else(|| WriteError::Unknown("no revision came back".to_owned()))
    }

    /// Writes many objects, independently: each has its own outcome, in the order of the mutations.
    pub async fn write_all(&self, mutations: Vec<Mutation>) -> Vec<Result<Revision, WriteError>> {
        futures::future::join_all(mutations.into_iter().map(|mutation| self.write(mutation))).await
    }

    /// Writes all or none, as consecutive revisions: at most a thousand mutations of different objects.
    pub async fn write_atomically(&self, mutations: Vec<Mutation>) -> Result<Vec<Revision>, WriteError> {
        match mutations.len() {
            0 => Ok(Vec::new()),
            size if size > LARGEST_BATCH => Err(WriteError::TooLarge { size, limit: LARGEST_BATCH }),
            _ => self.submit(mutations).await,
        }
    }

    /// Waits for the turn of whoever writes what builds on this object, among the clones of a process. It lasts until the turn is
    /// dropped, which is best done when the view holds what was written.
    pub async fn turn(&self, key: &ObjectKey) -> Turn {
        self.writer.turns.take(key).await
    }

    async fn submit(&self, mutations: Vec<Mutation>) -> Result<Vec<Revision>, WriteError> {
        let begun = Instant::now();
        let outcome = self.commit(mutations).await;
        metrics::written(outcome.as_ref().map_or_else(WriteError::label, |_| "written"), begun);
        outcome
    }

    async fn commit(&self, mutations: Vec<Mutation>) -> Result<Vec<Revision>, WriteError> {
        let writes = mutations.into_iter().map(|it| Prepared::new(it, self.writer.fresh_id()));
        let writes = writes.collect::<Result<Vec<_>, _>>()?;
        let (reply, outcome) = oneshot::channel();
        self.writer.submit(Unit::new(writes, reply)).await?;
        outcome.await.unwrap_or_else(|_| Err(WriteError::Unknown("the process is stopping".to_owned())))
    }
}
