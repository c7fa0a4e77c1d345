//! Byte streams between two processes over the bus: ordered, flow-controlled by credit, ended by either side, aware of a dead peer.

mod engine;
mod frame;
mod io;
mod open;

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::sync::mpsc;

use engine::{Command, Credit};
pub use io::StreamIo;
pub use open::Incoming;

/// The largest piece that goes out as one message.
const PIECE: usize = 64 << 10;

/// The other side does not take bytes any more, or the stream has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream is closed")]
pub struct StreamClosed;

/// Bytes in both directions.
pub struct ByteStream {
    sender: StreamSender,
    receiver: StreamReceiver,
}

/// The sending half. Dropping it without `close` tells the other side that this side went away.
pub struct StreamSender {
    commands: mpsc::UnboundedSender<Command>,
    credit: Credit,
    /// The end was said.
    ended: bool,
}

/// The receiving half. Dropping it tells the other side to send no more.
pub struct StreamReceiver {
    incoming: mpsc::UnboundedReceiver<Result<Bytes, String>>,
    commands: mpsc::UnboundedSender<Command>,
    /// Nothing follows.
    ended: bool,
}

impl ByteStream {
    /// Sends bytes; waits while the other side is slow.
    pub async fn send(&mut self, bytes: Bytes) -> Result<(), StreamClosed> {
        self.sender.send(bytes).await
    }

    /// The next bytes; `None` when the other side has closed in order, an error text (and then `None`) if it has not.
    pub async fn recv(&mut self) -> Option<Result<Bytes, String>> {
        self.receiver.recv().await
    }

    /// Ends both directions, in order or with an error for the other side.
    pub async fn close(self, error: Option<String>) {
        self.sender.close(error).await;
    }

    /// Both halves, to be used by two tasks. Each direction ends by itself.
    pub fn split(self) -> (StreamSender, StreamReceiver) {
        (self.sender, self.receiver)
    }
}

impl StreamSender {
    /// Sends bytes; waits while the other side is slow.
    pub async fn send(&mut self, mut bytes: Bytes) -> Result<(), StreamClosed> {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            self.credit.take(piece.len()).await?;
            self.commands.send(Command::Send(piece)).map_err(|_| StreamClosed)?;
        }
        Ok(())
    }

    /// Says that nothing follows, in order or because of an error. The other direction goes on.
    pub async fn close(mut self, error: Option<String>) {
        self.ended = true;
        let _ = self.commands.send(Command::End(error));
    }
}

impl StreamReceiver {
    /// The next bytes; `None` when the other side has closed in order, an error text (and then `None`) if it has not.
    pub async fn recv(&mut self) -> Option<Result<Bytes, String>> {
        std::future::poll_fn(|context| self.poll_recv(context)).await
    }

    /// The same for those who poll.
    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let received = ready!(self.incoming.poll_recv(context));
        match &received {
            Some(Ok(bytes)) => {
                let _ = self.commands.send(Command::Consumed(bytes.len()));
            }
            Some(Err(_)) | None => self.ended = true,
        }
        Poll::Ready(received)
    }
}

impl Drop for StreamSender {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.commands.send(Command::End(Some("the other side went away".to_owned())));
        }
    }
}

impl Drop for StreamReceiver {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Stop);
    }
}
