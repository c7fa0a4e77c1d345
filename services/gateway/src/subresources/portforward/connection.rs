//! Forwarded connections: each is a stream to the pod's agent and a task that passes its bytes to the client.

use std::collections::HashMap;
use std::sync::Arc;

use bus::{StreamReceiver, StreamSender};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::context::Context;
use crate::spdy::Frame;
use crate::spdy::session::Outbox;
use crate::subresources::target::Target;

/// Pieces that may wait for a slow pod before the client has to wait.
const WAITING: usize = 64;
/// Connections that one client may have at once.
const MOST: usize = 1_000;

/// One connection into the pod.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// The stream of its bytes.
    pub data: u32,
    /// The stream of what went wrong.
    pub error: u32,
    /// The port in the pod.
    pub port: u16,
}

/// All connections of a client. Dropping them ends them.
pub struct Connections {
    context: Arc<Context>,
    target: Target,
    outbox: Outbox,
    /// By data stream.
    open: HashMap<u32, Open>,
}

/// The way to a connection's task.
struct Open {
    /// Towards the pod; `None` when nothing follows.
    bytes: Option<mpsc::Sender<Bytes>>,
    /// Passes bytes on until the connection ends.
    task: JoinHandle<()>,
    /// Ends the task when dropped.
    alive: DropGuard,
}

impl Connections {
    /// None yet.
    pub fn new(context: Arc<Context>, target: Target, outbox: Outbox) -> Self {
        Self { context, target, outbox, open: HashMap::new() }
    }

    /// Sends a frame that does not belong to a connection's bytes.
    pub async fn answer(&self, frame: Frame) {
        self.outbox.answer(frame).await;
    }

    /// Whether the client has as many connections as it may have. Those that have ended are forgotten.
    pub fn are_enough(&mut self) -> bool {
        self.open.retain(|_, open| !open.task.is_finished());
        self.open.len() >= MOST
    }

    /// Starts a connection.
    pub fn open(&mut self, connection: Connection) {
        let (bytes, from_client) = mpsc::channel(WAITING);
        let gone = CancellationToken::new();
        let task = Task {
            context: Arc::clone(&self.context),
            target: self.target.clone(),
            connection,
            outbox: self.outbox.clone(),
        };
        let task = tokio::spawn(task.run(from_client, gone.clone()));
        self.open.insert(connection.data, Open { bytes: Some(bytes), task, alive: gone.drop_guard() });
    }

    /// Passes the client's bytes on; what belongs to no connection is dropped.
    pub async fn pass_on(&mut self, stream: u32, piece: Bytes) {
        if let Some(Open { bytes: Some(bytes), .. }) = self.open.get(&stream)
            && !piece.is_empty()
        {
            let _ = bytes.send(piece).await;
        }
    }

    /// The client sends nothing more on a stream.
    pub fn end(&mut self, stream: u32) {
        if let Some(open) = self.open.get_mut(&stream) {
            open.bytes = None;
        }
    }

    /// The client has given a stream up.
    pub fn reset(&mut self, stream: u32) {
        if let Some(open) = self.open.remove(&stream) {
            drop(open.alive);
        }
    }
}

/// What one connection's task works with.
struct Task {
    context: Arc<Context>,
    target: Target,
    connection: Connection,
    outbox: Outbox,
}

impl Task {
    async fn run(self, from_client: mpsc::Receiver<Bytes>, gone: CancellationToken) {
        let ended = tokio::select! {
            ended = self.forward(from_client) => ended,
            () = gone.cancelled() => Ok(()),
        };
        let why = ended.err().map(|why| {
            let Target { pod, uid, .. } = &self.target;
            format!("error forwarding port {} to pod {pod}, uid {uid}: {why}", self.connection.port)
        });
        // The client waits for the end of both streams, and reads the error stream last.
        self.say(self.connection.error, Bytes::from(why.unwrap_or_default()), true).await;
        self.say(self.connection.data, Bytes::new(), true).await;
    }

    /// Connects and passes bytes on until the pod ends the connection.
    async fn forward(&self, from_client: mpsc::Receiver<Bytes>) -> Result<(), String> {
        let opened = self.context.dialer.pod(&self.target, self.connection.port).await;
        let stream = opened.map_err(|error| self.target.unreachable(&error).status.message)?;
        let (to_pod, from_pod) = stream.split();
        tokio::select! {
            ended = self.tell_client(from_pod) => ended,
            never = tell_pod(from_client, to_pod) => match never {},
        }
    }

    async fn tell_client(&self, mut from_pod: StreamReceiver) -> Result<(), String> {
        while let Some(piece) = from_pod.recv().await {
            self.say(self.connection.data, piece?, false).await;
        }
        Ok(())
    }

    async fn say(&self, stream: u32, bytes: Bytes, end: bool) {
        // A client that is gone takes this task with it.
        let _ = self.outbox.say(stream, bytes, end).await;
    }
}

/// Passes the client's bytes on; the pod may go on when the client has no more.
pub async fn tell_pod(
    mut from_client: mpsc::Receiver<Bytes>,
    mut to_pod: StreamSender,
) -> std::convert::Infallible {
    while let Some(piece) = from_client.recv().await {
        if to_pod.send(piece).await.is_err() {
            break;
        }
    }
    to_pod.close(None).await;
    std::future::pending().await
}
