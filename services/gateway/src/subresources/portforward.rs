//! `pods/portforward`: SPDY/3.1 inside a WebSocket, a pair of streams for every connection into the pod; or plain channels.

mod channels;
mod connection;
mod pairs;

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::protocol::Message;
use tracing::debug;

use super::target::{self, Target};
use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::respond::Response;
use crate::spdy::{Frame, Reader, Violation, Writer};
use crate::upgrade::{Socket, farewell};
use connection::{Connection, Connections};
use pairs::{Pairs, Step};

const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";
/// Two channels for every port that the query names.
const CHANNELS: &str = "v4.channel.k8s.io";
/// Frames that wait for a slow client before pods have to wait.
const WAITING: usize = 64;
/// SPDY's word for a stream that is not as agreed.
const PROTOCOL_ERROR: u32 = 1;

/// Answers `portforward`.
pub fn answer(context: &Arc<Context>, mut call: Call) -> Result<Response, Failure> {
    let (target, _) = Target::of(context, &call)?;
    let upgrade = target::upgrade(&mut call)?;
    let protocol = upgrade.protocol(&[TUNNEL, CHANNELS])?;
    let ports = if protocol == CHANNELS { Some(channels::ports(&call.query)?) } else { None };
    let context = Arc::clone(context);
    Ok(upgrade.accept(protocol, move |socket| async move {
        let stopping = context.stopping.clone();
        let served = async {
            match ports {
                Some(ports) => channels::serve(context, target, ports, socket).await,
                None => serve(context, target, socket).await,
            }
        };
        tokio::select! {
            () = served => {}
            () = stopping.cancelled() => {}
        }
    }))
}

/// What tasks send to the client: frames that tune the connection overtake those with bytes.
#[derive(Clone)]
struct Outbox {
    control: mpsc::UnboundedSender<Frame>,
    data: mpsc::Sender<Frame>,
}

async fn serve(context: Arc<Context>, target: Target, socket: Socket) {
    let (control, control_frames) = mpsc::unbounded_channel();
    let (data, data_frames) = mpsc::channel(WAITING);
    let outbox = Outbox { control, data };
    let (mut to_client, from_client) = socket.split();
    // Dropping the connections with this ends their tasks.
    let mut connections = Connections::new(context, target, outbox);
    tokio::select! {
        ended = listen(from_client, &mut connections) => match ended {
            (Ok(()), _) => {}
            (Err(violation), from_client) => {
                debug!(%violation, "a client's port-forward is not understood");
                if let Ok(socket) = to_client.reunite(from_client) {
                    farewell(socket).await;
                }
            }
        },
        () = speak(&mut to_client, control_frames, data_frames) => {}
    }
}

/// Reads frames until the client goes.
async fn listen(
    mut from_client: SplitStream<Socket>,
    connections: &mut Connections,
) -> (Result<(), Violation>, SplitStream<Socket>) {
    let (mut reader, mut pairs) = (Reader::new(), Pairs::default());
    while let Some(Ok(message)) = from_client.next().await {
        match message {
            Message::Binary(bytes) => reader.push(&bytes),
            Message::Close(_) => break,
            Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => take(frame, &mut pairs, connections).await,
                Ok(None) => break,
                Err(violation) => return (Err(violation), from_client),
            }
        }
    }
    (Ok(()), from_client)
}

async fn take(frame: Frame, pairs: &mut Pairs, connections: &mut Connections) {
    match frame {
        Frame::Open { stream, headers, end } => match pairs.open(stream, &headers) {
            Step::Refuse => connections.answer(Frame::Reset { stream, status: PROTOCOL_ERROR }),
            Step::Wait => connections.answer(Frame::Reply { stream }),
            Step::Connect { data, error, port } => {
                connections.answer(Frame::Reply { stream });
                connections.open(Connection { data, error, port });
                if end && stream == data {
                    connections.end(data);
                }
            }
        },
        Frame::Data { stream, bytes, end } => {
            connections.pass_on(stream, bytes).await;
            if end {
                connections.end(stream);
            }
        }
        Frame::Reset { stream, .. } => {
            pairs.forget(stream);
            connections.reset(stream);
        }
        Frame::Ping(id) => connections.answer(Frame::Ping(id)),
        Frame::Reply { .. } | Frame::GoAway => {}
    }
}

/// Sends frames until the client goes.
async fn speak(
    to_client: &mut SplitSink<Socket, Message>,
    mut control: mpsc::UnboundedReceiver<Frame>,
    mut data: mpsc::Receiver<Frame>,
) {
    let mut writer = Writer::new();
    loop {
        let frame = tokio::select! {
            biased;
            frame = control.recv() => frame,
            frame = data.recv() => frame,
        };
        let Some(frame) = frame else { return };
        let bytes: Bytes = writer.encode(&frame);
        if to_client.send(Message::Binary(bytes)).await.is_err() {
            return;
        }
    }
}
