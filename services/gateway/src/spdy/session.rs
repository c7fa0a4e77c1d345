//! A client that speaks SPDY: the frames that it sends, and an outbox for those who answer it.

use std::pin::pin;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tracing::debug;

use super::{Frame, Reader, Violation, Writer};
use crate::upgrade::{FAREWELL, Gone, Incoming, Outgoing, Pipe};

/// Frames that wait for a slow client before those who answer it have to wait.
const WAITING: usize = 64;

/// What the client says.
pub struct Frames {
    incoming: Incoming,
    reader: Reader,
    outbox: Outbox,
}

/// The way to the client, for any number of tasks: frames that tune the connection overtake those with bytes.
#[derive(Clone)]
pub struct Outbox {
    control: mpsc::Sender<Frame>,
    data: mpsc::Sender<Frame>,
}

impl Frames {
    /// The next frame; `None` when the client has gone or is not understood. Pings are answered here.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            match self.reader.next_frame() {
                Ok(Some(Frame::Ping(id))) => self.outbox.answer(Frame::Ping(id)).await,
                Ok(Some(frame)) => return Some(frame),
                Ok(None) => self.reader.push(&self.incoming.next().await?),
                Err(violation) => return refused(violation),
            }
        }
    }
}

fn refused(violation: Violation) -> Option<Frame> {
    debug!(%violation, "a client is not understood");
    None
}

impl Outbox {
    /// Sends a frame that carries no bytes. A client that is gone is noticed by those who listen to it.
    pub async fn answer(&self, frame: Frame) {
        let _ = self.control.send(frame).await;
    }

    /// Sends bytes of a stream, and that nothing follows.
    pub async fn say(&self, stream: u32, bytes: Bytes, end: bool) -> Result<(), Gone> {
        self.data.send(Frame::Data { stream, bytes, end }).await.map_err(|_| Gone)
    }
}

/// Serves a client: `talk` has its frames and gives them back when it is done. What is in the outbox then is still sent.
pub async fn serve<F: Future<Output = Frames>>(pipe: Pipe, talk: impl FnOnce(Frames, Outbox) -> F) {
    let (control, control_frames) = mpsc::channel(WAITING);
    let (data, data_frames) = mpsc::channel(WAITING);
    let outbox = Outbox { control, data };
    let frames = Frames { incoming: pipe.incoming, reader: Reader::new(), outbox: outbox.clone() };
    let mut talking = pin!(talk(frames, outbox));
    let mut speaking = pin!(speak(pipe.outgoing, control_frames, data_frames));
    let mut incoming = tokio::select! {
        frames = &mut talking => frames.incoming,
        // Dropping the talk ends it.
        _ = &mut speaking => return,
    };
    let Some(mut outgoing) = speaking.await else { return };
    let farewell = async {
        if outgoing.close().await.is_ok() {
            while incoming.next().await.is_some() {}
        }
    };
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}

/// Sends frames until nobody has any more; `None` if the client goes before.
async fn speak(
    mut outgoing: Outgoing,
    mut control: mpsc::Receiver<Frame>,
    mut data: mpsc::Receiver<Frame>,
) -> Option<Outgoing> {
    let mut writer = Writer::new();
    loop {
        let frame = tokio::select! {
            biased;
            Some(frame) = control.recv() => frame,
            Some(frame) = data.recv() => frame,
            else => break,
        };
        outgoing.send(writer.encode(&frame)).await.ok()?;
    }
    outgoing.send(writer.encode(&Frame::GoAway)).await.ok()?;
    Some(outgoing)
}
