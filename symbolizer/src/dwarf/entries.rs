//! One pass over a unit's entries: which functions, and which calls inlined into them, cover each address.
//!
//! The unit is read in pieces, so that one as large as the program (fat link-time optimization makes such) takes no
//! more memory than any other.

use gimli::constants;

use super::abbreviations::{Abbreviation, Kind};
use super::cursor::Cursor;
use super::form::{self, Text, Value};
use super::ranges;
use super::sections::Sections;
use super::unit::{Code, Unit};

/// An entry is looked at only when so much behind its beginning is there, or the unit's end. One that is longer (an
/// array as a constant) makes the pass look again with more.
const MARGIN: usize = 4 << 10;
/// A longer entry is damage.
const MAX_ENTRY: usize = 1 << 20;
/// Entries nested deeper are damage.
const MAX_DEPTH: u32 = 4096;

/// The functions at one address, outermost first: the one that was compiled, then what was inlined.
pub(super) type Chain = Vec<Call>;

/// A function in a chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    /// Where its own entry is.
    own: u64,
    /// The entry to begin with when looking for its name.
    pub(super) entry: Entry,
    /// Where it was called, for one that was inlined: file, line, column.
    pub(super) site: (u64, u32, u32),
}

/// An entry, by its offset in `.debug_info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Entry {
    Own(u64),
    /// In the file that several files share.
    Shared(u64),
}

/// What a function's entry, or an inlined call's, says.
#[derive(Debug, Default)]
struct Found {
    code: Code,
    origin: Option<Entry>,
    has_linkage_name: bool,
    site: (u64, u32, u32),
}

/// The chains at `targets` (sorted addresses), and false when the unit is damaged and they may be incomplete.
pub(super) fn chains(
    sections: &mut Sections,
    unit: &Unit,
    targets: &[u64],
    window: usize,
) -> (Vec<Chain>, bool) {
    let mut pass = Pass {
        unit,
        targets,
        window,
        chains: vec![Chain::new(); targets.len()],
        owners: vec![None; targets.len()],
        functions: Vec::new(),
        depth: 1,
        bounds: None,
    };
    let whole = !unit.has_children || pass.run(sections).is_some();
    (pass.chains, whole)
}

/// Hands both ends of every range of a function or an inlined call to `note`. `None` when the unit is damaged.
pub(super) fn bounds(
    sections: &mut Sections,
    unit: &Unit,
    window: usize,
    note: &mut dyn FnMut(u64),
) -> Option<()> {
    let mut pass = Pass {
        unit,
        targets: &[],
        window,
        chains: Vec::new(),
        owners: Vec::new(),
        functions: Vec::new(),
        depth: 1,
        bounds: Some(note),
    };
    if unit.has_children { pass.run(sections) } else { Some(()) }
}

struct Pass<'unit> {
    unit: &'unit Unit,
    targets: &'unit [u64],
    /// How much of the unit is held at a time.
    window: usize,
    chains: Vec<Chain>,
    /// For each target the function that was compiled: where its entry is, and how deep.
    owners: Vec<Option<(u64, u32)>>,
    /// The functions around the entry being looked at that cover a target: depth and offset.
    functions: Vec<(u32, u64)>,
    depth: u32,
    /// Where only the ends of the ranges go, when nothing else is asked for.
    bounds: Option<&'unit mut dyn FnMut(u64)>,
}

/// What stopped the pass over a piece.
enum Stop {
    /// The unit's entries are through.
    End,
    /// The piece's, after so many bytes.
    Piece(usize),
    Damage,
}

