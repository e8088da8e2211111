//! Pixels as a PNG file (W3C, "Portable Network Graphics", third edition). Of that format one kind is written: a palette,
//! 8 bits a pixel, rows as they are, since prediction from neighbors makes flat rectangles larger.

use std::io::{self, Write};

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

use super::canvas::Canvas;

const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// 8 bits a pixel that are places in a palette; deflate, no interlacing.
const KIND: [u8; 5] = [8, 3, 0, 0, 0];

/// Before each row: that it is not predicted from others.
const UNFILTERED: [u8; 1] = [0];

pub(super) fn write(canvas: &Canvas, palette: &[[u8; 3]], out: &mut dyn Write) -> io::Result<()> {
    let height = canvas.rows().len();
    let width = canvas.rows().next().map_or(0, <[u8]>::len);
    let side = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    out.write_all(&SIGNATURE)?;
    chunk(*b"IHDR", &[&side(width)[..], &side(height), &KIND].concat(), out)?;
    chunk(*b"PLTE", palette.as_flattened(), out)?;
    chunk(*b"IDAT", &compressed(canvas)?, out)?;
    chunk(*b"IEND", &[], out)
}

fn compressed(canvas: &Canvas) -> io::Result<Vec<u8>> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    for row in canvas.rows() {
        zlib.write_all(&UNFILTERED)?;
        zlib.write_all(row)?;
    }
    zlib.finish()
}

fn chunk(kind: [u8; 4], data: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let mut crc = Crc::new();
    crc.update(&kind);
    crc.update(data);
    out.write_all(&u32::try_from(data.len()).map_err(io::Error::other)?.to_be_bytes())?;
    out.write_all(&kind)?;
    out.write_all(data)?;
    out.write_all(&crc.sum().to_be_bytes())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::render::png::canvas::Paint;

    /// The chunks of a file, with their checks held to their content.
    fn chunks(mut file: &[u8]) -> Vec<(&[u8], &[u8])> {
        file = file.strip_prefix(&SIGNATURE).expect("the signature");
        let mut chunks = Vec::new();
        while !file.is_empty() {
            let length = u32::from_be_bytes(file[..4].try_into().expect("four bytes")) as usize;
            let (kind, data) = (&file[4..8], &file[8..8 + length]);
            let mut crc = Crc::new();
            crc.update(&file[4..8 + length]);
            assert_eq!(crc.sum().to_be_bytes(), file[8 + length..12 + length]);
            chunks.push((kind, data));
            file = &file[12 + length..];
        }
        chunks
    }

    #[test]
    fn what_is_written_is_what_was_drawn() {
        let mut canvas = Canvas::new(300, 2);
        canvas.fill((299, 1), (1, 1), Paint::new(3));
        let mut file = Vec::new();
        write(&canvas, &[[1, 2, 3], [4, 5, 6]], &mut file).expect("writing into memory");
        let chunks = chunks(&file);
        let kinds: Vec<_> = chunks.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [b"IHDR", b"PLTE", b"IDAT", b"IEND"]);
        assert_eq!(chunks[0].1, [0, 0, 1, 44, 0, 0, 0, 2, 8, 3, 0, 0, 0]);
        assert_eq!(chunks[1].1, [1, 2, 3, 4, 5, 6]);
        let mut pixels = Vec::new();
        flate2::read::ZlibDecoder::new(chunks[2].1).read_to_end(&mut pixels).expect("zlib");
        let mut expected = vec![0; 2 * 301];
        expected[601] = 0x30;
        assert_eq!(pixels, expected);
    }
}
