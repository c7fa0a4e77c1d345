//! How far a message body reaches.

/// The rest of a body that is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// So many bytes.
    Exactly(u64),
    /// Chunks (RFC 9112, 7.1).
    Chunks(Chunks),
    /// All until the connection ends.
    UntilClose,
}

/// The bytes are no chunks.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

/// Where in a chunked body the next byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Chunks {
    /// In the digits of a chunk's size.
    #[default]
    Start,
    /// After some digits.
    Size(u64),
    /// In the rest of the line after the size.
    Extension(u64),
    /// At the line feed after the size.
    SizeEnd(u64),
    /// In the data, so many bytes before its end.
    Data(u64),
    /// At the carriage return after the data.
    DataEnd,
    /// At the line feed after the data.
    DataLineFeed,
    /// At the beginning of a trailer line.
    TrailerStart,
    /// Within a trailer line.
    Trailer,
    /// At the very last line feed.
    LastLineFeed,
    /// Behind the body.
    Done,
}

impl Body {
    /// Takes what belongs to the body from the beginning of `bytes`; returns how many bytes that are.
    pub fn take(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        match self {
            Self::Exactly(left) => {
                let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= taken as u64;
                Ok(taken)
            }
            Self::Chunks(chunks) => chunks.take(bytes),
            Self::UntilClose => Ok(bytes.len()),
        }
    }

    /// Whether nothing more is to come.
    pub fn done(&self) -> bool {
        matches!(self, Self::Exactly(0) | Self::Chunks(Chunks::Done))
    }
}

impl Chunks {
    fn take(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut at = 0;
        while *self != Self::Done
            && let Some(byte) = bytes.get(at)
        {
            match self {
                Self::Data(left) => {
                    let taken = (bytes.len() - at).min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= taken as u64;
                    at += taken;
                    if *left == 0 {
                        *self = Self::DataEnd;
                    }
                }
                _ => {
                    *self = self.step(*byte)?;
                    at += 1;
                }
            }
        }
        Ok(at)
    }

    /// One byte of anything but data.
    fn step(self, byte: u8) -> Result<Self, Malformed> {
        let digit = (byte as char).to_digit(16).map(u64::from);
        match (self, byte) {
            (Self::Start, _) => digit.map(Self::Size).ok_or(Malformed),
            (Self::Size(size) | Self::Extension(size), b'\r') => Ok(Self::SizeEnd(size)),
            (Self::Size(size), b';' | b' ' | b'\t') => Ok(Self::Extension(size)),
            (Self::Size(size), _) => {
                let size = digit.and_then(|digit| size.checked_mul(16)?.checked_add(digit));
                size.map(Self::Size).ok_or(Malformed)
            }
            (Self::Extension(_), b'\n') => Err(Malformed),
            (Self::Extension(size), _) => Ok(Self::Extension(size)),
            (Self::SizeEnd(0), b'\n') => Ok(Self::TrailerStart),
            (Self::SizeEnd(size), b'\n') => Ok(Self::Data(size)),
            (Self::DataEnd, b'\r') => Ok(Self::DataLineFeed),
            (Self::DataLineFeed, b'\n') => Ok(Self::Start),
            (Self::TrailerStart, b'\r') => Ok(Self::LastLineFeed),
            (Self::Trailer, b'\n') => Ok(Self::TrailerStart),
            (Self::TrailerStart | Self::Trailer, _) => Ok(Self::Trailer),
            (Self::LastLineFeed, b'\n') => Ok(Self::Done),
            (Self::SizeEnd(_) | Self::DataEnd | Self::DataLineFeed | Self::LastLineFeed, _) => Err(Malformed),
            (Self::Data(_) | Self::Done, _) => Err(Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn chunked_bodies_end_where_they_end() {
        let text = b"5\r\nhello\r\n1a;name=value\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nTrailer: x\r\n\r\nGET / HTTP/1.1";
        let end = text.len() - b"GET / HTTP/1.1".len();
        for split in 0..end {
            let mut body = Body::Chunks(Chunks::default());
            let first = body.take(&text[..split]).unwrap();
            assert_eq!((first, body.done()), (split, false));
            assert_eq!(body.take(&text[split..]).unwrap(), end - split);
            assert!(body.done());
        }
    }

    #[test]
    fn what_is_no_chunk_is_malformed() {
        for wrong in ["x\r\n", "5\n", "5\r\nhelloX", "5\r\nhello\r\n\r\n", "ffffffffffffffffff\r\n", "1\rx"] {
            assert_eq!(Body::Chunks(Chunks::default()).take(wrong.as_bytes()), Err(Malformed), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Body::Chunks(Chunks::default()).take(&bytes);
        }
    }
}
