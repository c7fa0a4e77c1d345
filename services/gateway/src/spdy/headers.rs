//! Header blocks: names and values, compressed over all blocks of a connection.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::{Violation, dictionary};

/// A header block may not be longer than this when it is unpacked.
const LIMIT: usize = 64 * 1024;
/// Bytes that are unpacked at once.
const STEP: usize = 4 * 1024;

/// Headers by name, in lower case.
pub type Headers = BTreeMap<String, String>;

/// Unpacks the blocks of one connection, in order.
pub struct Unpacker {
    zlib: Decompress,
}

/// Packs the blocks of one connection, in order.
pub struct Packer {
    zlib: Compress,
}

impl Unpacker {
    /// For a new connection.
    pub fn new() -> Self {
        Self { zlib: Decompress::new(true) }
    }

    /// One block.
    pub fn unpack(&mut self, block: &[u8]) -> Result<Headers, Violation> {
        read(&self.inflate(block)?)
    }

    fn inflate(&mut self, mut block: &[u8]) -> Result<Vec<u8>, Violation> {
        let mut unpacked = Vec::new();
        loop {
            if unpacked.len() > LIMIT {
                return Err(Violation("a header block is too long"));
            }
            unpacked.reserve(STEP);
            let (read, written) = (self.zlib.total_in(), unpacked.len());
            let status = self.zlib.decompress_vec(block, &mut unpacked, FlushDecompress::Sync);
            let taken = usize::try_from(self.zlib.total_in().saturating_sub(read)).unwrap_or_default();
            block = block.get(taken..).unwrap_or_default();
            match status {
                Err(error) if error.needs_dictionary().is_some() => {
                    let set = self.zlib.set_dictionary(&dictionary::bytes());
                    set.map_err(|_| Violation("headers are packed with another dictionary"))?;
                }
                Err(_) | Ok(Status::StreamEnd) => return Err(Violation("a header block is not zlib")),
                Ok(Status::Ok | Status::BufError) => {
                    if block.is_empty() && unpacked.len() < unpacked.capacity() {
                        return Ok(unpacked);
                    }
                    if taken == 0 && unpacked.len() == written {
                        return Err(Violation("a header block does not end"));
                    }
                }
            }
        }
    }
}

impl Packer {
    /// For a new connection.
    pub fn new() -> Self {
        let mut zlib = Compress::new(Compression::default(), true);
        let set = zlib.set_dictionary(&dictionary::bytes());
        debug_assert!(set.is_ok(), "a new stream takes a dictionary");
        Self { zlib }
    }

    /// One block.
    pub fn pack(&mut self, headers: &Headers) -> Vec<u8> {
        let plain = write(headers);
        let mut packed = Vec::with_capacity(plain.len() + STEP);
        let (mut taken, start) = (0, self.zlib.total_in());
        loop {
            let rest = plain.get(taken..).unwrap_or_default();
            // Compressing into memory cannot fail; a vector with room left has everything.
            let _ = self.zlib.compress_vec(rest, &mut packed, FlushCompress::Sync);
            taken = usize::try_from(self.zlib.total_in().saturating_sub(start)).unwrap_or_default();
            if taken >= plain.len() && packed.len() < packed.capacity() {
                return packed;
            }
            packed.reserve(STEP);
        }
    }
}

fn read(mut block: &[u8]) -> Result<Headers, Violation> {
    let count = take_number(&mut block)?;
    let mut headers = Headers::new();
    for _ in 0..count {
        let name = take_text(&mut block)?.to_ascii_lowercase();
        headers.insert(name, take_text(&mut block)?);
    }
    Ok(headers)
}

fn take_number(block: &mut &[u8]) -> Result<usize, Violation> {
    let number = block.try_get_u32().map_err(|_| Violation("a header block is too short"))?;
    Ok(usize::try_from(number).unwrap_or(usize::MAX))
}

fn take_text(block: &mut &[u8]) -> Result<String, Violation> {
    let length = take_number(block)?;
    let text = block.get(..length).ok_or(Violation("a header block is too short"))?;
    *block = block.get(length..).unwrap_or_default();
    Ok(String::from_utf8_lossy(text).into_owned())
}

fn write(headers: &Headers) -> Vec<u8> {
    let mut block = Vec::new();
    let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    block.put_u32(number(headers.len()));
    for text in headers.iter().flat_map(|(name, value)| [name, value]) {
        block.put_u32(number(text.len()));
        block.put_slice(text.as_bytes());
    }
    block
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn blocks_of_a_connection_are_unpacked_in_order(
            blocks in prop::collection::vec(prop::collection::btree_map("[a-z-]{1,9}", ".{0,200}", 0..9), 1..6)
        ) {
            let (mut packer, mut unpacker) = (Packer::new(), Unpacker::new());
            for headers in blocks {
                prop_assert_eq!(unpacker.unpack(&packer.pack(&headers)), Ok(headers));
            }
        }

        #[test]
        fn noise_never_panics(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..4)) {
            let mut unpacker = Unpacker::new();
            for block in &blocks {
                let _ = unpacker.unpack(block);
                let _ = read(block);
            }
        }

        #[test]
        fn spoilt_blocks_never_panic(at in 0_usize..60, byte in any::<u8>()) {
            let headers = Headers::from([("streamtype".into(), "data".into()), ("port".into(), "80".into())]);
            let mut block = Packer::new().pack(&headers);
            if let Some(spoilt) = block.get_mut(at) {
                *spoilt = byte;
            }
            let _ = Unpacker::new().unpack(&block);
        }
    }

    #[test]
    fn a_block_that_unpacks_to_megabytes_is_refused() {
        let headers = Headers::from([("a".to_owned(), "x".repeat(1 << 20))]);
        let refused = Unpacker::new().unpack(&Packer::new().pack(&headers));
        assert_eq!(refused, Err(Violation("a header block is too long")));
    }
}
