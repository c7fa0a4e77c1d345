//! Writes.
use api::journal::Cause;
use api::{ObjectKey, Revision};
use bytes::Bytes;

use crate::BusError;

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
    /// No live object has this name.
    Absent,
    /// The object's last write is this one.
    At(Revision),
}

/// What an object shall become.
#[derive(Clone, Debug)]
pub enum ChangeTo {
    /// This object; `metadata.resourceVersion` is ignored.
    Put(serde_json::Value),
    /// This object, as `encode` wrote it (without `resourceVersion`).
    PutBytes(Bytes),
    /// Gone. The value is its last state, which watchers are told.
    Delete(serde_json::Value),
}

/// Why a write did not happen.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteError {
    /// The object is not what the writer believed.
    #[error("the object has changed: {}", current.map_or("it does not exist".to_owned(), |at| format!("it is at revision {at}")))]
    Conflict {
        /// Its live revision; `None` if it does not exist.
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
    /// The write did not happen, and may be tried again.
    #[error("the bus is not available: {0}")]
    Unavailable(String),
    /// Whether it happened is not known even after reading back.
    #[error("the outcome of the write is not known: {0}")]
    Unknown(String),
}

/// Writes objects. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) bus: crate::Bus,
}

impl Store {
    /// Writes one object; durable when it returns.
    pub async fn write(&self, _mutation: Mutation) -> Result<Revision, WriteError> {
        Err(WriteError::Unavailable(BusError::Skeleton.to_string()))
    }
    /// Writes many, independent of each other.
    pub async fn write_all(&self, mutations: Vec<Mutation>) -> Vec<Result<Revision, WriteError>> {
        futures::future::join_all(mutations.into_iter().map(|m| self.write(m))).await
    }
    /// Writes all or none.
    pub async fn write_atomically(&self, _mutations: Vec<Mutation>) -> Result<Vec<Revision>, WriteError> {
        Err(WriteError::Unavailable(BusError::Skeleton.to_string()))
    }
}
