//! Puts stretches into blocks and blocks into a file. Only names, files and the table are held; blocks wait in a
//! temporary file until it is known how many there are.

use std::fs::File;
use std::hash::Hash;
use std::io::{self, Seek, Write};
use std::mem;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use rustc_hash::FxHashMap;

use super::Stats;
use super::block::{put, put_place, put_text};
use super::format::{
    HEADER, Header, KINDS, Kind, MAX_BLOCK, MAX_BLOCKS, MAX_DEPTH, RECORD, Record, source_code,
};
use crate::dwarf::Place;
use crate::file::scratch;
use crate::raw::{Raw, RawName};
use crate::{Error, ErrorKind};

/// A block is closed after so many entries or bytes.
const ENTRIES: usize = 2048;
const BYTES: usize = 128 << 10;

/// An index in the making.
pub(super) struct Writer {
    build_id: Vec<u8>,
    spool: File,
    written: u64,
    records: [Vec<Record>; 3],
    block: Block,
    names: Numbers<RawName>,
    files: Numbers<Arc<str>>,
    /// The last stretch, outermost first, if there is one.
    last: Option<Vec<Place>>,
    last_start: u64,
    stats: Stats,
}

/// Things by number, in the order in which they were first seen.
struct Numbers<T> {
    ids: FxHashMap<T, u32>,
    all: Vec<T>,
}

/// A block that is being filled.
#[derive(Default)]
struct Block {
    key: u64,
    entries: usize,
    bytes: Vec<u8>,
}

impl Writer {
    /// An index of the build `build_id`.
    pub(super) fn new(build_id: &[u8]) -> Result<Self, Error> {
        let spool = scratch::nameless(&std::env::temp_dir()).map_err(failed)?;
        let (names, mut files) = (Numbers::default(), Numbers::default());
        files.id(&Arc::from(""));
        Ok(Self {
            build_id: build_id.to_owned(),
            spool,
            written: 0,
            records: Default::default(),
            block: Block::default(),
            names,
            files,
            last: None,
            last_start: 0,
            stats: Stats::default(),
        })
    }

    pub(super) const fn stats_mut(&mut self) -> &mut Stats {
        &mut self.stats
    }

    /// Adds the answers at `addresses`, which ascend from call to call; each holds up to the next one.
    pub(super) fn add(&mut self, addresses: &[u64], raw: &Raw) -> Result<(), Error> {
        for (address, frames) in addresses.iter().zip(&raw.frames) {
            let chain = frames.iter().rev().take(MAX_DEPTH).map(|place| self.numbered(*place, raw)).collect();
            if self.last.as_ref() != Some(&chain) {
                self.stretch(*address, chain)?;
            }
        }
        Ok(())
    }

    /// `place` with this index's own numbers.
    fn numbered(&mut self, place: Place, raw: &Raw) -> Place {
        let name = place.name.and_then(|name| raw.names.get(name as usize)?.as_ref());
        let file = raw.files.get(place.file as usize);
        Place {
            name: name.map(|name| self.names.id(name)),
            file: file.map_or(0, |file| self.files.id(file)),
            ..place
        }
    }

    fn stretch(&mut self, start: u64, chain: Vec<Place>) -> Result<(), Error> {
        self.close(Kind::Stretches, false)?;
        let is_first = self.block.entries == 0;
        let before = self.last.as_deref().filter(|_| !is_first).unwrap_or_default();
        let kept = before.iter().zip(&chain).take_while(|(before, now)| before == now).count();
        let from = if is_first { start } else { self.last_start };
        let bytes = self.block.entry(start);
        put(bytes, start - from);
        put(bytes, kept as u64);
        put(bytes, (chain.len() - kept) as u64);
        chain.iter().skip(kept).for_each(|place| put_place(bytes, *place));
        (self.last, self.last_start) = (Some(chain), start);
        self.stats.stretches += 1;
        Ok(())
    }

