//! A conversation in SPDY's streams, each of which says what it is for.

use std::collections::HashMap;
use std::time::Duration;

use api::conversation::Said;
use api::messages::ExecRequest;
use bytes::{Buf, Bytes, BytesMut};
use serde_json::Value;

use super::ending::Ending;
use super::{Ear, Mouth, Output, Wish, resize, stdin};
use crate::spdy::session::{self, Frames, Outbox};
use crate::spdy::{Frame, Headers, PROTOCOL_ERROR};
use crate::upgrade::{Gone, Pipe};

/// The versions, best first. The fourth says how it ended as a `Status`, the third lets a terminal change its size.
pub const PROTOCOLS: [&str; 4] =
    ["v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"];

/// How long a client may take to open its streams, as in Kubernetes.
const OPENING: Duration = Duration::from_secs(30);
/// Input that may arrive before all streams are open.
const EARLY: usize = 1 << 20;
/// The longest text that says a terminal's size.
const SIZE: usize = 4 * 1024;

/// Serves a client until the process ends or the client goes.
pub(super) async fn serve(wish: Wish, protocol: &'static str, pipe: Pipe) {
    session::serve(pipe, |frames, outbox| talk(wish, protocol, frames, outbox)).await;
}

async fn talk(wish: Wish, protocol: &'static str, frames: Frames, outbox: Outbox) -> Frames {
    let streams = Streams::wanted(&wish.request, protocol);
    let mut client = Client { frames, outbox: outbox.clone(), streams, early: Vec::new() };
    if let Ok(Some(())) = tokio::time::timeout(OPENING, client.open()).await {
        let mut mouth = Written { outbox: outbox.clone(), streams: client.streams.output() };
        if let Some(ending) = wish.converse(&mut client, &mut mouth).await {
            // A client that went has no use for it.
            let _ = end(&outbox, &client.streams, &ending, protocol == "v4.channel.k8s.io").await;
        }
    }
    client.frames
}

/// Says how it ended, then that nothing follows on any stream.
async fn end(outbox: &Outbox, streams: &Streams, ending: &Ending, as_status: bool) -> Result<(), Gone> {
    let why = if as_status { ending.status().to_string() } else { ending.message() };
    let mut why = Some(Bytes::from(why));
    for purpose in [Purpose::Error, Purpose::Stdout, Purpose::Stderr, Purpose::Stdin, Purpose::Resize] {
        if let Some(stream) = streams.number(purpose) {
            outbox.say(stream, why.take().unwrap_or_default(), true).await?;
        }
    }
    Ok(())
}

/// What a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// How it ended.
    Error,
    /// What the process reads.
    Stdin,
    /// What it writes.
    Stdout,
    /// Its complaints.
    Stderr,
    /// Sizes of the terminal.
    Resize,
}

/// The streams that a client has opened, and those that it has still to open.
#[derive(Debug, Default)]
pub struct Streams {
    missing: Vec<Purpose>,
    open: HashMap<u32, Purpose>,
    /// The begin of a terminal's next size.
    size: BytesMut,
}

impl Streams {
    /// None is open yet.
    pub fn wanted(request: &ExecRequest, protocol: &str) -> Self {
        let sized = request.tty && matches!(protocol, "v4.channel.k8s.io" | "v3.channel.k8s.io");
        let all = [
            (true, Purpose::Error),
            (request.stdin, Purpose::Stdin),
            (request.stdout, Purpose::Stdout),
            (request.stderr, Purpose::Stderr),
            (sized, Purpose::Resize),
        ];
        let missing = all.into_iter().filter_map(|(wanted, purpose)| wanted.then_some(purpose)).collect();
        Self { missing, ..Self::default() }
    }

    /// A stream was opened; whether it is one of those that are missing.
    pub fn open(&mut self, stream: u32, headers: &Headers) -> bool {
        let purpose = match headers.get("streamtype").map(String::as_str) {
            Some("error") => Purpose::Error,
            Some("stdin") => Purpose::Stdin,
            Some("stdout") => Purpose::Stdout,
            Some("stderr") => Purpose::Stderr,
            Some("resize") => Purpose::Resize,
            _ => return false,
        };
        let missing = self.missing.iter().position(|missing| *missing == purpose);
        let Some(at) = missing.filter(|_| !self.open.contains_key(&stream)) else { return false };
        self.missing.swap_remove(at);
        self.open.insert(stream, purpose);
        true
    }

    /// Whether all are open.
    pub fn complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// What bytes on a stream mean.
    pub fn read(&mut self, stream: u32, bytes: Bytes, end: bool) -> Vec<Said> {
        match self.open.get(&stream) {
            Some(Purpose::Stdin) => stdin(bytes).chain(end.then_some(Said::StdinEnds)).collect(),
            Some(Purpose::Resize) => self.sizes(&bytes),
            Some(Purpose::Error | Purpose::Stdout | Purpose::Stderr) | None => Vec::new(),
        }
    }

    /// The sizes that are complete now: JSON, one after another. What is no size ends them.
    fn sizes(&mut self, bytes: &[u8]) -> Vec<Said> {
        let room = SIZE.saturating_sub(self.size.len());
        self.size.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
        let mut values = serde_json::Deserializer::from_slice(&self.size).into_iter::<Value>();
        let (mut said, mut read) = (Vec::new(), 0);
        while let Some(Ok(size)) = values.next() {
            read = values.byte_offset();
            said.extend(resize(&size));
        }
        self.size.advance(read);
        said
    }

    fn number(&self, purpose: Purpose) -> Option<u32> {
        self.open.iter().find_map(|(stream, open)| (*open == purpose).then_some(*stream))
    }

