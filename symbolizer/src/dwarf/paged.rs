//! A part of a section as gimli's readers want it, held page by page: for what may be too long to be held at once.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use gimli::{Error, LittleEndian, Reader, ReaderOffsetId, Result};

use crate::file::section::Section;

/// The most that is handed out in one piece: a table of files, a path.
const MAX_PIECE: usize = 1 << 20;
/// How much is looked at when searching.
const STEP: usize = 256;

/// Some bytes of a section.
#[derive(Clone)]
pub(super) struct Paged<'section> {
    section: Rc<RefCell<&'section mut Section>>,
    at: u64,
    length: usize,
}

impl<'section> Paged<'section> {
    /// The `length` bytes of `section` from `at`, which lie in it.
    pub(super) fn new(section: &'section mut Section, at: u64, length: u64) -> Self {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        Self { section: Rc::new(RefCell::new(section)), at, length }
    }

    fn end_error(&self) -> Error {
        Error::UnexpectedEof(self.offset_id())
    }
}

impl fmt::Debug for Paged<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Paged")
            .field("at", &self.at)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl Reader for Paged<'_> {
    type Endian = LittleEndian;
    type Offset = usize;

    fn endian(&self) -> LittleEndian {
        LittleEndian
    }

    fn len(&self) -> usize {
        self.length
    }

    fn empty(&mut self) {
        self.length = 0;
    }

    fn truncate(&mut self, length: usize) -> Result<()> {
        if length > self.length {
            return Err(self.end_error());
        }
        self.length = length;
        Ok(())
    }

    fn offset_from(&self, base: &Self) -> usize {
        usize::try_from(self.at.saturating_sub(base.at)).unwrap_or(usize::MAX)
    }

    fn offset_id(&self) -> ReaderOffsetId {
        ReaderOffsetId(self.at)
    }

    fn lookup_offset_id(&self, id: ReaderOffsetId) -> Option<usize> {
        let offset = usize::try_from(id.0.checked_sub(self.at)?).ok()?;
        (offset <= self.length).then_some(offset)
    }

    fn find(&self, byte: u8) -> Result<usize> {
        let mut section = self.section.borrow_mut();
        let mut looked = 0;
        while looked < self.length.min(MAX_PIECE) {
            let piece = section.at(self.at + looked as u64, STEP.min(self.length - looked));
            let piece = piece.get(..piece.len().min(self.length - looked)).unwrap_or(piece);
            if piece.is_empty() {
                break;
            }
            if let Some(position) = piece.iter().position(|other| *other == byte) {
                return Ok(looked + position);
            }
            looked += piece.len();
        }
        Err(self.end_error())
    }

    fn skip(&mut self, length: usize) -> Result<()> {
        if length > self.length {
            return Err(self.end_error());
        }
        self.at += length as u64;
        self.length -= length;
        Ok(())
    }

    fn split(&mut self, length: usize) -> Result<Self> {
        let mut first = self.clone();
        self.skip(length)?;
        first.length = length;
        Ok(first)
    }

    fn to_slice(&self) -> Result<Cow<'_, [u8]>> {
        if self.length > MAX_PIECE {
            return Err(self.end_error());
        }
        let mut section = self.section.borrow_mut();
        let bytes = section.exactly(self.at, self.length).ok_or_else(|| self.end_error())?;
        Ok(Cow::Owned(bytes.to_vec()))
    }

    fn to_string(&self) -> Result<Cow<'_, str>> {
        let bytes = self.to_slice()?.into_owned();
        String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Error::BadUtf8)
    }

    fn to_string_lossy(&self) -> Result<Cow<'_, str>> {
        let bytes = self.to_slice()?;
        Ok(Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()))
    }

    #[inline]
    fn read_slice(&mut self, room: &mut [u8]) -> Result<()> {
        if room.len() > self.length {
            return Err(self.end_error());
        }
        let mut section = self.section.borrow_mut();
        let bytes =
            section.exactly(self.at, room.len()).ok_or(Error::UnexpectedEof(ReaderOffsetId(self.at)))?;
        room.copy_from_slice(bytes);
        self.at += room.len() as u64;
        self.length -= room.len();
        Ok(())
    }
}
