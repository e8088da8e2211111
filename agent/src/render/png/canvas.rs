//! Pixels, one byte each: the high half says which paint lies there, the low half how much ink is on it. So 16 paints
//! with letters as smooth as 16 steps make them fit a palette of 256, and a picture a third of the bytes of true color.

use super::font::Font;

/// A color, and ink on top of it in 15 steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Paint(u8);

/// How many paints there can be.
pub(super) const PAINTS: u8 = 16;

/// The ink of all letters: nearly black, which reads softer on strong colors than black.
const INK: [u8; 3] = [16, 16, 20];

/// A picture being drawn. What is drawn beyond its edges is cut.
#[derive(Debug)]
pub(super) struct Canvas {
    width: usize,
    pixels: Vec<u8>,
}

impl Paint {
    /// The paint with this number; beyond [`PAINTS`] the last.
    pub(super) const fn new(number: u8) -> Self {
        Self(if number < PAINTS { number } else { PAINTS - 1 })
    }
}

impl Canvas {
    /// All of the first paint.
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self { width, pixels: vec![0; width * height] }
    }

    /// The rows from the top, a byte a pixel.
    pub(super) fn rows(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.pixels.chunks_exact(self.width.max(1))
    }

    /// Paints a rectangle.
    pub(super) fn fill(
        &mut self,
        (left, top): (usize, usize),
        (width, height): (usize, usize),
        paint: Paint,
    ) {
        let right = (left + width).min(self.width);
        for row in self.pixels.chunks_exact_mut(self.width.max(1)).skip(top).take(height) {
            row.get_mut(left..right).unwrap_or_default().fill(paint.0 << 4);
        }
    }

    /// Writes `text` on what is painted there already, `left` and `top` being where its first cell begins.
    pub(super) fn text(&mut self, (left, top): (usize, usize), font: &Font, text: &str) {
        for (place, char) in text.chars().enumerate() {
            self.glyph((left + place * font.width, top), font, char);
        }
    }

    fn glyph(&mut self, (left, top): (usize, usize), font: &Font, char: char) {
        let right = (left + font.width).min(self.width);
        let rows = self.pixels.chunks_exact_mut(self.width.max(1)).skip(top);
        for (row, glyph) in rows.zip(font.glyph(char).chunks_exact(font.width / 2)) {
            let ink = glyph.iter().flat_map(|pair| [pair >> 4, pair & 0xf]);
            for (pixel, ink) in row.get_mut(left..right).unwrap_or_default().iter_mut().zip(ink) {
                *pixel |= ink;
            }
        }
    }
}

/// The palette of a picture whose paints have these colors.
pub(super) fn palette(colors: impl IntoIterator<Item = [u8; 3]>) -> Vec<[u8; 3]> {
    let inked = |color: [u8; 3]| (0..16_u16).map(move |ink| mixed(color, ink));
    colors.into_iter().take(usize::from(PAINTS)).flat_map(inked).collect()
}

fn mixed(color: [u8; 3], ink: u16) -> [u8; 3] {
    let mix = |color: u8, letter: u8| (u16::from(color) * (15 - ink) + u16::from(letter) * ink + 7) / 15;
    let part = |color, letter| u8::try_from(mix(color, letter)).unwrap_or(u8::MAX);
    let ([r, g, b], [red, green, blue]) = (color, INK);
    [part(r, red), part(g, green), part(b, blue)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::png::font::SMALL;

    #[test]
    fn what_lies_beyond_the_edges_is_cut() {
        let mut canvas = Canvas::new(10, 4);
        canvas.fill((8, 3), (100, 100), Paint::new(2));
        canvas.fill((50, 50), (1, 1), Paint::new(3));
        canvas.text((6, 2), &SMALL, "WW");
        let painted: Vec<_> =
            canvas.rows().map(|row| row.iter().filter(|pixel| **pixel >> 4 == 2).count()).collect();
        assert_eq!(painted, [0, 0, 0, 2]);
    }

    #[test]
    fn letters_keep_the_paint_below_them() {
        let mut canvas = Canvas::new(8, 15);
        canvas.fill((0, 0), (8, 15), Paint::new(5));
        canvas.text((0, 0), &SMALL, "#");
        assert!(canvas.rows().flatten().all(|pixel| pixel >> 4 == 5));
        assert!(canvas.rows().flatten().any(|pixel| pixel & 0xf == 0xf));
    }

    #[test]
    fn full_ink_hides_the_color_and_none_shows_it() {
        let palette = palette([[250, 208, 110], [0, 0, 0]]);
        assert_eq!((palette.len(), palette[0], palette[15], palette[31]), (32, [250, 208, 110], INK, INK));
    }
}
