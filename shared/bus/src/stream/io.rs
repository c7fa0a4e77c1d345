//! A byte stream as what tokio reads from and writes to, for protocols that were written for sockets.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{ByteStream, PIECE, StreamClosed, StreamReceiver, StreamSender};

/// Reads and writes a byte stream. Dropping it without a shutdown tells the other side that this side went away.
pub struct StreamIo {
    receiver: StreamReceiver,
    /// What was received and not read yet.
    rest: Bytes,
    writer: Writer,
}

/// A piece on its way; gives the sender back.
type Sent = Pin<Box<dyn Future<Output = (StreamSender, Result<(), StreamClosed>)> + Send>>;

/// The sending half between two calls.
enum Writer {
    Idle(StreamSender),
    /// A piece waits for the other side to take it.
    Sending(Sent),
    Closing(Pin<Box<dyn Future<Output = ()> + Send>>),
    Closed,
}

impl ByteStream {
    /// The same stream, to be read and written as a socket is.
    pub fn into_io(self) -> StreamIo {
        let (sender, receiver) = self.split();
        StreamIo { receiver, rest: Bytes::new(), writer: Writer::Idle(sender) }
    }
}

impl StreamIo {
    /// Waits until the last piece is on its way.
    fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Writer::Sending(sending) = &mut self.writer {
            let (sender, sent) = ready!(sending.as_mut().poll(context));
            self.writer = Writer::Idle(sender);
            sent.map_err(|error| io::Error::new(io::ErrorKind::BrokenPipe, error))?;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for StreamIo {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.rest.is_empty() {
            match ready!(this.receiver.poll_recv(context)) {
                Some(Ok(bytes)) => this.rest = bytes,
                Some(Err(why)) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionReset, why)));
                }
                None => return Poll::Ready(Ok(())),
            }
        }
        let taken = this.rest.len().min(buffer.remaining());
        this.rest.copy_to_slice(buffer.initialize_unfilled_to(taken));
        buffer.advance(taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for StreamIo {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_idle(context))?;
        let Writer::Idle(mut sender) = std::mem::replace(&mut this.writer, Writer::Closed) else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let (piece, _) = bytes.split_at(bytes.len().min(PIECE));
        let piece = Bytes::copy_from_slice(piece);
        let taken = piece.len();
        this.writer = Writer::Sending(Box::pin(async move {
            let sent = sender.send(piece).await;
            (sender, sent)
        }));
        // Begins at once; what cannot go out yet is finished before the next piece.
        match this.poll_idle(context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(taken)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_idle(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_idle(context))?;
        this.writer = match std::mem::replace(&mut this.writer, Writer::Closed) {
            Writer::Idle(sender) => Writer::Closing(Box::pin(sender.close(None))),
            other => other,
        };
        if let Writer::Closing(closing) = &mut this.writer {
            ready!(closing.as_mut().poll(context));
            this.writer = Writer::Closed;
        }
        Poll::Ready(Ok(()))
    }
}
