//! Asking for a byte stream and granting it.

use std::time::Duration;

use api::journal::Cause;
use async_nats::{Client, Message, StatusCode};
use futures::{Stream, StreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use tracing::warn;

use super::frame::Frame;
use super::{ByteStream, engine};
use crate::connection::Bus;
use crate::error::BusError;
use crate::messages::{RequestError, cause_of, encode, headers};
use crate::{codec, metrics};

/// How long the other side may think before it accepts or refuses.
const ANSWER: Duration = Duration::from_secs(30);

/// Someone wants a stream. Dropping this refuses it.
pub struct Incoming<Q> {
    /// Where it was asked for.
    pub subject: String,
    /// What is wanted.
    pub request: Q,
    /// What led to it.
    pub cause: Option<Cause>,
    door: Door,
}

/// The way to answer, once.
struct Door {
    client: Client,
    /// Where the asking side listens.
    peer: String,
    answered: bool,
}

impl<Q> Incoming<Q> {
    /// Opens the stream.
    pub async fn accept(mut self) -> Result<ByteStream, BusError> {
        self.door.answered = true;
        let (client, peer) = (self.door.client.clone(), self.door.peer.clone());
        let inbox = client.new_inbox();
        let frames = client.subscribe(inbox.clone()).await;
        let frames = frames.map_err(|error| BusError::subscribe(&inbox, error))?;
        let accepted = client.publish_with_reply(peer.clone(), inbox, Frame::Accept.encode()).await;
        accepted.map_err(|error| BusError::publish(&peer, error))?;
        Ok(engine::start(client, peer, frames))
    }

    /// Says no; the other side gets this text as its error.
    pub async fn refuse(mut self, error: &str) {
        self.door.answered = true;
        let refusal = Frame::Refuse(error.to_owned()).encode();
        if let Err(error) = self.door.client.publish(self.door.peer.clone(), refusal).await {
            warn!(subject = self.subject, %error, "a refusal did not go out");
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        let (client, peer) = (self.client.clone(), std::mem::take(&mut self.peer));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let refusal = Frame::Refuse("the request was dropped".to_owned()).encode();
                let _ = client.publish(peer, refusal).await;
            });
        }
    }
}

impl Bus {
    /// Opens a stream to whoever accepts on the subject.
    pub async fn open_stream<Q: Serialize>(
        &self,
        subject: &str,
        request: &Q,
    ) -> Result<ByteStream, RequestError> {
        let client = &self.inner.client;
        let failed = |error| RequestError::Bus(error);
        let payload = encode(subject, request).map_err(failed)?;
        let inbox = client.new_inbox();
        let frames = client.subscribe(inbox.clone()).await;
        let mut frames = frames.map_err(|error| failed(BusError::subscribe(&inbox, error)))?;
        metrics::sent(subject);
        let asked = client
            .publish_with_reply_and_headers(subject.to_owned(), inbox, headers(self.cause), payload)
            .await;
        asked.map_err(|error| failed(BusError::publish(subject, error)))?;
        let timed_out = |_| RequestError::TimedOut { subject: subject.to_owned(), waited: ANSWER };
        let answer = timeout(ANSWER, frames.next()).await.map_err(timed_out)?;
        let peer = read_answer(subject, answer)?;
        Ok(engine::start(client.clone(), peer, frames))
    }

    /// Requests for streams, as they arrive. The subject may have wildcards.
    pub async fn accept_streams<Q: DeserializeOwned + Send + 'static>(
        &self,
        subject: &str,
    ) -> Result<impl Stream<Item = Incoming<Q>> + Send + Unpin + 'static, BusError> {
        let client = self.inner.client.clone();
        let requests = client.subscribe(subject.to_owned()).await;
        let requests = requests.map_err(|error| BusError::subscribe(subject, error))?;
        self.inner.settled().await?;
        Ok(Box::pin(requests.filter_map(move |message| {
            let incoming = read_request(&client, message);
            async { incoming }
        })))
    }
}

/// Where the other side listens, if it has accepted.
fn read_answer(subject: &str, answer: Option<Message>) -> Result<String, RequestError> {
    let no_responders = || RequestError::NoResponders { subject: subject.to_owned() };
    let answer = answer.ok_or_else(no_responders)?;
    if answer.status == Some(StatusCode::NO_RESPONDERS) {
        return Err(no_responders());
    }
    match (Frame::decode(&answer.payload), answer.reply) {
        (Some(Frame::Accept), Some(peer)) => Ok(peer.into_string()),
        (Some(Frame::Refuse(reason)), _) => Err(RequestError::Refused(reason)),
        (Some(_) | None, _) => Err(RequestError::Refused("the answer is not understood".to_owned())),
    }
}

fn read_request<Q: DeserializeOwned>(client: &Client, message: Message) -> Option<Incoming<Q>> {
    metrics::received(&message.subject);
    let peer = message.reply?.into_string();
    let door = Door { client: client.clone(), peer, answered: false };
    match codec::decode(&message.payload) {
        Ok(request) => {
            let cause = cause_of(message.headers.as_ref());
            Some(Incoming { subject: message.subject.into_string(), request, cause, door })
        }
        Err(error) => {
            warn!(subject = %message.subject, %error, "a malformed request for a stream is refused");
            None
        }
    }
}
