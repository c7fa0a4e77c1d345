//! Messages between processes.
use std::marker::PhantomData;
use std::time::Duration;

use api::journal::Cause;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Bus, BusError};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Nobody listens on the subject.
    #[error("nobody answers on `{subject}`")]
    NoResponders {
        /// What was asked.
        subject: String,
    },
    /// No answer in time.
    #[error("no answer on `{subject}` within {waited:?}")]
    TimedOut {
        /// What was asked.
        subject: String,
        /// How long.
        waited: Duration,
    },
    /// The other side said no.
    #[error("{0}")]
    Refused(String),
    /// The bus failed.
    #[error("failed to ask")]
    Bus(#[source] BusError),
}

/// A message that arrived.
#[derive(Debug)]
pub struct Delivery<T> {
    /// Where it was sent to.
    pub subject: String,
    /// What it says.
    pub message: T,
    /// What led to it.
    pub cause: Option<Cause>,
    /// How to answer, if an answer is expected.
    pub reply: Option<Reply>,
}

/// Where an answer goes.
#[derive(Debug)]
pub struct Reply {}

impl Reply {
    /// Sends the answer.
    pub async fn send<A: Serialize>(self, _answer: &A) -> Result<(), BusError> {
        Err(BusError::Skeleton)
    }
}

/// Messages as they arrive.
pub struct Subscription<T> {
    kind: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Subscription<T> {
    /// The next message; `None` when the bus is closed.
    pub async fn next(&mut self) -> Option<Delivery<T>> {
        None
    }
}

impl Bus {
    /// Sends a message to whoever listens.
    pub async fn publish<T: Serialize>(&self, _subject: &str, _message: &T) -> Result<(), BusError> {
        Err(BusError::Skeleton)
    }
    /// Asks and waits for one answer.
    pub async fn request<Q: Serialize, A: DeserializeOwned>(
        &self,
        _subject: &str,
        _question: &Q,
        _timeout: Duration,
    ) -> Result<A, RequestError> {
        Err(RequestError::Bus(BusError::Skeleton))
    }
    /// Listens.
    pub async fn subscribe<T: DeserializeOwned>(&self, _subject: &str) -> Result<Subscription<T>, BusError> {
        Err(BusError::Skeleton)
    }
    /// Listens as one of a group: each message goes to one member.
    pub async fn subscribe_queue<T: DeserializeOwned>(
        &self,
        _subject: &str,
        _group: &str,
    ) -> Result<Subscription<T>, BusError> {
        Err(BusError::Skeleton)
    }
}
