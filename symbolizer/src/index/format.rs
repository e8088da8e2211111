//! The form of an index, version 1. All numbers little-endian.
//!
//! ```text
//! header   magic (8 bytes), version (4), length of the build id (4), build id (64, padded with zeros),
//!          number of blocks of stretches, of names, of files (4 each), CRC-32 of the table (4),
//!          CRC-32 of the header up to here (4)
//! table    a record for each block, in that order: first key (8), offset from the end of the table (8),
//!          length (4), CRC-32 of the block (4); keys ascend within a kind
//! blocks   each a zlib stream of at most `MAX_BLOCK` bytes
//! ```
//! What the blocks of each kind hold, numbers being unsigned LEB128:
//! - stretches, the key an address: distance to the stretch before (0 for the first), how many outermost frames of
//!   the stretch before stand here too (0 for the first), how many frames follow; each name + 1 (0 for none), file,
//!   line, column, outermost first. A stretch ends where the next one begins, be it in the next block.
//! - names, the key a name's number: where the name comes from (1 debug info, 2 symbols, 3 dynamic symbols), its
//!   length, its bytes as the linker has them.
//! - files, the key a file's number: length, bytes. File 0 is the unknown one.

use crate::frame::Source;

pub(super) const MAGIC: [u8; 8] = *b"\x7fFWINDEX";
pub(super) const VERSION: u32 = 1;
/// The bytes of a header, of its build id, of a record.
pub(super) const HEADER: usize = 100;
const MAX_BUILD_ID: usize = 64;
pub(super) const RECORD: usize = 24;
/// The longest block, unpacked. What is packed is no longer by more than zlib's framing.
pub(super) const MAX_BLOCK: usize = 1 << 20;
pub(super) const MAX_PACKED: usize = MAX_BLOCK + (64 << 10);
/// The most blocks: a table of 3 MiB, for some hundred million stretches.
pub(super) const MAX_BLOCKS: usize = 1 << 17;
/// The most frames at one address; the innermost of more are left out.
pub(super) const MAX_DEPTH: usize = 1024;

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Stretches,
    Names,
    Files,
}

pub(super) const KINDS: [Kind; 3] = [Kind::Stretches, Kind::Names, Kind::Files];

/// Where a block is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) key: u64,
    pub(super) offset: u64,
    pub(super) length: u32,
    pub(super) checksum: u32,
}

/// The beginning of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) build_id: Vec<u8>,
    /// How many blocks of each kind.
    pub(super) blocks: [u32; 3],
    pub(super) table_checksum: u32,
}

impl Header {
    /// `None` for a build id that no linker would write.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let padding = MAX_BUILD_ID.checked_sub(self.build_id.len()).filter(|_| !self.build_id.is_empty())?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(u32::try_from(self.build_id.len()).ok()?.to_le_bytes());
        bytes.extend(&self.build_id);
        bytes.extend(std::iter::repeat_n(0, padding));
        bytes.extend(self.blocks.iter().flat_map(|count| count.to_le_bytes()));
        bytes.extend(self.table_checksum.to_le_bytes());
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        Some(bytes)
    }

    /// The header that `bytes` are; `None` for any other version's, and for a damaged one.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (bytes, checksum) = bytes.get(..HEADER)?.split_last_chunk()?;
        if crc32fast::hash(bytes) != u32::from_le_bytes(*checksum) {
            return None;
        }
        let word = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let rest = bytes.strip_prefix(&MAGIC).filter(|_| word(8) == Some(VERSION))?;
        let length = usize::try_from(word(12)?).ok().filter(|length| (1..=MAX_BUILD_ID).contains(length))?;
        Some(Self {
            build_id: rest.get(8..8 + length)?.to_vec(),
            blocks: [word(80)?, word(84)?, word(88)?],
            table_checksum: word(92)?,
        })
    }
}

impl Record {
    pub(super) fn encode(self) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        let parts = self.key.to_le_bytes().into_iter().chain(self.offset.to_le_bytes());
        let parts = parts.chain(self.length.to_le_bytes()).chain(self.checksum.to_le_bytes());
        bytes.iter_mut().zip(parts).for_each(|(place, byte)| *place = byte);
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let long = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let word = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        Some(Self { key: long(0)?, offset: long(8)?, length: word(16)?, checksum: word(20)? })
    }
}

pub(super) const fn source_code(source: Source) -> u8 {
    match source {
        Source::Symtab => 2,
        Source::Dynsym => 3,
        _ => 1,
    }
}

pub(super) const fn source_of(code: u8) -> Option<Source> {
    match code {
        1 => Some(Source::Dwarf),
        2 => Some(Source::Symtab),
        3 => Some(Source::Dynsym),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_records_are_read_as_written() {
        let header = Header { build_id: vec![7; 20], blocks: [1, 2, 3], table_checksum: 0xdead_beef };
        let bytes = header.encode().expect("a header");
        assert_eq!(bytes.len(), HEADER);
        assert_eq!(Header::decode(&bytes), Some(header.clone()));
        for at in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[at] ^= 0x10;
            assert_eq!(Header::decode(&broken), None, "byte {at}");
            assert_eq!(Header::decode(&bytes[..at]), None, "{at} bytes");
        }
        for length in [0, MAX_BUILD_ID + 1] {
            assert_eq!(Header { build_id: vec![7; length], ..header.clone() }.encode(), None);
        }
        let record = Record { key: 1 << 40, offset: 2 << 33, length: 3, checksum: 4 };
        assert_eq!(Record::decode(&record.encode()), Some(record));
    }
}
