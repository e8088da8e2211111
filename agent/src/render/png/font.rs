//! The letters, drawn beforehand by `scripts/font`: no font is looked for, where the process runs there may be none.
//! Pictures of DejaVu Sans Mono, whose notice is in `FONT-LICENSE.txt`.

/// What there are glyphs of beside ASCII, in the order of the file.
const EXTRA: [char; 7] = ['·', '…', '±', '→', 'µ', '–', '×'];

/// Where the glyphs of ASCII end, and those of [`EXTRA`] begin.
const ASCII: usize = 0x7f - 0x20;

/// One size of the font. Every character is as wide as every other.
#[derive(Debug)]
pub(super) struct Font {
    /// Pixels from one character to the next; even, since a byte holds two.
    pub(super) width: usize,
    /// Pixels from the highest to the lowest that any glyph has.
    pub(super) height: usize,
    glyphs: &'static [u8],
}

/// 20 pixels, bold: still legible in a picture that is shown at a third of its size.
pub(super) static LARGE: Font = Font { width: 12, height: 22, glyphs: include_bytes!("mono-20.bin") };

/// 13 pixels: for a picture that is looked at as it is.
pub(super) static SMALL: Font = Font { width: 8, height: 15, glyphs: include_bytes!("mono-13.bin") };

impl Font {
    /// The glyph of `char`, row by row from the top: 4 bits of coverage a pixel, two pixels a byte, the left one in the
    /// high bits. A character that there is no glyph of is a box.
    pub(super) fn glyph(&self, char: char) -> &'static [u8] {
        let index = match u8::try_from(char) {
            Ok(byte @ b' '..=b'~') => usize::from(byte - b' '),
            _ => ASCII + EXTRA.iter().position(|extra| *extra == char).unwrap_or(EXTRA.len()),
        };
        let bytes = self.width * self.height / 2;
        self.glyphs.get(index * bytes..(index + 1) * bytes).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_has_a_glyph_of_its_own_and_all_others_share_the_box() {
        for font in [&LARGE, &SMALL] {
            let known: Vec<char> = (' '..='~').chain(EXTRA).collect();
            assert_eq!(font.glyphs.len(), (known.len() + 1) * font.width * font.height / 2);
            let unknown = font.glyph('\u{e9}');
            assert!(unknown.iter().any(|pixels| *pixels > 0) && unknown == font.glyph('漢'));
            let distinct: std::collections::HashSet<_> = known.iter().map(|char| font.glyph(*char)).collect();
            assert_eq!(distinct.len(), known.len());
            assert!(!distinct.contains(unknown));
        }
    }

    #[test]
    fn the_letters_weigh_little() {
        assert!(LARGE.glyphs.len() + SMALL.glyphs.len() < 40 * 1024);
    }
}
