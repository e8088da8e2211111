//! Reads DWARF's numbers from a slice. Everything is `None` past its end.

/// A place in a slice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'data> {
    data: &'data [u8],
    position: usize,
}

impl<'data> Cursor<'data> {
    pub(super) const fn new(data: &'data [u8]) -> Self {
        Self { data, position: 0 }
    }

    pub(super) const fn position(&self) -> usize {
        self.position
    }

    pub(super) const fn remaining(&self) -> usize {
        self.data.len().saturating_sub(self.position)
    }

    /// False after a step past the end.
    pub(super) const fn is_inside(&self) -> bool {
        self.position <= self.data.len()
    }

    /// Steps over `count` bytes. A step past the end is allowed: what is read there does not exist.
    #[inline]
    pub(super) const fn skip(&mut self, count: usize) {
        self.position = self.position.saturating_add(count);
    }

    pub(super) fn skip_u64(&mut self, count: u64) {
        self.skip(usize::try_from(count).unwrap_or(usize::MAX));
    }

    #[inline]
    pub(super) fn u8(&mut self) -> Option<u8> {
        let byte = *self.data.get(self.position)?;
        self.position += 1;
        Some(byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// An unsigned number of `width` bytes.
    pub(super) fn unsigned(&mut self, width: u8) -> Option<u64> {
        match width {
            1 => self.u8().map(u64::from),
            2 => self.u16().map(u64::from),
            3 => self
                .array()
                .map(|[low, middle, high]: [u8; 3]| u32::from_le_bytes([low, middle, high, 0]).into()),
            4 => self.u32().map(u64::from),
            8 => self.u64(),
            _ => None,
        }
    }

    /// LEB128, unsigned. Bits past the 64th are dropped.
    #[inline]
    pub(super) fn uleb(&mut self) -> Option<u64> {
        let first = self.u8()?;
        if first < 0x80 {
            return Some(first.into());
        }
        self.long_uleb(first)
    }

    fn long_uleb(&mut self, first: u8) -> Option<u64> {
        let mut value = u64::from(first & 0x7f);
        let mut shift = 7_u32;
        loop {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            shift = shift.saturating_add(7);
            if byte < 0x80 {
                return Some(value);
            }
        }
    }

    /// LEB128, signed.
    pub(super) fn sleb(&mut self) -> Option<i64> {
        let (mut value, mut shift) = (0_i64, 0_u32);
        loop {
            let byte = self.u8()?;
            value |= i64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            shift = shift.saturating_add(7);
            if byte < 0x80 {
                let negative = byte & 0x40 != 0 && shift < 64;
                return Some(if negative { value | (-1_i64 << shift) } else { value });
            }
        }
    }

    #[inline]
    pub(super) fn skip_leb(&mut self) -> Option<()> {
        while self.u8()? >= 0x80 {}
        Some(())
    }

    /// The bytes before the next zero; steps over the zero.
    pub(super) fn string(&mut self) -> Option<&'data [u8]> {
        let rest = self.data.get(self.position..)?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        self.position += end + 1;
        rest.get(..end)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = self.data.get(self.position..)?.first_chunk()?;
        self.position += N;
        Some(*bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_variable_length() {
        // DWARF 5, figures 22 and 23 of section 7.6.
        for (bytes, unsigned) in [(&[2][..], 2), (&[0x7f], 127), (&[0x80, 1], 128), (&[0xb9, 0x64], 12857)] {
            assert_eq!(Cursor::new(bytes).uleb(), Some(unsigned), "{bytes:x?}");
            assert_eq!(Cursor::new(bytes).skip_leb(), Some(()));
        }
        for (bytes, signed) in
            [(&[2][..], 2), (&[0x7e], -2), (&[0x80, 0x7f], -128), (&[0xff, 0], 127), (&[0xff, 0x7e], -129)]
        {
            assert_eq!(Cursor::new(bytes).sleb(), Some(signed), "{bytes:x?}");
        }
        assert_eq!(Cursor::new(&[0x80; 40]).uleb(), None);
        assert_eq!(Cursor::new(&[[0xff; 30].as_slice(), &[1]].concat()).uleb(), Some(u64::MAX));
    }

    #[test]
    fn nothing_is_read_past_the_end() {
        let mut cursor = Cursor::new(&[1, 0, 0, 0, b'a', 0]);
        assert_eq!((cursor.u32(), cursor.string(), cursor.remaining()), (Some(1), Some(&b"a"[..]), 0));
        assert_eq!((cursor.u8(), cursor.string(), cursor.unsigned(3)), (None, None, None));
        cursor.skip(usize::MAX);
        assert_eq!((cursor.u8(), cursor.u64(), cursor.remaining()), (None, None, 0));
    }
}
