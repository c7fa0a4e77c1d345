//! Byte streams.
use bytes::Bytes;
use futures::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Bus, BusError, RequestError};

/// The other side does not take bytes any more.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the stream is closed")]
pub struct StreamClosed;

/// Bytes in both directions.
pub struct ByteStream {}

/// The sending half.
pub struct StreamSender {}

/// The receiving half.
pub struct StreamReceiver {}

impl ByteStream {
    /// Sends bytes; waits while the other side is slow.
    pub async fn send(&mut self, _bytes: Bytes) -> Result<(), StreamClosed> {
        Err(StreamClosed)
    }
    /// The next bytes; `None` when the other side has closed in order, an error text if it has not.
    pub async fn recv(&mut self) -> Option<Result<Bytes, String>> {
        None
    }
    /// Ends the stream.
    pub async fn close(self, _error: Option<String>) {}
    /// Both halves, to be used by two tasks.
    pub fn split(self) -> (StreamSender, StreamReceiver) {
        (StreamSender {}, StreamReceiver {})
    }
}

impl StreamSender {
    /// Sends bytes; waits while the other side is slow.
    pub async fn send(&mut self, _bytes: Bytes) -> Result<(), StreamClosed> {
        Err(StreamClosed)
    }
    /// Says that no more bytes follow; the other direction goes on.
    pub async fn close(self, _error: Option<String>) {}
}

impl StreamReceiver {
    /// The next bytes; `None` when the other side has closed in order, an error text if it has not.
    pub async fn recv(&mut self) -> Option<Result<Bytes, String>> {
        None
    }
}

/// Someone wants a stream.
pub struct Incoming<Q> {
    /// Where it was asked for.
    pub subject: String,
    /// What is wanted.
    pub request: Q,
}

impl<Q> Incoming<Q> {
    /// Opens the stream.
    pub async fn accept(self) -> Result<ByteStream, BusError> {
        Err(BusError::Skeleton)
    }
    /// Says no.
    pub async fn refuse(self, _error: &str) {}
}

impl Bus {
    /// Opens a stream to whoever accepts on the subject.
    pub async fn open_stream<Q: Serialize>(&self, _subject: &str, _request: &Q) -> Result<ByteStream, RequestError> {
        Err(RequestError::Bus(BusError::Skeleton))
    }
    /// Requests for streams as they arrive.
    pub async fn accept_streams<Q: DeserializeOwned + Send + 'static>(
        &self,
        _subject: &str,
    ) -> Result<impl Stream<Item = Incoming<Q>> + Send + Unpin + 'static, BusError> {
        Ok(futures::stream::empty())
    }
}
