//! Bytes to and from a client that has left HTTP: over the bare connection, or in the messages of a WebSocket.

use std::future::ready;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{Sink, SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_util::codec::{BytesCodec, Framed};

use super::Socket;

/// How long a client may take to answer that the conversation is over.
pub const FAREWELL: Duration = Duration::from_secs(3);

/// What the client sends, until it goes.
pub type Incoming = BoxStream<'static, Bytes>;
/// The way to the client.
pub type Outgoing = Pin<Box<dyn Sink<Bytes, Error = Gone> + Send>>;

/// The client does not listen any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client is gone")]
pub struct Gone;

/// Both directions.
pub struct Pipe {
    /// From the client.
    pub incoming: Incoming,
    /// To the client.
    pub outgoing: Outgoing,
}

impl Pipe {
    /// The connection itself.
    pub(super) fn bare(upgraded: Upgraded) -> Self {
        let (outgoing, incoming) = Framed::new(TokioIo::new(upgraded), BytesCodec::new()).split::<Bytes>();
        let incoming = incoming.take_while(|piece| ready(piece.is_ok()));
        Self {
            incoming: incoming.filter_map(|piece| ready(piece.ok().map(BytesMut::freeze))).boxed(),
            outgoing: Box::pin(outgoing.sink_map_err(|_| Gone)),
        }
    }

    /// A tunnel: each message of a WebSocket is a piece of it.
    pub fn tunnel(socket: Socket) -> Self {
        let (outgoing, incoming) = socket.split();
        let bytes = |message: Result<Message, Error>| match message {
            Ok(Message::Binary(bytes)) => Some(bytes),
            _ => None,
        };
        let outgoing = outgoing.with(|bytes| ready(Ok::<_, Error>(Message::Binary(bytes))));
        Self {
            incoming: incoming
                .take_while(|message| ready(message.is_ok()))
                .filter_map(move |message| ready(bytes(message)))
                .boxed(),
            outgoing: Box::pin(outgoing.sink_map_err(|_| Gone)),
        }
    }
}
