//! The bytes of a file, read piece by piece and never mapped: a file that is cut short while it is read gives an
//! error instead of a bus error, and what has been read is ours to give back.

use std::fs::File;
use std::io::{self, Read};

use object::ReadRef;
use object::read::{ReadCache, ReadCacheOps};

use crate::sys;

/// Headers, section tables and notes together; a file that asks for more at once is damaged.
const MAX_HEADER_BYTES: usize = 4 << 20;

/// What debug info and symbols are read from.
#[derive(Debug)]
pub(crate) enum Bytes {
    File(File),
    Memory(Vec<u8>),
}

impl Bytes {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::File(file) => file.metadata().map_or(0, |about| about.len()),
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// Fills `room` from `offset`; says how much of it, less than all only at the end.
    pub(crate) fn read_at(&self, offset: u64, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => sys::read_at(file, offset, room),
            Self::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                Read::read(&mut bytes.get(start..).unwrap_or_default(), room)
            }
        }
    }

    /// Runs `parse` over the bytes for reading headers: what it looks at is kept until it returns.
    pub(crate) fn with_headers<T>(&self, parse: impl FnOnce(Headers<'_>) -> T) -> T {
        parse(&ReadCache::new(Position { bytes: self, at: 0 }))
    }
}

/// A view for parsing headers.
pub(crate) type Headers<'bytes> = &'bytes ReadCache<Position<'bytes>>;

/// Where the next header is read.
#[derive(Debug)]
pub(crate) struct Position<'bytes> {
    bytes: &'bytes Bytes,
    at: u64,
}

impl ReadCacheOps for Position<'_> {
    fn len(&mut self) -> Result<u64, ()> {
        Ok(self.bytes.len())
    }

    fn seek(&mut self, position: u64) -> Result<u64, ()> {
        self.at = position;
        Ok(position)
    }

    fn read(&mut self, room: &mut [u8]) -> Result<usize, ()> {
        let read = self.bytes.read_at(self.at, room).map_err(|_| ())?;
        self.at = self.at.saturating_add(read as u64);
        Ok(read)
    }

    fn read_exact(&mut self, room: &mut [u8]) -> Result<(), ()> {
        if room.len() > MAX_HEADER_BYTES {
            return Err(());
        }
        let wanted = room.len();
        (self.read(room)? == wanted).then_some(()).ok_or(())
    }
}

/// What object's readers ask for, so that a signature can name it in one word.
pub(crate) trait Readable<'bytes>: ReadRef<'bytes> {}

impl<'bytes, R: ReadRef<'bytes>> Readable<'bytes> for R {}
