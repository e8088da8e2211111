//! Names from the symbol tables, for addresses that the debug info does not name. One pass over the symbols for
//! all addresses, a piece of the table at a time; keeps one candidate per address and none of the rest.

use std::cmp::Reverse;

use object::elf;

use crate::file::binary::Binary;
use crate::file::elf::SectionRange;
use crate::file::section::{NEARBY, SCATTERED, Section};
use crate::frame::Source;

/// A symbol in a file of 32 or 64 bits (elf(5), "String and symbol tables").
const SYMBOL_32: usize = 16;
const SYMBOL_64: usize = 24;

/// A function's name in a symbol table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Symbol {
    pub(crate) name: String,
    pub(crate) source: Source,
}

/// The symbol that covers each of `wanted` (sorted addresses of the file), `None` where none does. Of `tables` the
/// first that has one counts.
pub(crate) fn symbols(tables: &[(&Binary, Source)], wanted: &[u64]) -> Vec<Option<Symbol>> {
    let mut found = vec![None; wanted.len()];
    for (binary, source) in tables {
        let open = || wanted.iter().zip(&found).filter(|(_, symbol)| symbol.is_none());
        let addresses: Vec<u64> = open().map(|(address, _)| *address).collect();
        let Some(mut table) = Table::open(binary, *source).filter(|_| !addresses.is_empty()) else {
            continue;
        };
        let mut search = Search::for_each(&addresses);
        table.each(|names, entry| search.offer(names, entry));
        let mut entries = search.found(binary);
        drop_ended(&mut table, &mut entries);
        let places = found.iter_mut().filter(|symbol: &&mut Option<Symbol>| symbol.is_none());
        for (place, entry) in places.zip(entries) {
            *place = entry
                .and_then(|entry| Some(Symbol { name: text(&mut table.names, entry)?, source: *source }));
        }
    }
    found
}

/// True when one of `tables`, besides those for dynamic linking, has a function.
pub(crate) fn any_function(tables: &[(&Binary, Source)]) -> bool {
    let mut full = tables.iter().filter(|(_, source)| *source == Source::Symtab);
    full.any(|(binary, source)| {
        let mut any = false;
        if let Some(mut table) = Table::open(binary, *source) {
            table.each(|_, _| any = true);
        }
        any
    })
}

/// Hands every address at which another symbol may begin to count to `note`.
pub(crate) fn bounds(tables: &[(&Binary, Source)], note: &mut dyn FnMut(u64)) {
    for (binary, source) in tables {
        for section in binary.elf.sections.iter().filter(|section| section.executable) {
            note(section.address);
            note(section.address.saturating_add(section.memory_size));
        }
        if let Some(mut table) = Table::open(binary, *source) {
            table.each(|_, entry| {
                note(entry.address);
                note(entry.address.saturating_add(entry.size));
            });
        }
    }
}

/// Hands the address and the linker's name of every function whose name has `part` in it to `note`.
pub(crate) fn named(tables: &[(&Binary, Source)], part: &str, note: &mut dyn FnMut(u64, &str)) {
    for (binary, source) in tables {
        if let Some(mut table) = Table::open(binary, *source) {
            table.names.read_ahead(NEARBY);
            table.each(|names, entry| {
                let name = names.string(entry.name.into()).unwrap_or_default();
                if name.windows(part.len()).any(|window| window == part.as_bytes()) {
                    note(entry.address, &String::from_utf8_lossy(name));
                }
            });
        }
    }
}

/// A symbol table and its strings.
struct Table {
    symbols: Section,
    names: Section,
    is_64: bool,
    /// By section, whether it holds code.
    executable: Vec<bool>,
}

/// A function or a label in a table.
#[derive(Clone, Copy, Debug)]
struct Entry {
    name: u32,
    address: u64,
    size: u64,
    section: u16,
    /// False for what has no type, as labels in hand-written assembly.
    is_function: bool,
    is_global: bool,
    is_weak: bool,
}

impl Table {
    fn open(binary: &Binary, source: Source) -> Option<Self> {
        let (table, names) = match source {
            Source::Symtab => (".symtab", ".strtab"),
            _ => (".dynsym", ".dynstr"),
        };
        let section = |name: &str, read_ahead| {
            let range = binary.elf.section(name).filter(|range| range.compression.is_none())?;
            Some(Section::new(binary.bytes.clone(), range.offset, range.size, read_ahead))
        };
        Some(Self {
            symbols: section(table, NEARBY)?,
            names: section(names, SCATTERED)?,
            is_64: binary.elf.is_64,
            executable: binary.elf.sections.iter().map(|section| section.executable).collect(),
        })
    }

    /// Hands every function that is defined to `each`, with the strings its name is in.
    fn each(&mut self, mut each: impl FnMut(&mut Section, Entry)) {
        let size = if self.is_64 { SYMBOL_64 } else { SYMBOL_32 };
        let mut at = 0;
        while let Some(bytes) = self.symbols.exactly(at, size) {
            let in_code = |entry: &Entry| {
                entry.is_function || self.executable.get(usize::from(entry.section)).copied().unwrap_or(false)
            };
            if let Some(entry) = entry(bytes, self.is_64).filter(in_code) {
                each(&mut self.names, entry);
            }
            at += size as u64;
        }
    }
}

