//! SPDY/3.1 as far as Kubernetes' clients use it: frames, and sessions of frames.

mod dictionary;
mod headers;
pub mod session;

use bytes::{Buf, BufMut, Bytes, BytesMut};

pub use headers::Headers;
use headers::{Packer, Unpacker};

/// The head of every frame.
const HEAD: usize = 8;
/// The longest frame that is taken; clients send up to 32 KiB.
const LIMIT: usize = 1 << 20;
/// The version in control frames.
const VERSION: u16 = 0x8003;
/// Nothing follows on the stream in this direction.
const FIN: u8 = 0x01;
/// The status of a stream that is not as agreed.
pub const PROTOCOL_ERROR: u32 = 1;
/// The status of a stream that was not looked at, for there are enough.
pub const REFUSED_STREAM: u32 = 3;

/// The other side does not speak SPDY/3.1, for this reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Violation(pub &'static str);

/// One frame. Frames that only tune the connection are not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A new stream.
    Open {
        /// Its number.
        stream: u32,
        /// What it is for.
        headers: Headers,
        /// Nothing follows from the side that opens it.
        end: bool,
    },
    /// A stream is accepted.
    Reply {
        /// Its number.
        stream: u32,
    },
    /// Bytes of a stream.
    Data {
        /// Its number.
        stream: u32,
        /// The bytes.
        bytes: Bytes,
        /// Nothing follows from this side.
        end: bool,
    },
    /// A stream ends in both directions at once.
    Reset {
        /// Its number.
        stream: u32,
        /// Why.
        status: u32,
    },
    /// Do you live? Answered by the same.
    Ping(u32),
    /// No new streams are taken.
    GoAway,
}

/// Finds frames in bytes that arrive in pieces of any size.
pub struct Reader {
    pending: BytesMut,
    headers: Unpacker,
}

/// Makes frames.
pub struct Writer {
    headers: Packer,
}

impl Reader {
    /// For a new connection.
    pub fn new() -> Self {
        Self { pending: BytesMut::new(), headers: Unpacker::new() }
    }

    /// Takes what arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next complete frame.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Violation> {
        loop {
            let Some(head) = self.pending.get(..HEAD) else { return Ok(None) };
            let mut numbers = head;
            let (first, second) = (numbers.get_u32(), numbers.get_u32());
            let [flags, ..] = second.to_be_bytes();
            let length = usize::try_from(second & 0x00ff_ffff).unwrap_or(usize::MAX);
            if length > LIMIT {
                return Err(Violation("a frame is too long"));
            }
            if self.pending.len() < HEAD + length {
                return Ok(None);
            }
            self.pending.advance(HEAD);
            let body = self.pending.split_to(length).freeze();
            if first & 0x8000_0000 == 0 {
                return Ok(Some(Frame::Data { stream: first, bytes: body, end: flags & FIN != 0 }));
            }
            let [version_high, version_low, kind_high, kind_low] = first.to_be_bytes();
            if u16::from_be_bytes([version_high, version_low]) != VERSION {
                return Err(Violation("another version of SPDY"));
            }
            if let Some(frame) = self.control(u16::from_be_bytes([kind_high, kind_low]), flags, &body)? {
                return Ok(Some(frame));
            }
        }
    }

    fn control(&mut self, kind: u16, flags: u8, mut body: &[u8]) -> Result<Option<Frame>, Violation> {
        let mut number = || body.try_get_u32().map_err(|_| Violation("a control frame is too short"));
        Ok(match kind {
            1 => {
                let stream = number()? & 0x7fff_ffff;
                let _associated = number()?;
                // Priority and slot.
                let block = body.get(2..).ok_or(Violation("a control frame is too short"))?;
                let headers = self.headers.unpack(block)?;
                Some(Frame::Open { stream, headers, end: flags & FIN != 0 })
            }
            2 | 8 => {
                let stream = number()? & 0x7fff_ffff;
                // Unpacked even though nobody reads it: later blocks build on it.
                self.headers.unpack(body)?;
                (kind == 2).then_some(Frame::Reply { stream })
            }
            3 => Some(Frame::Reset { stream: number()? & 0x7fff_ffff, status: number()? }),
            6 => Some(Frame::Ping(number()?)),
            7 => Some(Frame::GoAway),
            // Settings and windows: there is no flow control between clients and Kubernetes.
            _ => None,
        })
    }
}

impl Writer {
    /// For a new connection.
    pub fn new() -> Self {
        Self { headers: Packer::new() }
    }

    /// The frame's bytes.
    pub fn encode(&mut self, frame: &Frame) -> Bytes {
        let flag = |end: bool| if end { FIN } else { 0 };
        match frame {
            Frame::Data { stream, bytes, end } => framed(*stream, flag(*end), bytes),
            Frame::Open { stream, headers, end } => {
                let mut body = stream.to_be_bytes().to_vec();
                body.extend([0; 6]);
                body.extend(self.headers.pack(headers));
                framed(control(1), flag(*end), &body)
            }
            Frame::Reply { stream } => {
                let mut body = stream.to_be_bytes().to_vec();
                body.extend(self.headers.pack(&Headers::new()));
                framed(control(2), 0, &body)
            }
            Frame::Reset { stream, status } => {
                framed(control(3), 0, &[stream.to_be_bytes(), status.to_be_bytes()].concat())
            }
            Frame::Ping(id) => framed(control(6), 0, &id.to_be_bytes()),
            Frame::GoAway => framed(control(7), 0, &[0; 8]),
        }
    }
}

fn control(kind: u16) -> u32 {
    u32::from(VERSION) << 16 | u32::from(kind)
}

fn framed(first: u32, flags: u8, body: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(HEAD + body.len());
    frame.put_u32(first);
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX) & 0x00ff_ffff;
    frame.put_u32(u32::from(flags) << 24 | length);
    frame.put_slice(body);
    frame.freeze()
}

#[cfg(test)]
mod tests;
