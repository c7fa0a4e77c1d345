//! The opening and the end of a WebSocket.

use bytes::{BufMut, BytesMut};
use futures::{SinkExt, StreamExt};
use hyper::StatusCode;
use hyper::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use hyper::http::request::Parts;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};
use tracing::debug;

use super::{FAREWELL, common, connection, tokens};
use crate::failure::Failure;
use crate::respond::{self, Response};

/// The longest message that is taken.
const MESSAGE_LIMIT: usize = 4 << 20;

/// A WebSocket whose client is connected.
pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// A request that wants to become a WebSocket.
pub struct ToWebSocket {
    on: OnUpgrade,
    key: HeaderValue,
    /// The subprotocols that the client offers, best first.
    offered: Vec<String>,
}

impl ToWebSocket {
    /// Of a request that says so, if its handshake is whole.
    pub(super) fn of(parts: &mut Parts) -> Option<Self> {
        let key = parts.headers.get(SEC_WEBSOCKET_KEY)?.clone();
        let offered = tokens(&parts.headers, &SEC_WEBSOCKET_PROTOCOL).map(str::to_owned).collect();
        Some(Self { on: connection(parts)?, key, offered })
    }

    /// The first offered subprotocol that is known; the first known one to a client that offers none.
    pub fn protocol(&self, known: &[&'static str]) -> Result<&'static str, Failure> {
        match (common(&self.offered, known), known, self.offered.as_slice()) {
            (Some(name), _, _) => Ok(name),
            (None, [first, ..], []) => Ok(first),
            (None, _, offered) => Err(Failure::bad_request(format!(
                "unable to negotiate protocol: client supports {offered:?}, server accepts {known:?}"
            ))),
        }
    }

    /// Answers the handshake; `serve` runs as a task of its own when the client has heard that.
    pub fn accept<F: Future<Output = ()> + Send + 'static>(
        self,
        protocol: &'static str,
        serve: impl FnOnce(Socket) -> F + Send + 'static,
    ) -> Response {
        let accepted = HeaderValue::from_str(&derive_accept_key(self.key.as_bytes()));
        let mut response =
            respond::bytes(StatusCode::SWITCHING_PROTOCOLS.as_u16(), "text/plain", bytes::Bytes::new());
        let headers = response.headers_mut();
        headers.clear();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        if !self.offered.is_empty() {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
        }
        if let Ok(accepted) = accepted {
            headers.insert(SEC_WEBSOCKET_ACCEPT, accepted);
        }
        tokio::spawn(async move {
            let config = WebSocketConfig::default()
                .max_message_size(Some(MESSAGE_LIMIT))
                .max_frame_size(Some(MESSAGE_LIMIT));
            match self.on.await {
                Ok(upgraded) => {
                    let io = TokioIo::new(upgraded);
                    serve(WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await).await;
                }
                Err(error) => debug!(%error, "connection not upgraded"),
            }
        });
        response
    }
}

/// A message of one of the channels that share a socket: the channel's number comes first.
pub fn on_channel(channel: u8, bytes: &[u8]) -> Message {
    let mut message = BytesMut::with_capacity(bytes.len() + 1);
    message.put_u8(channel);
    message.put_slice(bytes);
    Message::Binary(message.freeze())
}

/// Ends a conversation in order: says so and waits until the client has heard it.
pub async fn farewell(mut socket: Socket) {
    let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    if socket.send(Message::Close(Some(frame))).await.is_err() {
        return;
    }
    let answered = async { while let Some(Ok(_)) = socket.next().await {} };
    let _ = tokio::time::timeout(FAREWELL, answered).await;
}
