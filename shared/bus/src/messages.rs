//! Messages between processes: publish, request, subscribe. Each carries what led to it.

use std::marker::PhantomData;
use std::time::Duration;

use api::journal::Cause;
use async_nats::{Client, HeaderMap, Message, Request, RequestErrorKind, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::warn;

use crate::connection::Bus;
use crate::error::BusError;
use crate::view::TRACEPARENT;
use crate::{codec, metrics};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Nobody listens on the subject.
    #[error("nobody answers on `{subject}`")]
    NoResponders {
        /// What was asked.
        subject: String,
    },
    /// No answer came in time.
    #[error("no answer on `{subject}` within {waited:?}")]
    TimedOut {
        /// What was asked.
        subject: String,
        /// For how long.
        waited: Duration,
    },
    /// The other side said no, in these words.
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
pub struct Reply {
    client: Client,
    subject: String,
    cause: Option<Cause>,
}

impl Reply {
    /// Sends the answer.
    pub async fn send<A: Serialize>(self, answer: &A) -> Result<(), BusError> {
        let payload = encode(&self.subject, answer)?;
        publish(&self.client, self.subject, self.cause, payload).await
    }
}

/// Messages as they arrive.
pub struct Subscription<T> {
    client: Client,
    messages: Subscriber,
    kind: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Subscription<T> {
    /// The next message; `None` when the bus is closed. A message that is not of the expected type is logged and skipped.
    pub async fn next(&mut self) -> Option<Delivery<T>> {
        loop {
            let message = self.messages.next().await?;
            metrics::received(&message.subject);
            match codec::decode(&message.payload) {
                Ok(decoded) => return Some(self.deliver(decoded, message)),
                Err(error) => warn!(subject = %message.subject, %error, "a malformed message is skipped"),
            }
        }
    }

    fn deliver(&self, decoded: T, message: Message) -> Delivery<T> {
        let cause = cause_of(message.headers.as_ref());
        let reply = message.reply.map(|subject| Reply {
            client: self.client.clone(),
            subject: subject.into_string(),
            cause,
        });
        Delivery { subject: message.subject.into_string(), message: decoded, cause, reply }
    }
}

impl Bus {
    /// Sends a message to whoever listens now. Nobody may.
    pub async fn publish<T: Serialize>(&self, subject: &str, message: &T) -> Result<(), BusError> {
        let payload = encode(subject, message)?;
        publish(&self.inner.client, subject.to_owned(), self.cause, payload).await
    }

    /// Asks and waits for the first answer.
    pub async fn request<Q: Serialize, A: DeserializeOwned>(
        &self,
        subject: &str,
        question: &Q,
        timeout: Duration,
    ) -> Result<A, RequestError> {
        let payload = encode(subject, question).map_err(RequestError::Bus)?;
        metrics::sent(subject);
        let request = Request::new().headers(headers(self.cause)).payload(payload).timeout(Some(timeout));
        let answer = self.inner.client.send_request(subject.to_owned(), request).await;
        let answer = answer.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => RequestError::NoResponders { subject: subject.to_owned() },
            RequestErrorKind::TimedOut => {
                RequestError::TimedOut { subject: subject.to_owned(), waited: timeout }
            }
            RequestErrorKind::InvalidSubject
            | RequestErrorKind::MaxPayloadExceeded
            | RequestErrorKind::Other => RequestError::Bus(BusError::publish(subject, error)),
        })?;
        codec::decode(&answer.payload).map_err(|error| RequestError::Bus(BusError::codec(subject, error)))
    }

    /// Listens on a subject, which may have wildcards.
    pub async fn subscribe<T: DeserializeOwned>(&self, subject: &str) -> Result<Subscription<T>, BusError> {
        let messages = self.inner.client.subscribe(subject.to_owned()).await;
        self.subscription(messages.map_err(|error| BusError::subscribe(subject, error))?).await
    }

    /// Listens as one of a group: each message goes to one member.
    pub async fn subscribe_queue<T: DeserializeOwned>(
        &self,
        subject: &str,
        group: &str,
    ) -> Result<Subscription<T>, BusError> {
        let messages = self.inner.client.queue_subscribe(subject.to_owned(), group.to_owned()).await;
        self.subscription(messages.map_err(|error| BusError::subscribe(subject, error))?).await
    }

    /// The subscription is known to the server when this returns: what is sent afterwards arrives.
    async fn subscription<T>(&self, messages: Subscriber) -> Result<Subscription<T>, BusError> {
        let client = self.inner.client.clone();
        self.inner.settled().await?;
        Ok(Subscription { client, messages, kind: PhantomData })
    }
}

pub(crate) async fn publish(
    client: &Client,
    subject: String,
    cause: Option<Cause>,
    payload: Bytes,
) -> Result<(), BusError> {
    metrics::sent(&subject);
    let sent = match cause {
        Some(_) => client.publish_with_headers(subject.clone(), headers(cause), payload).await,
        None => client.publish(subject.clone(), payload).await,
    };
    sent.map_err(|error| BusError::publish(&subject, error))
}

pub(crate) fn encode<T: Serialize + ?Sized>(subject: &str, message: &T) -> Result<Bytes, BusError> {
    codec::encode(message).map(Bytes::from).map_err(|error| BusError::codec(subject, error))
}

pub(crate) fn headers(cause: Option<Cause>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(cause) = cause {
        headers.insert(TRACEPARENT, cause.to_traceparent());
    }
    headers
}

pub(crate) fn cause_of(headers: Option<&HeaderMap>) -> Option<Cause> {
    headers?.get(TRACEPARENT).and_then(|value| Cause::parse(value.as_str()))
}
