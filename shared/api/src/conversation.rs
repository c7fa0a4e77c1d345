//! What gateway and agent say to each other about a process in a container, as frames in one byte stream.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The longest frame that is taken; longer input is sent in several.
const LIMIT: usize = 1 << 20;
/// The kind and the length.
const HEADER: usize = 5;

/// One thing said. The first three go to the process, the others come from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Standard input.
    Stdin(Bytes),
    /// Standard input ends.
    StdinEnds,
    /// The client's terminal has another size now.
    Resize {
        /// In columns.
        width: u16,
        /// In rows.
        height: u16,
    },
    /// Standard output; that of a terminal too.
    Stdout(Bytes),
    /// Standard error.
    Stderr(Bytes),
    /// The process ended with this code.
    Exited(i64),
    /// The conversation ends without the process' exit code: it was only watched.
    Detached,
    /// The process could not be run or heard, for this reason.
    Failed(String),
}

/// What arrived is no frame: the stream is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a malformed frame")]
pub struct Malformed;

impl Said {
    /// The frame.
    pub fn encode(&self) -> Bytes {
        let mut frame = BytesMut::new();
        let mut put = |kind: u8, body: &[u8]| {
            frame.reserve(HEADER + body.len());
            frame.put_u8(kind);
            frame.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
            frame.put_slice(body);
        };
        match self {
            Self::Stdin(bytes) => put(b'i', bytes),
            Self::StdinEnds => put(b'e', b""),
            Self::Resize { width, height } => {
                put(b'r', &[width.to_be_bytes(), height.to_be_bytes()].concat());
            }
            Self::Stdout(bytes) => put(b'o', bytes),
            Self::Stderr(bytes) => put(b'E', bytes),
            Self::Exited(code) => put(b'x', &code.to_be_bytes()),
            Self::Detached => put(b'd', b""),
            Self::Failed(why) => put(b'f', why.as_bytes()),
        }
        frame.freeze()
    }

    fn decode(kind: u8, body: Bytes) -> Result<Self, Malformed> {
        let number = |at: usize| -> Option<u16> {
            Some(u16::from_be_bytes(body.get(at..at.checked_add(2)?)?.try_into().ok()?))
        };
        Ok(match kind {
            b'i' => Self::Stdin(body),
            b'e' => Self::StdinEnds,
            b'r' => Self::Resize { width: number(0).ok_or(Malformed)?, height: number(2).ok_or(Malformed)? },
            b'o' => Self::Stdout(body),
            b'E' => Self::Stderr(body),
            b'x' => Self::Exited(i64::from_be_bytes(body.as_ref().try_into().map_err(|_| Malformed)?)),
            b'd' => Self::Detached,
            b'f' => Self::Failed(String::from_utf8_lossy(&body).into_owned()),
            _ => return Err(Malformed),
        })
    }
}

/// Finds frames in bytes that arrive in pieces of any size.
#[derive(Debug, Default)]
pub struct Listener {
    pending: BytesMut,
}

impl Listener {
    /// Takes what arrived.
    pub fn hear(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next complete frame.
    pub fn next_frame(&mut self) -> Result<Option<Said>, Malformed> {
        let Some((kind, length)) = self.header() else { return Ok(None) };
        if length > LIMIT {
            return Err(Malformed);
        }
        if self.pending.len() < HEADER + length {
            return Ok(None);
        }
        self.pending.advance(HEADER);
        Said::decode(kind, self.pending.split_to(length).freeze()).map(Some)
    }

    fn header(&self) -> Option<(u8, usize)> {
        let length = u32::from_be_bytes(self.pending.get(1..HEADER)?.try_into().ok()?);
        Some((*self.pending.first()?, usize::try_from(length).unwrap_or(usize::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all() -> Vec<Said> {
        vec![
            Said::Stdin(Bytes::from_static(b"ls\n")),
            Said::StdinEnds,
            Said::Resize { width: 80, height: 24 },
            Said::Stdout(Bytes::new()),
            Said::Stderr(Bytes::from_static(b"no")),
            Said::Exited(-1),
            Said::Detached,
            Said::Failed("no such container".to_owned()),
        ]
    }

    fn heard(pieces: impl IntoIterator<Item = Vec<u8>>) -> Result<Vec<Said>, Malformed> {
        let mut listener = Listener::default();
        let mut heard = Vec::new();
        for piece in pieces {
            listener.hear(&piece);
            while let Some(said) = listener.next_frame()? {
                heard.push(said);
            }
        }
        Ok(heard)
    }

    proptest! {
        #[test]
        fn what_is_said_is_heard_in_pieces_of_any_size(size in 1_usize..40) {
            let bytes: Vec<u8> = all().iter().flat_map(|said| said.encode().to_vec()).collect();
            prop_assert_eq!(heard(bytes.chunks(size).map(<[u8]>::to_vec)), Ok(all()));
        }

        #[test]
        fn noise_never_panics(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 0..10)) {
            let _ = heard(pieces);
        }
    }

    #[test]
    fn frames_that_are_too_long_or_unknown_are_refused() {
        assert_eq!(heard([vec![b'i', 0xff, 0, 0, 0]]), Err(Malformed));
        assert_eq!(heard([vec![b'?', 0, 0, 0, 0]]), Err(Malformed));
        assert_eq!(heard([vec![b'r', 0, 0, 0, 1, 7]]), Err(Malformed));
    }
}
