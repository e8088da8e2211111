//! Looks addresses up in an index: reads the table and the blocks that are touched, one at a time, and nothing else.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use flate2::read::ZlibDecoder;

use super::block::{Damaged, Input, Stretch};
use super::format::{HEADER, Header, Kind, MAX_BLOCK, MAX_BLOCKS, MAX_PACKED, RECORD, Record};
use crate::dwarf::Place;
use crate::file::bytes::Bytes;
use crate::raw::Raw;

/// An index that belongs to the module.
#[derive(Debug)]
pub(crate) struct Index {
    bytes: Bytes,
    /// Where the blocks begin.
    blocks_at: u64,
    stretches: Vec<Record>,
    names: Vec<Record>,
    files: Vec<Record>,
    damaged: bool,
}

impl Index {
    /// The index at `path`, if it is one of the build `build_id`. One whose table is damaged has no answers.
    pub(crate) fn open(path: &Path, build_id: &[u8]) -> Option<Self> {
        // Looked at before it is opened: opening a pipe would wait for its other end.
        fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Self::of(Bytes::File(File::open(path).ok()?), build_id)
    }

    pub(super) fn of(bytes: Bytes, build_id: &[u8]) -> Option<Self> {
        let header = Header::decode(&exactly(&bytes, 0, HEADER)?);
        let header = header.filter(|header| header.build_id == build_id)?;
        let mut index = Self {
            bytes,
            blocks_at: HEADER as u64,
            stretches: Vec::new(),
            names: Vec::new(),
            files: Vec::new(),
            damaged: false,
        };
        index.damaged = index.read_table(&header).is_none();
        Some(index)
    }

    fn read_table(&mut self, header: &Header) -> Option<()> {
        let [stretches, names, files] =
            header.blocks.map(|count| usize::try_from(count).unwrap_or(usize::MAX));
        let all = stretches.checked_add(names)?.checked_add(files).filter(|all| *all <= MAX_BLOCKS)?;
        let table = exactly(&self.bytes, HEADER as u64, all * RECORD)?;
        if crc32fast::hash(&table) != header.table_checksum {
            return None;
        }
        let mut records = table.chunks_exact(RECORD).filter_map(Record::decode);
        let mut next = |count: usize| -> Vec<Record> { records.by_ref().take(count).collect() };
        (self.stretches, self.names, self.files) = (next(stretches), next(names), next(files));
        self.blocks_at += table.len() as u64;
        let ascends = |records: &[Record]| records.is_sorted_by_key(|record| record.key);
        [&self.stretches, &self.names, &self.files].into_iter().all(|of| ascends(of)).then_some(())
    }

    /// The answers at `wanted` (sorted addresses of the file), and whether damage stood in the way of one.
    pub(crate) fn locate(&mut self, wanted: &[u64]) -> (Raw, bool) {
        let mut damaged = self.damaged;
        let mut raw = Raw { frames: Vec::with_capacity(wanted.len()), ..Raw::default() };
        let block_of = |key: u64| preceding(&self.stretches, key);
        let mut rest = wanted;
        while let Some(first) = rest.first() {
            let block = block_of(*first);
            let count = rest.partition_point(|address| block_of(*address) == block);
            let (inside, after) = rest.split_at(count.max(1));
            // Before the first block there is no code.
            let found = block.map(|block| self.stretches(block, inside));
            damaged |= matches!(found, Some(Err(Damaged)));
            let nothing = || vec![Box::default(); inside.len()];
            raw.frames.extend(found.and_then(Result::ok).unwrap_or_else(nothing));
            rest = after;
        }
        damaged |= self.add_texts(&mut raw).is_err();
        (raw, damaged)
    }

    /// The frames at `wanted`, which lie between the key of the block at `record` and the next one's.
    fn stretches(&self, record: Record, wanted: &[u64]) -> Result<Vec<Box<[Place]>>, Damaged> {
        let block = self.block(record).ok_or(Damaged)?;
        let (mut input, mut stretch) = (Input(&block), Stretch::before(record.key));
        let mut found = Vec::with_capacity(wanted.len());
        loop {
            let next = stretch.next(&mut input)?;
            let is_before = |address: &&u64| next.is_none_or(|next| **address < next);
            while wanted.get(found.len()).filter(is_before).is_some() {
                found.push(stretch.chain.iter().rev().copied().collect());
            }
            match next {
                Some(start) if found.len() < wanted.len() => stretch.advance(&mut input, start)?,
                _ => return Ok(found),
            }
        }
    }

