//! Writes on their way through the group commit.

use std::time::{Duration, Instant};

use api::journal::Cause;
use api::{ObjectKey, Revision};
use async_nats::HeaderMap;
use bytes::Bytes;
use tokio::sync::oneshot;

use super::{ChangeTo, Expect, Mutation, WriteError};
use crate::codec;
use crate::provision::LARGEST_OBJECT;
use crate::stored::encode_object;
use crate::subject::state_subject;
use crate::view::{CREATED, KV_OPERATION, TRACEPARENT, WRITE_ID};

/// A write is given up after so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// A mutation, encoded and named.
#[derive(Debug)]
pub(super) struct Prepared {
    pub key: ObjectKey,
    pub subject: String,
    pub expect: Expect,
    /// The sequence that the subject's last message must have: of the object, of its delete marker, or zero.
    pub expected: u64,
    /// Lets us recognise the write when its acknowledgement is lost.
    pub id: Box<str>,
    payload: Bytes,
    is_delete: bool,
    cause: Cause,
}

/// Writes that happen together or not at all, usually one, and whoever waits for them.
#[derive(Debug)]
pub(super) struct Unit {
    pub writes: Vec<Prepared>,
    pub reply: oneshot::Sender<Result<Vec<Revision>, WriteError>>,
    /// Not to be grouped with others any more: its own outcome is what we want to know.
    pub alone: bool,
    /// The view was asked for delete markers in the place of new names.
    pub adjusted: bool,
    /// An earlier attempt may have been applied.
    pub uncertain: bool,
    pub deadline: Instant,
}

impl Prepared {
    pub(super) fn new(mutation: Mutation, id: Box<str>) -> Result<Self, WriteError> {
        let Mutation { key, expect, change, cause } = mutation;
        let encode = |value| encode_object(value).map_err(|error| unwritable(&error));
        let (payload, is_delete) = match change {
            ChangeTo::Put(value) => (Bytes::from(encode(value)?), false),
            ChangeTo::PutBytes(bytes) => (bytes, false),
            ChangeTo::Delete(last) => (Bytes::from(encode(last)?), true),
        };
        if payload.len() > LARGEST_OBJECT {
            return Err(WriteError::TooLarge { size: payload.len(), limit: LARGEST_OBJECT });
        }
        let expected = match expect {
            Expect::Absent => 0,
            Expect::At(Revision(revision)) => revision,
        };
        Ok(Self { subject: state_subject(&key), key, expect, expected, id, payload, is_delete, cause })
    }

    pub(super) fn payload(&self) -> Bytes {
        self.payload.clone()
    }

    pub(super) fn size(&self) -> usize {
        self.payload.len()
    }

    /// The message's headers. `created` is zero if it is not known; a delete marker lives for `marker_ttl`.
    pub(super) fn headers(&self, created: Option<Revision>, marker_ttl: Duration) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Expected-Last-Subject-Sequence", self.expected.to_string());
        headers.insert(WRITE_ID, &*self.id);
        if self.cause != Cause::default() {
            headers.insert(TRACEPARENT, self.cause.to_traceparent());
        }
        if self.is_delete {
            headers.insert(KV_OPERATION, "DEL");
            headers.insert("Nats-TTL", format!("{}s", marker_ttl.as_secs()));
        }
        if let Expect::At(_) = self.expect {
            headers.insert(CREATED, created.unwrap_or_default().to_string());
        }
        headers
    }
}

impl Unit {
    pub(super) fn new(
        writes: Vec<Prepared>,
        reply: oneshot::Sender<Result<Vec<Revision>, WriteError>>,
    ) -> Self {
        Self {
            writes,
            reply,
            alone: false,
            adjusted: false,
            uncertain: false,
            deadline: Instant::now() + PATIENCE,
        }
    }

    /// Tells whoever waits.
    pub(super) fn answer(self, outcome: Result<Vec<Revision>, WriteError>) {
        let _ = self.reply.send(outcome);
    }

    pub(super) fn size(&self) -> usize {
        self.writes.iter().map(Prepared::size).sum()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &ObjectKey> {
        self.writes.iter().map(|write| &write.key)
    }

    /// Too late to try again: what the waiting caller is told.
    pub(super) fn too_late(&self, reason: &str) -> WriteError {
        match self.uncertain {
            true => WriteError::Unknown(reason.to_owned()),
            false => WriteError::Unavailable(reason.to_owned()),
        }
    }
}

fn unwritable(error: &codec::CodecError) -> WriteError {
    WriteError::Unavailable(format!("the object cannot be encoded: {error}"))
}
