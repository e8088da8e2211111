//! Indexes that somebody made up: every checksum is right, and what they say is not.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::*;
use crate::frame::Source;
use crate::sys::counting;

/// An index of build `abc` with these blocks: kind, key, unpacked bytes.
fn index(blocks: &[(Kind, u64, &[u8])]) -> Index {
    let (mut table, mut packed, mut counts) = (Vec::new(), Vec::new(), [0; 3]);
    for (kind, key, bytes) in blocks {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("memory");
        let block = encoder.finish().expect("memory");
        let length = u32::try_from(block.len()).expect("a small block");
        let offset = packed.len() as u64;
        table.extend(Record { key: *key, offset, length, checksum: crc32fast::hash(&block) }.encode());
        packed.extend(block);
        counts[*kind as usize] += 1;
    }
    let build_id = b"abc".to_vec();
    let header = Header { build_id, blocks: counts, table_checksum: crc32fast::hash(&table) };
    let bytes = [header.encode().expect("a header"), table, packed].concat();
    Index::of(Bytes::Memory(bytes), b"abc").expect("an index of this build")
}

/// Two stretches: from 100 the function `f` at 7:3 of `a.c`, from 110 nothing.
const STRETCHES: &[u8] = &[0, 0, 1, 1, 1, 7, 3, 10, 0, 0];
const NAMES: &[u8] = &[1, 1, b'f'];
const FILES: &[u8] = &[0, 3, b'a', b'.', b'c'];

#[test]
fn a_stretch_holds_up_to_the_next() {
    let blocks = [(Kind::Stretches, 100, STRETCHES), (Kind::Names, 0, NAMES), (Kind::Files, 0, FILES)];
    let (raw, damaged) = index(&blocks).locate(&[99, 100, 109, 110, 500]);
    let lengths: Vec<usize> = raw.frames.iter().map(|frames| frames.len()).collect();
    assert_eq!((lengths.as_slice(), damaged), (&[0, 1, 1, 0, 0][..], false));
    let place = raw.frames[1][0];
    let name = raw.names[place.name.expect("a name") as usize].as_ref().expect("a name");
    assert_eq!((&*name.text, name.source, &*raw.files[place.file as usize]), ("f", Source::Dwarf, "a.c"));
    assert_eq!((place.line, place.column), (7, 3));
}

#[test]
fn names_and_files_that_are_not_there_are_unknown() {
    let (raw, damaged) = index(&[(Kind::Stretches, 100, STRETCHES)]).locate(&[100]);
    let place = raw.frames[0][0];
    assert!(damaged && raw.names[place.name.expect("a name") as usize].is_none());
    assert_eq!(&*raw.files[place.file as usize], "");
}

#[test]
fn a_block_that_unpacks_without_end_is_refused_before_it_takes_memory() {
    let bomb = vec![0; 64 << 20];
    let mut index = index(&[(Kind::Stretches, 100, &bomb)]);
    drop(bomb);
    let ((raw, damaged), peak) = counting::peak(|| index.locate(&[100]));
    assert!(damaged && raw.frames[0].is_empty());
    // While a vector grows its old half counts too.
    assert!(peak < 4 * MAX_BLOCK, "{peak} bytes");
}

#[test]
fn a_table_out_of_order_has_no_answers() {
    let blocks = [(Kind::Stretches, 100, STRETCHES), (Kind::Stretches, 50, STRETCHES)];
    let (raw, damaged) = index(&blocks).locate(&[60, 100]);
    assert!(damaged && raw.frames.iter().all(|frames| frames.is_empty()));
}

#[test]
fn noise_with_the_right_checksum_never_panics() {
    let mut state = 7_u64;
    let mut felt = 0;
    for _ in 0..2000 {
        let mut byte = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Small numbers are the ones that get far.
            state.to_le_bytes()[7] & if state & (1 << 40) == 0 { 3 } else { 0xff }
        };
        let [stretches, names, files]: [Vec<u8>; 3] =
            std::array::from_fn(|_| (0..60).map(|_| byte()).collect());
        let blocks =
            [(Kind::Stretches, 100, &*stretches), (Kind::Names, 0, &*names), (Kind::Files, 0, &*files)];
        let wanted: Vec<u64> = (90..200).collect();
        let (raw, damaged) = index(&blocks).locate(&wanted);
        assert_eq!(raw.frames.len(), wanted.len());
        felt += usize::from(damaged);
    }
    assert!(felt > 1000, "{felt} were found out");
}

/// zlib's own sum holds for a whole block in another's place; ours does not.
#[test]
fn a_block_in_the_place_of_another_is_damage() {
    let other: Vec<u8> = STRETCHES.iter().map(|byte| if *byte == 7 { 8 } else { *byte }).collect();
    let mut index = index(&[(Kind::Stretches, 100, STRETCHES), (Kind::Stretches, 200, &other)]);
    let [first, second] = index.stretches[..] else { panic!("two blocks") };
    assert_eq!(first.length, second.length);
    let (at, length) = (usize::try_from(index.blocks_at).expect("small"), first.length as usize);
    let Bytes::Memory(bytes) = &mut index.bytes else { panic!("in memory") };
    bytes.copy_within(at + length..at + 2 * length, at);
    let (raw, damaged) = index.locate(&[100, 200]);
    assert!(damaged && raw.frames[0].is_empty());
    assert_eq!(raw.frames[1][0].line, 8);
}
