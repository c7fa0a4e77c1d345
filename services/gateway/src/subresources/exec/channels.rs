//! A conversation over a WebSocket: the first byte of a message names its channel.

use api::conversation::Said;
use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::protocol::Message;

use super::{Ear, Mouth, Output, Wish, resize, stdin};
use crate::upgrade::{Gone, Socket, farewell, on_channel};

/// The subprotocols, the default first. The fifth version lets the client end standard input.
pub const PROTOCOLS: [&str; 2] = ["v4.channel.k8s.io", "v5.channel.k8s.io"];

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
/// How it ended, as a `Status`.
const STATUS: u8 = 3;
const RESIZE: u8 = 4;
/// Followed by the number of the channel that ends.
const CLOSE: u8 = 255;

/// Serves a client until the process ends or the client goes.
pub(super) async fn serve(wish: Wish, mut socket: Socket) {
    // Some clients take the conversation as open only when they hear something, so they hear nothing.
    if socket.send(on_channel(STDOUT, b"")).await.is_err() {
        return;
    }
    let (mut to_client, mut from_client) = socket.split();
    let ending = wish.converse(&mut from_client, &mut to_client).await;
    if let (Some(ending), Ok(mut socket)) = (ending, to_client.reunite(from_client))
        && socket.send(on_channel(STATUS, ending.status().to_string().as_bytes())).await.is_ok()
    {
        farewell(socket).await;
    }
}

impl Ear for SplitStream<Socket> {
    async fn hear(&mut self) -> Option<Vec<Said>> {
        Some(match self.next().await?.ok()? {
            Message::Binary(bytes) => read(&bytes),
            Message::Text(text) => read(&Bytes::from(text)),
            Message::Close(_) => return None,
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Vec::new(),
        })
    }
}

impl Mouth for SplitSink<Socket, Message> {
    async fn say(&mut self, from: Output, bytes: Bytes) -> Result<(), Gone> {
        let channel = match from {
            Output::Stdout => STDOUT,
            Output::Stderr => STDERR,
        };
        self.send(on_channel(channel, &bytes)).await.map_err(|_| Gone)
    }
}

/// What a message of the client means.
fn read(message: &Bytes) -> Vec<Said> {
    match message.split_first() {
        Some((&STDIN, _)) => stdin(message.slice(1..)).collect(),
        Some((&CLOSE, [STDIN, ..])) => vec![Said::StdinEnds],
        Some((&RESIZE, size)) => {
            serde_json::from_slice(size).ok().and_then(|size| resize(&size)).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::PIECE;
    use super::*;

    #[test]
    fn messages_of_clients_are_read() {
        let read = |message: &[u8]| read(&Bytes::copy_from_slice(message));
        assert_eq!(read(b"\x00ls\n"), [Said::Stdin(Bytes::from_static(b"ls\n"))]);
        assert_eq!(read(&[vec![0], vec![b'x'; PIECE + 1]].concat()).len(), 2);
        assert_eq!(read(&[CLOSE, STDIN]), [Said::StdinEnds]);
        assert_eq!(read(b"\x04{\"Width\":80,\"Height\":24}"), [Said::Resize { width: 80, height: 24 }]);
        for ignored in [
            &b""[..],
            b"\x00",
            b"\xff",
            b"\xff\x01",
            b"\x04{}",
            b"\x04{\"Width\":-1,\"Height\":99999}",
            b"\x09x",
        ] {
            assert_eq!(read(ignored), []);
        }
    }
}
