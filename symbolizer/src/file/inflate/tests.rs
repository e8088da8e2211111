//! Sections of both kinds: whole, in pieces, damaged, and too large for where they should go.

use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;
use crate::sys::counting;

/// The largest block of a zstd frame, and how many of them are a large section.
const BLOCK: u64 = 128 << 10;
const BLOCKS: u32 = 400;
const LARGE: u64 = BLOCK * BLOCKS as u64;

#[test]
fn a_section_is_the_same_unpacked() {
    let text = text(1_000_003);
    for (format, packed) in [
        (CompressionFormat::None, text.clone()),
        (CompressionFormat::Zlib, zlibbed(&text)),
        (CompressionFormat::Zstandard, zstded(&text)),
    ] {
        let spool = unpack(format, &packed, text.len() as u64).expect("unpacked");
        assert!(matches!(spool, Bytes::File(_)), "{spool:?}");
        assert!(contents(&spool) == text, "{format:?}");
    }
}

#[test]
fn pieces_are_joined() {
    let text = text(200_003);
    let (first, second) = text.split_at(77_777);
    for (format, packed) in [
        (CompressionFormat::Zlib, [zlibbed(first), zlibbed(second)].concat()),
        (CompressionFormat::Zstandard, [zstded(first), zstded(second)].concat()),
    ] {
        let spool = unpack(format, &packed, text.len() as u64).expect("unpacked");
        assert!(contents(&spool) == text, "{format:?}");
    }
}

#[test]
fn only_the_section_is_read() {
    let text = text(100_003);
    let packed = zlibbed(&text);
    let file = file(&[b"before", packed.as_slice(), b"after"].concat());
    let section = CompressedFileRange {
        format: CompressionFormat::Zlib,
        offset: 6,
        compressed_size: packed.len() as u64,
        uncompressed_size: text.len() as u64,
    };
    assert!(contents(&inflate(&file, &section, &disk(), &Limits::default()).expect("unpacked")) == text);
}

#[test]
fn another_length_than_announced_is_damage() {
    let text = text(100_003);
    for (format, packed) in
        [(CompressionFormat::Zlib, zlibbed(&text)), (CompressionFormat::Zstandard, zstded(&text))]
    {
        // The largest asks for no more disk than others of these tests, which a machine may have little of.
        for announced in [0, 1, 65_536, 100_002, 100_004, LARGE] {
            let result = unpack(format, &packed, announced);
            // Nothing is a section of its own, whatever the packed bytes say.
            let expected = if announced == 0 { result.is_ok() } else { is_damaged(&result) };
            assert!(expected, "{format:?} {announced}: {result:?}");
        }
        let cut = unpack(format, &packed[..packed.len() / 2], text.len() as u64);
        assert!(is_damaged(&cut), "{format:?}: {cut:?}");
    }
}

#[test]
fn a_changed_byte_changes_nothing_unnoticed_in_zlib() {
    let text = text(10_007);
    let packed = zlibbed(&text);
    for position in 0..packed.len() {
        let mut changed = packed.clone();
        changed[position] ^= 0x10;
        // The bits that fill up the last byte of the stream mean nothing, and may change.
        match unpack(CompressionFormat::Zlib, &changed, text.len() as u64) {
            Ok(spool) => assert!(contents(&spool) == text, "byte {position}"),
            result => assert!(is_damaged(&result), "byte {position}: {result:?}"),
        }
    }
}

#[test]
fn a_changed_byte_never_panics_in_zstd() {
    let text = text(10_007);
    let packed = zstded(&text);
    let damaged = (0..packed.len()).filter(|&position| {
        let mut changed = packed.clone();
        changed[position] ^= 0x10;
        unpack(CompressionFormat::Zstandard, &changed, text.len() as u64).is_err()
    });
    // Its frames carry no checksum here, so a literal may change unnoticed; the structure may not.
    assert!(damaged.count() > 4);
}

#[test]
fn an_unknown_format_is_refused() {
    assert!(matches!(unpack(CompressionFormat::Unknown, b"bytes", 5), Err(Failure::Unknown)));
}

#[test]
fn a_file_that_cannot_be_read_is_the_systems_error() {
    let writable = File::options().write(true).open("/dev/null").expect("a file that is not for reading");
    let section = CompressedFileRange {
        format: CompressionFormat::Zstandard,
        offset: 0,
        compressed_size: 10,
        uncompressed_size: 10,
    };
    match inflate(&writable, &section, &disk(), &Limits::default()) {
        Err(Failure::Io) => {}
        result => panic!("{result:?}"),
    }
}

#[test]
fn what_has_no_disk_goes_to_memory_within_the_budget() {
    let text = text(10_007);
    let limits = |spare_disk, memory| Limits { spare_disk, memory, ..Limits::default() };
    let nowhere = disk().join("missing");
    let roomy = limits(0, 10_007);
    for (dir, limits) in [
        (&nowhere, roomy),
        // A disk with too little to spare, and a directory that is memory itself.
        (&disk(), limits(u64::MAX, 10_007)),
        (&PathBuf::from("/dev/shm"), roomy),
    ] {
        let spool = unpack_to(dir, CompressionFormat::Zlib, &zlibbed(&text), 10_007, &limits);
        let spool = spool.unwrap_or_else(|failure| panic!("{dir:?}: {failure:?}"));
        assert!(matches!(&spool, Bytes::Memory(bytes) if bytes.len() == 10_007), "{dir:?}");
        assert!(contents(&spool) == text, "{dir:?}");
        let tighter = Limits { memory: 10_006, ..limits };
        let result = unpack_to(dir, CompressionFormat::Zlib, &zlibbed(&text), 10_007, &tighter);
        assert!(matches!(result, Err(Failure::OverBudget)), "{dir:?}: {result:?}");
    }
}

