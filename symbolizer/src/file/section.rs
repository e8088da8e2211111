//! A section of a file, seen through a window: what is asked for is read, the rest is not, and the next question
//! may replace it.

use std::rc::Rc;

use crate::file::bytes::Bytes;

/// How much is read at a time where the next question is likely to be near this one.
pub(crate) const NEARBY: usize = 64 << 10;
/// The same for questions from all over the place.
pub(crate) const SCATTERED: usize = 512;
/// A string longer than this is damage, not a name.
const MAX_STRING: usize = 64 << 10;

/// A section and the part of it that was read last.
#[derive(Debug)]
pub(crate) struct Section {
    bytes: Rc<Bytes>,
    start: u64,
    size: u64,
    read_ahead: usize,
    window: Vec<u8>,
    window_at: u64,
}

impl Section {
    /// The `size` bytes of `bytes` from `start`.
    pub(crate) fn new(bytes: Rc<Bytes>, start: u64, size: u64, read_ahead: usize) -> Self {
        Self { bytes, start, size, read_ahead, window: Vec::new(), window_at: 0 }
    }

    /// A section that is not there.
    pub(crate) fn empty() -> Self {
        Self::new(Rc::new(Bytes::Memory(Vec::new())), 0, 0, 0)
    }

    /// The same section, nothing of it read yet.
    pub(crate) fn again(&self) -> Self {
        Self::new(self.bytes.clone(), self.start, self.size, self.read_ahead)
    }

    /// The `size` bytes of it from `offset`, as a section.
    pub(crate) fn part(&self, offset: u64, size: u64) -> Self {
        let start = self.start.saturating_add(offset);
        Self::new(self.bytes.clone(), start, size.min(self.size.saturating_sub(offset)), self.read_ahead)
    }

    /// From now on reads at least so much at a time.
    pub(crate) const fn read_ahead(&mut self, bytes: usize) {
        self.read_ahead = bytes;
    }

    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// The bytes from `offset`: at least `least` of them unless the section ends before, and what else the window
    /// holds. Empty past the end, and for what cannot be read.
    pub(crate) fn at(&mut self, offset: u64, least: usize) -> &[u8] {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let least = least.min(left);
        let inside = offset.checked_sub(self.window_at).and_then(|inside| usize::try_from(inside).ok());
        let inside = match inside {
            Some(inside) if inside.saturating_add(least) <= self.window.len() => inside,
            _ => {
                self.load(offset, least.max(self.read_ahead).min(left));
                0
            }
        };
        self.window.get(inside..).unwrap_or_default()
    }

    /// `at`, but nothing unless all `length` bytes are there, and no more than them.
    pub(crate) fn exactly(&mut self, offset: u64, length: usize) -> Option<&[u8]> {
        self.at(offset, length).get(..length)
    }

    /// The bytes from `offset` up to the next zero byte.
    pub(crate) fn string(&mut self, offset: u64) -> Option<&[u8]> {
        let mut least = self.read_ahead.max(SCATTERED);
        loop {
            let bytes = self.at(offset, least);
            let (length, end) = (bytes.len(), bytes.iter().position(|byte| *byte == 0));
            match end {
                Some(end) => return self.exactly(offset, end),
                None if length < least || least > MAX_STRING => return None,
                None => least *= 4,
            }
        }
    }

    /// An unsigned number of 1 to 8 bytes.
    pub(crate) fn unsigned(&mut self, offset: u64, width: usize) -> Option<u64> {
        let mut value = [0; 8];
        value.get_mut(..width)?.copy_from_slice(self.exactly(offset, width)?);
        Some(u64::from_le_bytes(value))
    }

    /// Gives the window's memory back.
    pub(crate) fn forget(&mut self) {
        self.window = Vec::new();
    }

    fn load(&mut self, offset: u64, length: usize) {
        if length >= NEARBY / 4 {
            // What comes now takes a while. Who waits for this processor goes first: the kernel alone would let us go
            // on until its next tick, 4 ms at 250 Hz.
            std::thread::yield_now();
        }
        self.window.clear();
        self.window_at = offset;
        if self.window.capacity() < length {
            // Not `reserve`, which would double: the window is the largest piece ever asked for.
            self.window = Vec::with_capacity(length);
        }
        self.window.resize(length, 0);
        let mut filled = 0;
        while let Some(room) = self.window.get_mut(filled..).filter(|room| !room.is_empty()) {
            let from = self.start.saturating_add(offset).saturating_add(filled as u64);
            match self.bytes.read_at(from, room) {
                Ok(read) if read > 0 => filled += read,
                _ => break,
            }
        }
        self.window.truncate(filled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(read_ahead: usize) -> Section {
        let bytes = (0..=255).collect();
        Section::new(Rc::new(Bytes::Memory(bytes)), 16, 200, read_ahead)
    }

    #[test]
    fn what_is_asked_for_is_there_and_nothing_past_the_end() {
        let mut section = section(8);
        assert_eq!(section.exactly(0, 2), Some(&[16, 17][..]));
        assert_eq!(section.at(0, 1).len(), 8, "read ahead");
        assert_eq!(section.at(4, 4), [20, 21, 22, 23], "from the window");
        assert_eq!(section.exactly(190, 10).map(<[u8]>::len), Some(10));
        assert_eq!(section.exactly(190, 11), None, "the section ends");
        assert!(section.at(200, 1).is_empty() && section.at(u64::MAX, usize::MAX).is_empty());
        assert_eq!(section.unsigned(1, 3), Some(0x13_1211));
        assert_eq!((section.unsigned(197, 4), section.unsigned(196, 4)), (None, Some(0xd7d6_d5d4)));
    }

    #[test]
    fn strings_end_at_a_zero_or_are_none() {
        let text = [b"short\0".as_slice(), &[b'x'; 3000], b"\0", b"open"].concat();
        let size = text.len() as u64;
        let mut section = Section::new(Rc::new(Bytes::Memory(text)), 0, size, 16);
        assert_eq!(section.string(0), Some(&b"short"[..]));
        assert_eq!(section.string(6).map(<[u8]>::len), Some(3000));
        assert_eq!(section.string(3007), None);
        assert_eq!(section.string(size), None);
        let mut endless = Section::new(Rc::new(Bytes::Memory(vec![b'x'; 1 << 20])), 0, 1 << 20, 512);
        assert_eq!(endless.string(5), None);
        assert_eq!(Section::empty().string(5), None);
    }
}