    /// Packs the block away when it is full, or `always`.
    fn close(&mut self, kind: Kind, always: bool) -> Result<(), Error> {
        let is_full = self.block.entries >= ENTRIES || self.block.bytes.len() >= BYTES;
        if self.block.entries == 0 || !(always || is_full) {
            return Ok(());
        }
        let block = mem::take(&mut self.block);
        let packed = packed(&block.bytes).map_err(failed)?;
        let length = u32::try_from(packed.len()).ok().filter(|_| block.bytes.len() <= MAX_BLOCK);
        let length = length.ok_or_else(|| Error::new(ErrorKind::Invalid, "a name or a chain is too long"))?;
        self.spool.write_all(&packed).map_err(failed)?;
        let checksum = crc32fast::hash(&packed);
        let record = Record { key: block.key, offset: self.written, length, checksum };
        self.written += u64::from(length);
        let [stretches, names, files] = &mut self.records;
        match kind {
            Kind::Stretches => stretches.push(record),
            Kind::Names => names.push(record),
            Kind::Files => files.push(record),
        }
        Ok(())
    }

    /// Writes all of it to `sink`.
    pub(super) fn finish(mut self, sink: &mut impl Write) -> Result<Stats, Error> {
        self.close(Kind::Stretches, true)?;
        let names = mem::take(&mut self.names.all);
        for (key, name) in (0..).zip(&names) {
            self.close(Kind::Names, false)?;
            let bytes = self.block.entry(key);
            bytes.push(source_code(name.source));
            put_text(bytes, &name.text);
        }
        self.close(Kind::Names, true)?;
        let files = mem::take(&mut self.files.all);
        for (key, file) in (0..).zip(&files) {
            self.close(Kind::Files, false)?;
            put_text(self.block.entry(key), file);
        }
        self.close(Kind::Files, true)?;
        (self.stats.functions, self.stats.files) = (names.len(), files.len().saturating_sub(1));
        self.assemble(sink)
    }

    fn assemble(mut self, sink: &mut impl Write) -> Result<Stats, Error> {
        let table: Vec<u8> = self.records.iter().flatten().flat_map(|record| record.encode()).collect();
        if table.len() / RECORD > MAX_BLOCKS {
            return Err(Error::new(ErrorKind::Invalid, "the binary is too large for an index"));
        }
        let blocks = KINDS.map(|kind| self.records.get(kind as usize).map_or(0, Vec::len));
        let header = Header {
            build_id: mem::take(&mut self.build_id),
            blocks: blocks.map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
            table_checksum: crc32fast::hash(&table),
        };
        let header = header.encode().ok_or_else(|| Error::new(ErrorKind::Invalid, "no such build id"))?;
        let mut write = || -> io::Result<()> {
            sink.write_all(&header)?;
            sink.write_all(&table)?;
            self.spool.rewind()?;
            io::copy(&mut self.spool, sink)?;
            sink.flush()
        };
        write().map_err(failed)?;
        self.stats.bytes = (HEADER + table.len()) as u64 + self.written;
        Ok(self.stats)
    }
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self { ids: FxHashMap::default(), all: Vec::new() }
    }
}

impl<T: Clone + Eq + Hash> Numbers<T> {
    fn id(&mut self, thing: &T) -> u32 {
        if let Some(known) = self.ids.get(thing) {
            return *known;
        }
        let id = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.all.push(thing.clone());
        self.ids.insert(thing.clone(), id);
        id
    }
}

impl Block {
    /// Where the bytes of one more entry go; the first one's key is the block's.
    fn entry(&mut self, key: u64) -> &mut Vec<u8> {
        if self.entries == 0 {
            self.key = key;
        }
        self.entries += 1;
        &mut self.bytes
    }
}

fn packed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn failed(error: io::Error) -> Error {
    Error::new(ErrorKind::Io, "cannot write the index").because(error)
}