/// The symbol that `bytes` are, if it is a function's or a label's.
fn entry(bytes: &[u8], is_64: bool) -> Option<Entry> {
    let word = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let long = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let (info, section_at) = if is_64 { (*bytes.get(4)?, 6) } else { (*bytes.get(12)?, 14) };
    let section = u16::from_le_bytes(*bytes.get(section_at..)?.first_chunk()?);
    let (kind, binding) = (elf::SymbolType(info & 15), elf::SymbolBind(info >> 4));
    let is_function = matches!(kind, elf::STT_FUNC | elf::STT_GNU_IFUNC);
    if !(is_function || kind == elf::STT_NOTYPE) || section == 0 {
        return None;
    }
    let (address, size) = if is_64 { (long(8)?, long(16)?) } else { (word(4)?.into(), word(8)?.into()) };
    Some(Entry {
        name: word(0)?,
        address,
        size,
        section,
        is_function,
        is_global: binding != elf::STB_LOCAL,
        is_weak: binding == elf::STB_WEAK,
    })
}

/// How good a candidate is, the greatest being the best: a function, the innermost start, the name that others link against before its local aliases.
type Rank = (bool, u64, bool, bool);

impl Entry {
    const fn rank(&self) -> Rank {
        (self.is_function, self.address, self.is_global, !self.is_weak)
    }

    /// Where a symbol starts, and whether it says where it ends: of two that start together that one wins, then one
    /// that says it is a function, then one that others link against.
    const fn start(&self) -> (u64, bool, bool, bool) {
        (self.address, self.size > 0, self.is_function, self.is_global)
    }
}

/// Of two aliases the plainest spelling, the greatest being the best.
fn plainness(name: &str) -> (Reverse<usize>, Reverse<&str>) {
    (Reverse(name.len() - name.trim_start_matches('_').len()), Reverse(name))
}

struct Search<'wanted> {
    wanted: &'wanted [u64],
    /// The best symbol that covers the address.
    best: Vec<Option<Entry>>,
    /// The last symbol that starts between the address before this one and this one.
    last: Vec<Option<Entry>>,
}

impl<'wanted> Search<'wanted> {
    fn for_each(wanted: &'wanted [u64]) -> Self {
        Self { wanted, best: vec![None; wanted.len()], last: vec![None; wanted.len()] }
    }

    /// Names are read only where two symbols are equal in everything else.
    fn offer(&mut self, names: &mut Section, entry: Entry) {
        let from = self.wanted.partition_point(|wanted| *wanted < entry.address);
        let rest = self.wanted.get(from..).unwrap_or_default();
        let end = entry.address.saturating_add(entry.size);
        let count = rest.partition_point(|wanted| *wanted < end);
        for best in self.best.get_mut(from..from + count).into_iter().flatten() {
            let better = match best {
                Some(known) if known.rank() == entry.rank() => {
                    let (known, new) = (text(names, *known), text(names, entry));
                    new.as_deref().map(plainness) > known.as_deref().map(plainness)
                }
                Some(known) => known.rank() < entry.rank(),
                None => true,
            };
            if better {
                *best = Some(entry);
            }
        }
        if let Some(last) = self.last.get_mut(from)
            && last.is_none_or(|known| known.start() < entry.start())
        {
            *last = Some(entry);
        }
    }

    /// What names each address: the symbol that covers it, else the label before it.
    ///
    /// Hand-written assembly has labels without a size. Such a label names what follows it, but only up to the next
    /// function and within its section: past that it would be a guess.
    fn found(self, binary: &Binary) -> Vec<Option<Entry>> {
        let mut last: Option<Entry> = None;
        let all = self.wanted.iter().zip(&self.last).zip(self.best);
        let found = all.map(|((wanted, here), best)| {
            last = here.or(last);
            best.or_else(|| {
                let label = last.filter(|label| label.size == 0)?;
                let section: &SectionRange = binary.elf.sections.get(usize::from(label.section))?;
                let end = section.address.saturating_add(section.memory_size);
                (section.executable && *wanted < end).then_some(label)
            })
        });
        found.collect()
    }
}

/// Drops labels that stand inside a function: past its end, which is where they were found, they name nothing.
fn drop_ended(table: &mut Table, found: &mut [Option<Entry>]) {
    let is_label = |entry: &&Entry| entry.size == 0;
    let mut labels: Vec<(u64, bool)> =
        found.iter().flatten().filter(is_label).map(|label| (label.address, false)).collect();
    if labels.is_empty() {
        return;
    }
    labels.sort_unstable();
    labels.dedup();
    table.each(|_, entry| {
        let from = labels.partition_point(|(address, _)| *address < entry.address);
        let end = entry.address.saturating_add(entry.size);
        let inside = labels.iter_mut().skip(from).take_while(|(address, _)| *address < end);
        inside.for_each(|(_, ended)| *ended = true);
    });
    let ended = |address: u64| labels.binary_search(&(address, true)).is_ok();
    for entry in found {
        *entry = entry.filter(|entry| entry.size > 0 || !ended(entry.address));
    }
}

/// The symbol's name; `None` for one without.
fn text(names: &mut Section, entry: Entry) -> Option<String> {
    let name = String::from_utf8_lossy(names.string(entry.name.into())?).into_owned();
    // `$x` and `$d` on ARM tell code from data within a function, and name nothing.
    let is_marker = !entry.is_function && name.starts_with('$') && name.len() <= 3;
    (!name.is_empty() && !is_marker).then_some(name)
}
