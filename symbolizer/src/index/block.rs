//! What stands in the blocks of an index: stretches, names and files to bytes and back. The bytes may be anybody's.

use crate::dwarf::Place;

use super::format::{MAX_DEPTH, source_of};
use crate::raw::RawName;

/// Appends `number` in LEB128.
pub(super) fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

/// Appends a frame.
pub(super) fn put_place(bytes: &mut Vec<u8>, place: Place) {
    put(bytes, place.name.map_or(0, |name| u64::from(name) + 1));
    put(bytes, place.file.into());
    put(bytes, place.line.into());
    put(bytes, place.column.into());
}

/// Appends a text.
pub(super) fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put(bytes, text.len() as u64);
    bytes.extend(text.as_bytes());
}

/// The unread rest of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'block>(pub(super) &'block [u8]);

impl<'block> Input<'block> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn small(&mut self) -> Option<u32> {
        self.number().and_then(|number| u32::try_from(number).ok())
    }

    fn place(&mut self) -> Option<Place> {
        let (name, file, line, column) = (self.small()?, self.small()?, self.small()?, self.small()?);
        Some(Place { name: name.checked_sub(1), file, line, column })
    }

    fn text(&mut self) -> Option<&'block str> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    /// A name and where it comes from.
    pub(super) fn name(&mut self) -> Option<RawName> {
        let source = source_of(self.byte()?)?;
        Some(RawName { source, text: self.text()?.into() })
    }

    /// The path of a file.
    pub(super) fn file(&mut self) -> Option<std::sync::Arc<str>> {
        self.text().map(Into::into)
    }
}

/// The stretch of a block that was read last.
#[derive(Debug)]
pub(super) struct Stretch {
    pub(super) start: u64,
    /// Outermost first.
    pub(super) chain: Vec<Place>,
}

impl Stretch {
    /// Before the first one of a block with this key.
    pub(super) const fn before(key: u64) -> Self {
        Self { start: key, chain: Vec::new() }
    }

    /// Where the next one starts; it becomes this one by [`Self::advance`]. `Ok(None)` at the block's end.
    pub(super) fn next(&self, input: &mut Input<'_>) -> Result<Option<u64>, Damaged> {
        if input.0.is_empty() {
            return Ok(None);
        }
        let distance = input.number().ok_or(Damaged)?;
        self.start.checked_add(distance).map(Some).ok_or(Damaged)
    }

    /// Reads what stands at `start`.
    pub(super) fn advance(&mut self, input: &mut Input<'_>, start: u64) -> Result<(), Damaged> {
        self.start = start;
        self.read(input).ok_or(Damaged)
    }

    fn read(&mut self, input: &mut Input<'_>) -> Option<()> {
        let kept = usize::try_from(input.number()?).ok().filter(|kept| *kept <= self.chain.len())?;
        let more = usize::try_from(input.number()?).ok()?;
        if kept.checked_add(more)? > MAX_DEPTH {
            return None;
        }
        self.chain.truncate(kept);
        for _ in 0..more {
            self.chain.push(input.place()?);
        }
        Some(())
    }
}

/// A block that is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damaged;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_written() {
        for number in [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            put(&mut bytes, number);
            let mut input = Input(&bytes);
            assert_eq!((input.number(), input.0.len()), (Some(number), 0));
            assert_eq!(Input(&bytes[..bytes.len() - 1]).number(), None, "{number} cut short");
        }
        assert_eq!(Input(&[0x80; 11]).number(), None, "endless");
    }

    #[test]
    fn a_stretch_cannot_keep_what_is_not_there_or_grow_without_end() {
        for bytes in [&[0, 1, 0][..], &[0, 0, 0xff, 0xff, 0x7f], &[0, 0, 1, 5, 1]] {
            let (mut stretch, mut input) = (Stretch::before(16), Input(bytes));
            assert_eq!(stretch.next(&mut input), Ok(Some(16)));
            assert_eq!(stretch.advance(&mut input, 16), Err(Damaged), "{bytes:?}");
        }
        let (mut stretch, mut input) = (Stretch::before(16), Input(&[2, 0, 1, 5, 1, 7, 3]));
        assert_eq!(stretch.next(&mut input), Ok(Some(18)));
        assert_eq!(stretch.advance(&mut input, 18), Ok(()));
        assert_eq!(stretch.chain, [Place { name: Some(4), file: 1, line: 7, column: 3 }]);
        assert_eq!(stretch.next(&mut input), Ok(None));
    }
}
