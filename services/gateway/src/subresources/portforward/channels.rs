//! Forwarded ports without SPDY, as the Python client and others want them: two channels for every port, one connection each.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use futures::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::protocol::Message;

use super::connection::tell_pod;
use crate::context::Context;
use crate::failure::Failure;
use crate::path::Query;
use crate::subresources::target::Target;
use crate::upgrade::{Socket, farewell, on_channel};

/// Ports that one client may name: a channel's number is a byte.
const MOST: usize = 127;
/// Messages that wait for a slow client before pods have to wait.
const WAITING: usize = 64;

/// The ports that the query names.
pub fn ports(query: &Query) -> Result<Vec<u16>, Failure> {
    let named: Vec<&str> = query.all("ports").iter().flat_map(|ports| ports.split(',')).collect();
    if named.is_empty() {
        return Err(Failure::bad_request("query parameter \"ports\" is required"));
    }
    if named.len() > MOST {
        return Err(Failure::bad_request(format!("at most {MOST} ports can be forwarded at once")));
    }
    let port = |text: &str| {
        text.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(|| {
            Failure::bad_request(format!("query parameter \"ports\" has an invalid value \"{text}\""))
        })
    };
    named.into_iter().map(port).collect()
}

/// Forwards until the client goes or every connection has ended.
pub async fn serve(context: Arc<Context>, target: Target, ports: Vec<u16>, mut socket: Socket) {
    let mut pods = Vec::new();
    let mut tasks = Vec::new();
    let (messages, mut waiting) = mpsc::channel(WAITING);
    for (channel, port) in (0_u8..).step_by(2).zip(ports) {
        // Both channels begin with the port's number.
        for begun in [channel, channel.saturating_add(1)] {
            if socket.send(on_channel(begun, &port.to_le_bytes())).await.is_err() {
                return;
            }
        }
        let (to_pod, from_client) = mpsc::channel(WAITING);
        pods.push(to_pod);
        tasks.push(forward(&context, &target, port, channel, from_client, messages.clone()));
    }
    drop(messages);
    let (mut to_client, mut from_client) = socket.split();
    let listen = async {
        while let Some(Ok(received)) = from_client.next().await {
            let bytes = match received {
                Message::Binary(bytes) => bytes,
                Message::Text(text) => Bytes::from(text),
                Message::Close(_) => return,
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
            };
            let pod =
                bytes.first().filter(|channel| *channel % 2 == 0).map(|channel| usize::from(channel / 2));
            if let Some(to_pod) = pod.and_then(|index| pods.get(index)) {
                // A connection that has ended takes nothing.
                let _ = to_pod.send(bytes.slice(1..)).await;
            }
        }
    };
    let speak = async {
        while let Some(message) = waiting.recv().await {
            if to_client.send(message).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = listen => return,
        ((), _) = async { tokio::join!(speak, join_all(tasks)) } => {}
    }
    if let Ok(socket) = to_client.reunite(from_client) {
        farewell(socket).await;
    }
}

/// One connection: bytes in both directions until the pod ends it; what went wrong is said on the next channel.
async fn forward(
    context: &Context,
    target: &Target,
    port: u16,
    channel: u8,
    from_client: mpsc::Receiver<Bytes>,
    messages: mpsc::Sender<Message>,
) {
    let failed = match context.dialer.pod(target, port).await {
        Ok(stream) => {
            let (to_pod, mut from_pod) = stream.split();
            let answer = async {
                while let Some(piece) = from_pod.recv().await {
                    let _ = messages.send(on_channel(channel, &piece?)).await;
                }
                Ok::<(), String>(())
            };
            tokio::select! {
                ended = answer => ended.err(),
                never = tell_pod(from_client, to_pod) => match never {},
            }
        }
        Err(error) => Some(target.unreachable(&error).status.message),
    };
    if let Some(why) = failed {
        let why = format!("error forwarding port {port} to pod {}, uid {}: {why}", target.pod, target.uid);
        let _ = messages.send(on_channel(channel.saturating_add(1), why.as_bytes())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read() {
        let read = |query| ports(&Query::parse(query)).map_err(|failure| failure.status.message);
        assert_eq!(read("ports=80&ports=443,8080"), Ok(vec![80, 443, 8080]));
        assert_eq!(read("").unwrap_err(), "query parameter \"ports\" is required");
        for wrong in ["ports=0", "ports=65536", "ports=http", "ports=80,"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(read(&format!("ports={}", ["1"; 128].join(","))).is_err());
    }
}
