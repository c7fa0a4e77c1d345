//! The messages that a byte stream consists of.

use bytes::{BufMut, Bytes, BytesMut};

/// One message of a stream, in either direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// The stream is accepted.
    Accept,
    /// The stream is refused, for this reason.
    Refuse(String),
    /// Bytes, numbered from 0 so that a lost message is noticed.
    Data(u64, Bytes),
    /// So many more bytes may be sent.
    Credit(u32),
    /// Nothing follows after so many data frames; an error if there is a text.
    End(u64, Option<String>),
    /// Send no more.
    Stop,
    /// I live.
    Ping,
}

impl Frame {
    pub(super) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(16 + self.body_len());
        match self {
            Self::Accept => bytes.put_u8(b'A'),
            Self::Refuse(reason) => {
                bytes.put_u8(b'R');
                bytes.put_slice(reason.as_bytes());
            }
            Self::Data(number, data) => {
                bytes.put_u8(b'D');
                bytes.put_u64(*number);
                bytes.put_slice(data);
            }
            Self::Credit(credit) => {
                bytes.put_u8(b'C');
                bytes.put_u32(*credit);
            }
            Self::End(number, error) => {
                bytes.put_u8(if error.is_some() { b'X' } else { b'E' });
                bytes.put_u64(*number);
                bytes.put_slice(error.as_deref().unwrap_or_default().as_bytes());
            }
            Self::Stop => bytes.put_u8(b'S'),
            Self::Ping => bytes.put_u8(b'P'),
        }
        bytes.freeze()
    }

    pub(super) fn decode(bytes: &Bytes) -> Option<Self> {
        let (kind, body) = (*bytes.first()?, bytes.slice(1..));
        let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
        Some(match kind {
            b'A' => Self::Accept,
            b'R' => Self::Refuse(text(&body)),
            b'D' => Self::Data(number(&body)?, body.slice(8..)),
            b'C' => Self::Credit(u32::from_be_bytes(body.get(..4)?.try_into().ok()?)),
            b'E' => Self::End(number(&body)?, None),
            b'X' => Self::End(number(&body)?, Some(text(body.get(8..)?))),
            b'S' => Self::Stop,
            b'P' => Self::Ping,
            _ => return None,
        })
    }

    fn body_len(&self) -> usize {
        match self {
            Self::Data(_, data) => data.len(),
            Self::Refuse(text) | Self::End(_, Some(text)) => text.len(),
            Self::Accept | Self::Credit(_) | Self::End(_, None) | Self::Stop | Self::Ping => 0,
        }
    }
}

fn number(body: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(body.get(..8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_the_wire() {
        let frames = [
            Frame::Accept,
            Frame::Refuse("no such pod".to_owned()),
            Frame::Data(7, Bytes::from_static(b"abc")),
            Frame::Data(8, Bytes::new()),
            Frame::Credit(1 << 20),
            Frame::End(9, None),
            Frame::End(9, Some("exit 1".to_owned())),
            Frame::End(9, Some(String::new())),
            Frame::Stop,
            Frame::Ping,
        ];
        for frame in frames {
            assert_eq!(Frame::decode(&frame.encode()), Some(frame));
        }
    }

    #[test]
    fn garbage_is_not_a_frame() {
        for garbage in ["", "Z", "D123", "C1", "X"] {
            assert_eq!(Frame::decode(&Bytes::from_static(garbage.as_bytes())), None);
        }
    }
}
