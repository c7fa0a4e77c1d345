//! Protobuf's wire format: varints, tags and lengths.

use super::ProtobufError;

/// A field's value as it is on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wire<'a> {
    Varint(u64),
    Fixed(u64),
    Bytes(&'a [u8]),
}

impl<'a> Wire<'a> {
    pub(super) fn bytes(self) -> Result<&'a [u8], ProtobufError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Varint(_) | Self::Fixed(_) => Err(ProtobufError::Malformed("a number where bytes belong")),
        }
    }

    pub(super) fn text(self) -> Result<String, ProtobufError> {
        let text = std::str::from_utf8(self.bytes()?);
        text.map(str::to_owned).map_err(|_| ProtobufError::Malformed("a string that is not UTF-8"))
    }

    pub(super) fn varint(self) -> Result<u64, ProtobufError> {
        match self {
            Self::Varint(number) => Ok(number),
            Self::Bytes(_) | Self::Fixed(_) => Err(ProtobufError::Malformed("bytes where a number belongs")),
        }
    }

    /// The bits of a floating point number.
    pub(super) fn fixed(self) -> Result<u64, ProtobufError> {
        match self {
            Self::Fixed(bits) => Ok(bits),
            Self::Bytes(_) | Self::Varint(_) => {
                Err(ProtobufError::Malformed("something else where a float belongs"))
            }
        }
    }
}

/// Reads a message's fields one after the other.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next field's number and value; `None` at the end.
    pub(super) fn field(&mut self) -> Result<Option<(u32, Wire<'a>)>, ProtobufError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number =
            u32::try_from(tag >> 3).map_err(|_| ProtobufError::Malformed("a field number out of range"))?;
        let value = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed(self.little_endian(8)?),
            2 => {
                let length = usize::try_from(self.varint()?);
                Wire::Bytes(
                    self.take(length.map_err(|_| ProtobufError::Malformed("a length out of range"))?)?,
                )
            }
            5 => Wire::Fixed(self.little_endian(4)?),
            _ => return Err(ProtobufError::Malformed("an unknown wire type")),
        };
        Ok(Some((number, value)))
    }

    pub(super) fn varint(&mut self) -> Result<u64, ProtobufError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?.first().copied().unwrap_or_default();
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(ProtobufError::Malformed("a number of more than 64 bits"))
    }

    fn little_endian(&mut self, count: usize) -> Result<u64, ProtobufError> {
        Ok(self.take(count)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], ProtobufError> {
        let (taken, rest) =
            self.rest.split_at_checked(count).ok_or(ProtobufError::Malformed("it ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }
}

/// Writes a message's fields.
#[derive(Debug, Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn varint(&mut self, number: u32, value: u64) {
        self.raw_varint(u64::from(number) << 3);
        self.raw_varint(value);
    }

    pub(super) fn fixed(&mut self, number: u32, bits: u64) {
        self.raw_varint(u64::from(number) << 3 | 1);
        self.0.extend_from_slice(&bits.to_le_bytes());
    }

    pub(super) fn bytes(&mut self, number: u32, value: &[u8]) {
        self.raw_varint(u64::from(number) << 3 | 2);
        self.raw_varint(u64::try_from(value.len()).unwrap_or(u64::MAX));
        self.0.extend_from_slice(value);
    }

    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
            value >>= 7;
        }
        self.0.push(u8::try_from(value).unwrap_or_default());
    }
}