    /// Reads the names and files that the frames of `raw` speak of, and gives them numbers among those. An error
    /// when there is one that cannot be read; it is then unknown.
    fn add_texts(&self, raw: &mut Raw) -> Result<(), Damaged> {
        let places = || raw.frames.iter().flat_map(|frames| frames.iter());
        let name_ids = distinct(places().filter_map(|place| place.name));
        let file_ids = distinct(places().map(|place| place.file).filter(|file| *file != 0));
        let (names, whole_names) = self.texts(Kind::Names, &name_ids, |input| input.name());
        let (files, whole_files) = self.texts(Kind::Files, &file_ids, |input| input.file());
        raw.names = names;
        raw.files = files.into_iter().map(Option::unwrap_or_default).collect();
        // File 0 stands behind the others here.
        raw.files.push(Arc::default());
        let place_in = |ids: &[u32], id: u32| {
            let place = ids.binary_search(&id).unwrap_or(ids.len());
            u32::try_from(place).unwrap_or(u32::MAX)
        };
        for place in raw.frames.iter_mut().flatten() {
            place.name = place.name.map(|name| place_in(&name_ids, name));
            place.file = place_in(&file_ids, place.file);
        }
        if whole_names && whole_files { Ok(()) } else { Err(Damaged) }
    }

    /// The texts with these numbers (sorted), and whether all are there.
    fn texts<T>(
        &self,
        kind: Kind,
        ids: &[u32],
        read: impl Fn(&mut Input<'_>) -> Option<T>,
    ) -> (Vec<Option<T>>, bool) {
        let records = if kind == Kind::Names { &self.names } else { &self.files };
        let block_of = |id: u32| preceding(records, id.into());
        let mut found = Vec::with_capacity(ids.len());
        for ids in ids.chunk_by(|id, other| block_of(*id) == block_of(*other)) {
            let record = ids.first().and_then(|id| block_of(*id));
            let block = record.and_then(|record| Some((record.key, self.block(record)?)));
            let (key, block) = block.unwrap_or_default();
            let mut input = Input(&block);
            let texts = (key..).map_while(|id| Some((id, read(&mut input)?)));
            let mut wanted = ids.iter().map(|id| u64::from(*id)).peekable();
            for (_, text) in texts.filter(|(id, _)| wanted.next_if_eq(id).is_some()) {
                found.push(Some(text));
            }
            found.extend(wanted.map(|_| None));
        }
        let whole = found.iter().all(Option::is_some);
        (found, whole)
    }

    /// The block at `record`, unpacked; `None` when it is damaged.
    fn block(&self, record: Record) -> Option<Vec<u8>> {
        let length = usize::try_from(record.length).ok().filter(|length| *length <= MAX_PACKED)?;
        let packed = exactly(&self.bytes, self.blocks_at.checked_add(record.offset)?, length)?;
        if crc32fast::hash(&packed) != record.checksum {
            return None;
        }
        let mut block = Vec::new();
        ZlibDecoder::new(&*packed).take(MAX_BLOCK as u64 + 1).read_to_end(&mut block).ok()?;
        (block.len() <= MAX_BLOCK).then_some(block)
    }
}

/// The last of `records` that begins at or before `key`.
fn preceding(records: &[Record], key: u64) -> Option<Record> {
    let after = records.partition_point(|record| record.key <= key);
    records.get(after.checked_sub(1)?).copied()
}

fn distinct(ids: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut ids: Vec<u32> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// The `length` bytes from `offset`; the caller has bounded the length.
fn exactly(bytes: &Bytes, offset: u64, length: usize) -> Option<Vec<u8>> {
    let left = bytes.len().checked_sub(offset)?;
    if (length as u64) > left {
        return None;
    }
    let mut room = vec![0; length];
    let mut filled = 0;
    while let Some(rest) = room.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match bytes.read_at(offset + filled as u64, rest) {
            Ok(read) if read > 0 => filled += read,
            _ => return None,
        }
    }
    Some(room)
}

#[cfg(test)]
mod tests;
