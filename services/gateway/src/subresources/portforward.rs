//! `pods/portforward`: SPDY/3.1, bare or inside a WebSocket, a pair of streams for every connection into the pod; or plain channels.

mod channels;
mod connection;
pub mod pairs;

use std::sync::Arc;

use super::target::{self, Target};
use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::respond::Response;
use crate::spdy::session::{self, Frames};
use crate::spdy::{Frame, PROTOCOL_ERROR, REFUSED_STREAM};
use crate::upgrade::{Pipe, Upgrade};
use connection::{Connection, Connections};
use pairs::{Pairs, Step};

/// What is said in streams.
const STREAMS: &str = "portforward.k8s.io";
/// The same, in a tunnel.
const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";
/// Two channels for every port that the query names.
const CHANNELS: &str = "v4.channel.k8s.io";

/// Answers `portforward`.
pub fn answer(context: &Arc<Context>, mut call: Call) -> Result<Response, Failure> {
    let (target, _) = Target::of(context, &call)?;
    let upgrade = target::upgrade(&mut call)?;
    let context = Arc::clone(context);
    let stopping = context.stopping.clone();
    match upgrade {
        Upgrade::Spdy(upgrade) => {
            let protocol = upgrade.protocol(&[STREAMS])?;
            Ok(upgrade.accept(protocol, move |pipe| async move {
                stopping.run_until_cancelled(serve(context, target, pipe)).await;
            }))
        }
        Upgrade::WebSocket(upgrade) => {
            let protocol = upgrade.protocol(&[TUNNEL, CHANNELS])?;
            let ports = if protocol == CHANNELS { Some(channels::ports(&call.query)?) } else { None };
            Ok(upgrade.accept(protocol, move |socket| async move {
                let served = async {
                    match ports {
                        Some(ports) => channels::serve(context, target, ports, socket).await,
                        None => serve(context, target, Pipe::tunnel(socket)).await,
                    }
                };
                stopping.run_until_cancelled(served).await;
            }))
        }
    }
}

async fn serve(context: Arc<Context>, target: Target, pipe: Pipe) {
    session::serve(pipe, |frames, outbox| listen(frames, Connections::new(context, target, outbox))).await;
}

/// Reads frames until the client goes. Dropping the connections with this ends their tasks.
async fn listen(mut frames: Frames, mut connections: Connections) -> Frames {
    let mut pairs = Pairs::default();
    while let Some(frame) = frames.next().await {
        take(frame, &mut pairs, &mut connections).await;
    }
    frames
}

async fn take(frame: Frame, pairs: &mut Pairs, connections: &mut Connections) {
    match frame {
        Frame::Open { stream, .. } if connections.are_enough() => {
            connections.answer(Frame::Reset { stream, status: REFUSED_STREAM }).await;
        }
        Frame::Open { stream, headers, end } => match pairs.open(stream, &headers) {
            Step::Refuse => connections.answer(Frame::Reset { stream, status: PROTOCOL_ERROR }).await,
            Step::Wait => connections.answer(Frame::Reply { stream }).await,
            Step::Connect { data, error, port } => {
                connections.answer(Frame::Reply { stream }).await;
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
        Frame::Ping(_) | Frame::Reply { .. } | Frame::GoAway => {}
    }
}
