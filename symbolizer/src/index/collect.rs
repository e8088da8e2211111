//! What goes into an index: the answer at every address where another one begins, slice by slice.

use std::path::Path;

use super::write::Writer;
use crate::companions::Companions;
use crate::dwarf::{self, DebugInfo, Sections, Split};
use crate::file::binary::Binary;
use crate::names::Names;
use crate::places::Places;
use crate::raw::Raw;
use crate::report::Reason;
use crate::{Error, ErrorKind, symtab};

/// How many addresses are looked up at a time.
const SLICE: usize = 50_000;
/// How many addresses may wait to be sorted before those that are there twice are thrown away.
const LEAST_WAITING: usize = 1 << 20;

/// The index of the binary at `path`, written but for its end.
pub(super) fn collect(path: &Path) -> Result<Writer, Error> {
    let places = Places::default();
    let binary = Binary::open(path, &places).map_err(unreadable)?;
    if binary.elf.build_id.is_empty() {
        return Err(Error::new(ErrorKind::Invalid, "the file has no build id by which to find its index"));
    }
    let mut companions = Companions::of(&binary, &path.to_string_lossy(), &places);
    if !Sections::of(companions.info(), "").has_info() {
        let reason = companions.info().trouble.get();
        return Err(reason.map_or(Error::new(ErrorKind::Invalid, "the file has no debug info"), unreadable));
    }
    let mut writer = Writer::new(&binary.elf.build_id)?;
    let (addresses, damaged) = addresses(&binary, &mut companions, &places);
    writer.stats_mut().damaged = damaged;
    let mut missing = 0;
    for slice in addresses.chunks(SLICE) {
        let (raw, splits) = answers(&mut companions, &places, slice);
        missing = missing.max(splits);
        writer.add(slice, &raw)?;
    }
    writer.stats_mut().missing_splits = missing;
    Ok(writer)
}

fn unreadable(reason: Reason) -> Error {
    let kind = match reason {
        Reason::Unreadable | Reason::Damaged => ErrorKind::Invalid,
        _ => ErrorKind::Io,
    };
    Error::new(kind, reason.as_str())
}

/// The answers at `slice`, and how many units lack their split file.
fn answers(companions: &mut Companions<'_>, places: &Places, slice: &[u64]) -> (Raw, usize) {
    let (own, shared) = (Sections::of(companions.info(), ""), companions.shared());
    let split = &mut |split: &Split, directory: Option<&str>| companions.split(split, directory);
    let located = dwarf::locate(DebugInfo { own, shared, window: places.window, split }, slice);
    let missing = located.missing_splits;
    let mut raw = Raw::from(located);
    raw.add_symbols(&companions.symbol_tables(), slice, &mut Names::default());
    (raw, missing)
}

/// The addresses of code at which another answer may begin, in order, and how many units are damaged.
fn addresses(binary: &Binary, companions: &mut Companions<'_>, places: &Places) -> (Vec<u64>, usize) {
    let mut waiting = Waiting::of(binary);
    symtab::bounds(&companions.symbol_tables(), &mut |address| waiting.add(address));
    let (own, shared) = (Sections::of(companions.info(), ""), companions.shared());
    let split = &mut |split: &Split, directory: Option<&str>| companions.split(split, directory);
    let info = &mut DebugInfo { own, shared, window: places.window, split };
    let damaged = dwarf::bounds(info, &mut |address| waiting.add(address));
    waiting.tidy();
    (waiting.addresses, damaged)
}

/// Addresses of code, each once after [`Self::tidy`].
struct Waiting {
    /// The first address of each executable segment, and the first one after it.
    code: Vec<(u64, u64)>,
    addresses: Vec<u64>,
    limit: usize,
}

impl Waiting {
    fn of(binary: &Binary) -> Self {
        let segments = binary.elf.segments.iter().filter(|segment| segment.executable);
        let bounds = |segment: &crate::file::elf::Load| {
            (segment.address, segment.address.saturating_add(segment.file_size))
        };
        let code: Vec<_> = segments.map(bounds).collect();
        let addresses = code.iter().map(|(start, _)| *start).collect();
        Self { code, addresses, limit: LEAST_WAITING }
    }

    fn add(&mut self, address: u64) {
        if !self.code.iter().any(|(start, end)| (*start..*end).contains(&address)) {
            return;
        }
        if self.addresses.len() >= self.limit {
            self.tidy();
            self.limit = LEAST_WAITING.max(self.addresses.len() * 2);
        }
        self.addresses.push(address);
    }

    fn tidy(&mut self) {
        self.addresses.sort_unstable();
        self.addresses.dedup();
    }
}