impl Pass<'_> {
    fn run(&mut self, sections: &mut Sections) -> Option<()> {
        let (mut at, end) = (self.unit.body, self.unit.header.end);
        let mut margin = MARGIN;
        // The sections that the pass asks while it goes through the piece.
        let mut info = std::mem::replace(&mut sections.info, crate::file::section::Section::empty());
        let whole = loop {
            let left = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
            let piece = info.at(at, left.min(self.window.max(margin)));
            let piece = piece.get(..left.min(piece.len())).unwrap_or(piece);
            let is_last = piece.len() == left;
            match self.piece(sections, piece, at, if is_last { 0 } else { margin }) {
                Stop::End => break Some(()),
                Stop::Damage => break None,
                Stop::Piece(_) if is_last => break None,
                Stop::Piece(0) if margin >= MAX_ENTRY => break None,
                Stop::Piece(0) => margin *= 16,
                Stop::Piece(used) => (at, margin) = (at + used as u64, MARGIN),
            }
        };
        sections.info = info;
        whole
    }

    /// Goes through `piece`, which begins with an entry, until less than `margin` bytes of it are left.
    fn piece(&mut self, sections: &mut Sections, piece: &[u8], at: u64, margin: usize) -> Stop {
        let mut cursor = Cursor::new(piece);
        loop {
            let start = cursor.position();
            if cursor.remaining() <= margin {
                return if margin == 0 { Stop::End } else { Stop::Piece(start) };
            }
            match self.entry(sections, &mut cursor, at) {
                None if margin == 0 => return Stop::Damage,
                // Damage too, or an entry that is longer than the margin: looked at again with more behind it.
                None => return Stop::Piece(start),
                Some(0) => return Stop::End,
                Some(_) => {}
            }
        }
    }

    /// Looks at one entry; says how deep the next one is.
    #[inline]
    fn entry(&mut self, sections: &mut Sections, cursor: &mut Cursor<'_>, at: u64) -> Option<u32> {
        let offset = cursor.position();
        let code = cursor.uleb()?;
        if code == 0 {
            self.depth -= 1;
            while self.functions.last().is_some_and(|(depth, _)| *depth >= self.depth) {
                self.functions.pop();
            }
            return Some(self.depth);
        }
        let abbreviation = *self.unit.abbreviations.get(code)?;
        let offset = at + offset as u64;
        match abbreviation.kind {
            Kind::Function | Kind::Inlined if self.bounds.is_some() => {
                self.both_ends(sections, cursor, &abbreviation)?;
            }
            Kind::Function => self.function(sections, cursor, &abbreviation, offset)?,
            Kind::Inlined if !self.functions.is_empty() => {
                self.inlined(sections, cursor, &abbreviation, offset)?;
            }
            _ => self.unit.abbreviations.skip(&abbreviation, cursor, self.unit.header.encoding)?,
        }
        if !cursor.is_inside() {
            return None;
        }
        if abbreviation.has_children {
            self.depth += 1;
        }
        (self.depth < MAX_DEPTH).then_some(self.depth)
    }

    fn both_ends(
        &mut self,
        sections: &mut Sections,
        cursor: &mut Cursor<'_>,
        abbreviation: &Abbreviation,
    ) -> Option<()> {
        let found = self.read(cursor, abbreviation)?;
        if let Some(note) = &mut self.bounds {
            let _ = ranges::each(sections, self.unit, found.code, |low, high| {
                note(low);
                note(high);
            });
        }
        Some(())
    }

    fn function(
        &mut self,
        sections: &mut Sections,
        cursor: &mut Cursor<'_>,
        abbreviation: &Abbreviation,
        offset: u64,
    ) -> Option<()> {
        let found = self.read(cursor, abbreviation)?;
        let (targets, depth) = (self.targets, self.depth);
        let (chains, owners) = (&mut self.chains, &mut self.owners);
        let mut covers = false;
        // A damaged list costs the addresses in it.
        let _ = ranges::each(sections, self.unit, found.code, |low, high| {
            for index in between(targets, low, high) {
                let (Some(chain), Some(owner)) = (chains.get_mut(index), owners.get_mut(index)) else {
                    continue;
                };
                // Of two functions at one address the first counts, unless the other is nested in it.
                if owner.is_none_or(|(_, known)| known < depth) {
                    covers = true;
                    *owner = Some((offset, depth));
                    *chain = vec![Call { own: offset, entry: found.entry(offset), site: (0, 0, 0) }];
                }
            }
        });
        if covers && abbreviation.has_children {
            self.functions.push((depth, offset));
        }
        Some(())
    }

    fn inlined(
        &mut self,
        sections: &mut Sections,
        cursor: &mut Cursor<'_>,
        abbreviation: &Abbreviation,
        offset: u64,
    ) -> Option<()> {
        let found = self.read(cursor, abbreviation)?;
        let Some((_, function)) = self.functions.last().copied() else { return Some(()) };
        let (targets, chains, owners) = (self.targets, &mut self.chains, &self.owners);
        let _ = ranges::each(sections, self.unit, found.code, |low, high| {
            for index in between(targets, low, high) {
                let owned =
                    owners.get(index).is_some_and(|owner| owner.is_some_and(|(own, _)| own == function));
                if let Some(chain) = chains.get_mut(index).filter(|_| owned) {
                    let call = Call { own: offset, entry: found.entry(offset), site: found.site };
                    // Ranges that overlap must not make one call two. (A function that is inlined into itself at
                    // one call site makes two that look the same.)
                    if chain.last().is_none_or(|last| last.own != offset) {
                        chain.push(call);
                    }
                }
            }
        });
        Some(())
    }

    fn read(&self, cursor: &mut Cursor<'_>, abbreviation: &Abbreviation) -> Option<Found> {
        let mut found = Found::default();
        for attribute in self.unit.abbreviations.attributes(abbreviation) {
            let value = form::read(cursor, attribute.form, attribute.implicit, self.unit.header.encoding)?;
            found.take(attribute.name, value, self.unit.header.offset);
        }
        cursor.is_inside().then_some(found)
    }
}