#[test]
fn a_section_above_the_limit_is_refused() {
    let limits = Limits { section_bytes: 999, ..Limits::default() };
    let result = unpack_to(&disk(), CompressionFormat::Zlib, &zlibbed(&text(1_000)), 1_000, &limits);
    assert!(matches!(result, Err(Failure::OverBudget)), "{result:?}");
}

#[test]
fn a_large_zlib_section_takes_no_heap() {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    for block in 0..BLOCKS {
        packed.write_all(&[block.to_le_bytes()[0]; 128 << 10]).expect("packed");
    }
    let peak = large(CompressionFormat::Zlib, &packed.finish().expect("packed"), LARGE);
    assert!(peak < 512 << 10, "{peak} bytes");
}

#[test]
fn a_large_zstd_section_takes_its_window() {
    // The window of level 3, the default, and the largest that is taken. A growing buffer is there twice for a moment.
    let peak = large(CompressionFormat::Zstandard, &frame(2 << 20, BLOCKS), LARGE);
    assert!(peak < 4 << 20, "{peak} bytes");
    let peak = large(CompressionFormat::Zstandard, &frame(8 << 20, BLOCKS), LARGE);
    assert!(peak < 13 << 20, "{peak} bytes");
    let result = unpack(CompressionFormat::Zstandard, &frame(16 << 20, BLOCKS), LARGE);
    assert!(matches!(result, Err(Failure::OverBudget)), "{result:?}");
}

/// Unpacks `packed` onto the disk and returns how much heap that took.
#[track_caller]
fn large(format: CompressionFormat, packed: &[u8], size: u64) -> usize {
    let file = file(packed);
    let section = CompressedFileRange {
        format,
        offset: 0,
        compressed_size: packed.len() as u64,
        uncompressed_size: size,
    };
    let dir = disk();
    let (spool, peak) = counting::peak(|| inflate(&file, &section, &dir, &Limits::default()));
    let mut ends = [[0], [0]];
    let spool = spool.expect("unpacked");
    assert_eq!(spool.read_at(BLOCK - 1, &mut ends[0]).expect("read"), 1);
    assert_eq!(spool.read_at(size - 1, &mut ends[1]).expect("read"), 1);
    assert_eq!(ends, [[0], [(size / BLOCK - 1).to_le_bytes()[0]]]);
    peak
}

/// A zstd frame with this window and as many blocks, each of which repeats one byte, RFC 8878.
fn frame(window: u64, blocks: u32) -> Vec<u8> {
    let exponent = window.trailing_zeros() - 10;
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, u8::try_from(exponent << 3).expect("a window")];
    for block in 0..blocks {
        let last = u32::from(block + 1 == blocks);
        let header = (u32::try_from(BLOCK).expect("a size") << 3) | (1 << 1) | last;
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(block.to_le_bytes()[0]);
    }
    frame
}

/// Something that packs, but not to nothing.
fn text(size: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let words = std::iter::repeat_with(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        format!("{:x}", (state >> 16) % 997)
    });
    words.flat_map(String::into_bytes).take(size).collect()
}

fn zlibbed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("packed");
    encoder.finish().expect("packed")
}

fn zstded(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

fn unpack(format: CompressionFormat, packed: &[u8], size: u64) -> Result<Bytes, Failure> {
    unpack_to(&disk(), format, packed, size, &Limits { spare_disk: 1 << 20, ..Limits::default() })
}

fn unpack_to(
    dir: &Path,
    format: CompressionFormat,
    packed: &[u8],
    size: u64,
    limits: &Limits,
) -> Result<Bytes, Failure> {
    let section = CompressedFileRange {
        format,
        offset: 0,
        compressed_size: packed.len() as u64,
        uncompressed_size: size,
    };
    inflate(&file(packed), &section, dir, limits)
}

fn is_damaged(result: &Result<Bytes, Failure>) -> bool {
    matches!(result, Err(Failure::Damaged))
}

fn contents(spool: &Bytes) -> Vec<u8> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4_099]);
    loop {
        match spool.read_at(bytes.len() as u64, &mut chunk).expect("read") {
            0 => return bytes,
            count => bytes.extend_from_slice(&chunk[..count]),
        }
    }
}

fn file(bytes: &[u8]) -> File {
    let mut file = scratch::nameless(&std::env::temp_dir()).expect("a file");
    file.write_all(bytes).expect("written");
    file
}

/// A directory on a disk: where this test was built, since the one for temporary files may be memory.
fn disk() -> PathBuf {
    std::env::current_exe().expect("a path").parent().expect("a directory").to_owned()
}
