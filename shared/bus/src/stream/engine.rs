//! The task behind one end of a byte stream: numbers what goes out, checks what comes in, keeps the other side alive to us.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::frame::Frame;
use super::{ByteStream, StreamClosed, StreamReceiver, StreamSender};
use crate::metrics;

/// So many bytes may be on their way to a reader.
pub(super) const WINDOW: usize = 1 << 20;
/// Read bytes are credited when so many have come together.
const CREDIT_STEP: usize = WINDOW / 4;
/// How often we say that we live.
const PING_EVERY: Duration = Duration::from_secs(2);
/// Silence for so long means that the other side is dead.
const DEAD_AFTER: Duration = Duration::from_secs(9);

/// What the halves ask of the task.
pub(super) enum Command {
    Send(Bytes),
    /// Nothing follows.
    End(Option<String>),
    /// So many received bytes were read.
    Consumed(usize),
    /// Nobody reads any more.
    Stop,
}

/// Permission to send bytes.
#[derive(Clone)]
pub(super) struct Credit(Arc<Semaphore>);

impl Credit {
    pub(super) async fn take(&self, bytes: usize) -> Result<(), StreamClosed> {
        let permits = u32::try_from(bytes).map_err(|_| StreamClosed)?;
        self.0.acquire_many(permits).await.map_err(|_| StreamClosed)?.forget();
        Ok(())
    }
}

/// One end's state.
struct Engine {
    client: Client,
    peer: String,
    credit: Credit,
    /// To the reader; `None` when nothing more is to be told.
    incoming: Option<mpsc::UnboundedSender<Result<Bytes, String>>>,
    sent: u64,
    received: u64,
    /// Read but not credited.
    consumed: usize,
    /// We have said `End`, or were told to stop.
    done_sending: bool,
    /// The other side has said `End`, or nobody here reads.
    done_receiving: bool,
}

/// Starts the task of one end; `frames` is where the other side's frames arrive.
pub(super) fn start(client: Client, peer: String, frames: Subscriber) -> ByteStream {
    let credit = Credit(Arc::new(Semaphore::new(WINDOW)));
    let (to_reader, incoming) = mpsc::unbounded_channel();
    let (commands, asked) = mpsc::unbounded_channel();
    let engine = Engine {
        client,
        peer,
        credit: credit.clone(),
        incoming: Some(to_reader),
        sent: 0,
        received: 0,
        consumed: 0,
        done_sending: false,
        done_receiving: false,
    };
    tokio::spawn(engine.run(frames, asked));
    let sender = StreamSender { commands: commands.clone(), credit, ended: false };
    ByteStream { sender, receiver: StreamReceiver { incoming, commands, ended: false } }
}

impl Engine {
    async fn run(mut self, mut frames: Subscriber, mut asked: mpsc::UnboundedReceiver<Command>) {
        let mut ping = interval(PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut dead_at = Instant::now() + DEAD_AFTER;
        while !(self.done_sending && self.done_receiving) {
            tokio::select! {
                message = frames.next() => {
                    dead_at = Instant::now() + DEAD_AFTER;
                    match message {
                        Some(message) if message.status.is_some() => self.fail("the other side is gone"),
                        Some(message) => self.receive(&message.payload).await,
                        None => self.fail("the connection to the bus is closed"),
                    }
                }
                command = asked.recv() => match command {
                    Some(command) => self.perform(command).await,
                    None => return,
                },
                _ = ping.tick() => self.say(&Frame::Ping).await,
                () = sleep_until(dead_at) => self.fail("the other side is silent"),
            }
        }
        self.credit.0.close();
        // This may be the last user of the connection, which then closes without looking back.
        let _ = timeout(DEAD_AFTER, self.client.flush()).await;
    }

    async fn receive(&mut self, payload: &Bytes) {
        metrics::received(&self.peer);
        match Frame::decode(payload) {
            Some(Frame::Data(number, _)) if number != self.received => {
                self.fail("bytes were lost");
            }
            Some(Frame::Data(_, data)) => {
                self.received += 1;
                let delivered = self.incoming.as_ref().is_some_and(|reader| reader.send(Ok(data)).is_ok());
                if !delivered && !self.done_receiving {
                    self.done_receiving = true;
                    self.say(&Frame::Stop).await;
                }
            }
            Some(Frame::Credit(bytes)) => {
                self.credit.0.add_permits(usize::try_from(bytes).unwrap_or_default())
            }
            Some(Frame::End(number, None)) if number != self.received => self.fail("bytes were lost"),
            Some(Frame::End(_, error)) => {
                if let (Some(reader), Some(error)) = (self.incoming.take(), error) {
                    let _ = reader.send(Err(error));
                }
                self.done_receiving = true;
            }
            Some(Frame::Stop) => {
                self.done_sending = true;
                self.credit.0.close();
            }
            Some(Frame::Refuse(reason)) => self.fail(&reason),
            Some(Frame::Accept | Frame::Ping) | None => {}
        }
    }

    async fn perform(&mut self, command: Command) {
        match command {
            Command::Send(data) => {
                if !self.done_sending {
                    let number = self.sent;
                    self.sent += 1;
                    self.say(&Frame::Data(number, data)).await;
                }
            }
            Command::End(error) => {
                if !self.done_sending {
                    self.done_sending = true;
                    self.say(&Frame::End(self.sent, error)).await;
                }
            }
            Command::Consumed(bytes) => {
                self.consumed += bytes;
                if self.consumed >= CREDIT_STEP && !self.done_receiving {
                    let credit = u32::try_from(std::mem::take(&mut self.consumed)).unwrap_or(u32::MAX);
                    self.say(&Frame::Credit(credit)).await;
                }
            }
            Command::Stop => {
                self.incoming = None;
                if !self.done_receiving {
                    self.done_receiving = true;
                    self.say(&Frame::Stop).await;
                }
            }
        }
    }

    /// Ends both directions here; the reader is told why.
    fn fail(&mut self, reason: &str) {
        if let Some(reader) = self.incoming.take() {
            let _ = reader.send(Err(reason.to_owned()));
        }
        (self.done_sending, self.done_receiving) = (true, true);
    }

    async fn say(&mut self, frame: &Frame) {
        metrics::sent(&self.peer);
        if self.client.publish(self.peer.clone(), frame.encode()).await.is_err() {
            self.fail("the connection to the bus is closed");
        }
    }
}