/// The places in `targets` (sorted) of those from `low` to before `high`.
pub(super) fn between(targets: &[u64], low: u64, high: u64) -> std::ops::Range<usize> {
    let from = targets.partition_point(|target| *target < low);
    let count = targets.get(from..).unwrap_or_default().partition_point(|target| *target < high);
    from..from + count
}

impl Found {
    fn take(&mut self, name: gimli::DwAt, value: Value, unit: u64) {
        match (name, value) {
            (constants::DW_AT_low_pc, _) => self.code.low = Some(value),
            (constants::DW_AT_high_pc, _) => self.code.high = Some(value),
            (constants::DW_AT_ranges, _) => self.code.ranges = Some(value),
            (constants::DW_AT_linkage_name | constants::DW_AT_MIPS_linkage_name, Value::Text(text)) => {
                self.has_linkage_name = !matches!(text, Text::Inline { length: 0, .. });
            }
            (constants::DW_AT_abstract_origin | constants::DW_AT_specification, _) => {
                self.origin = Entry::of(value, unit).or(self.origin);
            }
            (constants::DW_AT_call_file, Value::Constant(file)) => self.site.0 = file,
            (constants::DW_AT_call_line, Value::Constant(line)) => {
                self.site.1 = u32::try_from(line).unwrap_or(0);
            }
            (constants::DW_AT_call_column, Value::Constant(column)) => {
                self.site.2 = u32::try_from(column).unwrap_or(0);
            }
            _ => {}
        }
    }

    fn entry(&self, offset: u64) -> Entry {
        self.origin.filter(|_| !self.has_linkage_name).unwrap_or(Entry::Own(offset))
    }
}

impl Entry {
    /// The entry that `value`, found in the unit at `unit`, refers to.
    pub(super) fn of(value: Value, unit: u64) -> Option<Self> {
        match value {
            Value::Entry(offset) => unit.checked_add(offset).map(Self::Own),
            Value::SectionEntry(offset) => Some(Self::Own(offset)),
            Value::SharedEntry(offset) => Some(Self::Shared(offset)),
            _ => None,
        }
    }
}