    fn output(&self) -> [Option<u32>; 2] {
        [Purpose::Stdout, Purpose::Stderr].map(|purpose| self.number(purpose))
    }
}

/// What the client says.
struct Client {
    frames: Frames,
    outbox: Outbox,
    streams: Streams,
    /// Said before all streams were open.
    early: Vec<Said>,
}

impl Client {
    /// Waits until all streams are open; `None` if the client goes or says too much before.
    async fn open(&mut self) -> Option<()> {
        let mut early = 0;
        while !self.streams.complete() {
            let frame = self.frames.next().await?;
            if let Frame::Data { bytes, .. } = &frame {
                early += bytes.len() + 1;
            }
            if early > EARLY {
                return None;
            }
            let said = self.take(frame).await;
            self.early.extend(said);
        }
        Some(())
    }

    async fn take(&mut self, frame: Frame) -> Vec<Said> {
        match frame {
            Frame::Open { stream, headers, end } => {
                if !self.streams.open(stream, &headers) {
                    self.outbox.answer(Frame::Reset { stream, status: PROTOCOL_ERROR }).await;
                    return Vec::new();
                }
                self.outbox.answer(Frame::Reply { stream }).await;
                self.streams.read(stream, Bytes::new(), end)
            }
            Frame::Data { stream, bytes, end } => self.streams.read(stream, bytes, end),
            Frame::Reset { stream, .. } => self.streams.read(stream, Bytes::new(), true),
            Frame::Reply { .. } | Frame::Ping(_) | Frame::GoAway => Vec::new(),
        }
    }
}

impl Ear for Client {
    async fn hear(&mut self) -> Option<Vec<Said>> {
        if !self.early.is_empty() {
            return Some(std::mem::take(&mut self.early));
        }
        let frame = self.frames.next().await?;
        Some(self.take(frame).await)
    }
}

/// Where the client hears what the process writes.
struct Written {
    outbox: Outbox,
    streams: [Option<u32>; 2],
}

impl Mouth for Written {
    async fn say(&mut self, from: Output, bytes: Bytes) -> Result<(), Gone> {
        let [stdout, stderr] = self.streams;
        let stream = match from {
            Output::Stdout => stdout,
            Output::Stderr => stderr,
        };
        match stream {
            Some(stream) => self.outbox.say(stream, bytes, false).await,
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(stdin: bool, tty: bool) -> ExecRequest {
        ExecRequest {
            namespace: "default".to_owned(),
            pod: "web".to_owned(),
            uid: api::Uid::from("u"),
            container: "a".to_owned(),
            command: vec!["sh".to_owned()],
            stdin,
            stdout: true,
            stderr: !tty,
            tty,
        }
    }

    fn open(streams: &mut Streams, stream: u32, purpose: &str) -> bool {
        streams.open(stream, &Headers::from([("streamtype".to_owned(), purpose.to_owned())]))
    }

    #[test]
    fn streams_that_were_asked_for_are_opened_once_each() {
        let mut streams = Streams::wanted(&request(true, false), "v4.channel.k8s.io");
        assert!(open(&mut streams, 1, "error"));
        assert!(!open(&mut streams, 3, "error"), "there is one");
        assert!(!open(&mut streams, 5, "resize"), "no terminal, no sizes");
        assert!(!open(&mut streams, 7, "data"));
        assert!(!streams.open(9, &Headers::new()));
        assert!(open(&mut streams, 11, "stdout"));
        assert!(open(&mut streams, 13, "stderr"));
        assert!(!open(&mut streams, 13, "stdin"), "a stream is for one thing");
        assert!(!streams.complete());
        assert!(open(&mut streams, 15, "stdin"));
        assert!(streams.complete());
        assert_eq!(streams.output(), [Some(11), Some(13)]);
        assert_eq!(
            streams.read(15, Bytes::from_static(b"ls"), true),
            [Said::Stdin(Bytes::from_static(b"ls")), Said::StdinEnds]
        );
        assert_eq!(streams.read(11, Bytes::from_static(b"ls"), true), []);
        assert_eq!(streams.read(99, Bytes::from_static(b"ls"), true), []);
    }

    #[test]
    fn terminals_have_sizes_since_the_third_version() {
        for (protocol, sized) in PROTOCOLS.into_iter().zip([true, true, false, false]) {
            let mut streams = Streams::wanted(&request(true, true), protocol);
            assert!(["error", "stdin", "stdout"].iter().zip(1..).all(|(p, n)| open(&mut streams, n, p)));
            assert_eq!(streams.complete(), !sized, "{protocol}");
            assert_eq!(open(&mut streams, 9, "resize"), sized, "{protocol}");
        }
    }

    #[test]
    fn sizes_arrive_in_pieces() {
        let mut streams = Streams::wanted(&request(false, true), "v4.channel.k8s.io");
        open(&mut streams, 1, "resize");
        let mut read = |text: &'static str| streams.read(1, Bytes::from_static(text.as_bytes()), false);
        assert_eq!(read("{\"Width\":80,\"Hei"), []);
        let size = |width, height| Said::Resize { width, height };
        assert_eq!(read("ght\":24}\n{\"Width\":81,\"Height\":25}\n{"), [size(80, 24), size(81, 25)]);
        assert_eq!(read("\"Width\":-1,\"Height\":1}{\"Width\":9,\"Height\":9}"), [size(9, 9)]);
        assert_eq!(read("no size"), []);
        assert_eq!(read("{\"Width\":9,\"Height\":9}"), [], "nothing is read after what is no size");
        for _ in 0..100 {
            streams.read(1, Bytes::from(vec![b'{'; 1_000]), false);
        }
        assert!(streams.size.len() <= SIZE);
    }
}
