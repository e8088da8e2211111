//! One pass over a unit's line program: the file, line and column at each address, and the files' names.

use std::sync::Arc;

use gimli::{
    AttributeValue, DebugLine, DebugLineOffset, IncompleteLineProgram, LineProgramHeader, LittleEndian,
    Reader,
};

use rustc_hash::FxHashMap;

use super::cursor::Cursor;
use super::form::Text;
use super::paged::Paged;
use super::sections::{Sections, StringOffsets};
use super::unit::Unit;
use crate::file::section::{NEARBY, Section};

/// Longer paths are damage.
const MAX_PATH: usize = 4096;

/// A place in the source; 0 for what is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// In the unit's table of files.
    pub(super) file: u64,
    pub(super) line: u32,
    pub(super) column: u32,
}

/// The rows of some addresses.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// By address; `None` where the program says nothing.
    pub(super) rows: Vec<Option<Row>>,
    /// The files that rows and `also` speak of.
    pub(super) files: FxHashMap<u64, Arc<str>>,
    pub(super) damaged: bool,
}

/// The rows at `targets` (sorted addresses), and the names of their files and those in `also`. A program up to half of
/// `window` long is read at once, a longer one page by page.
pub(super) fn lines(
    sections: &mut Sections,
    unit: &Unit,
    targets: &[u64],
    also: &[u64],
    window: usize,
) -> Lines {
    let mut lines = Lines { rows: vec![None; targets.len()], ..Lines::default() };
    let Some(offset) = unit.lines else { return lines };
    let mut wanted = Wanted::Rows { targets, also, lines: &mut lines };
    let whole = read(sections, unit, offset, window, &mut wanted);
    lines.damaged = whole.is_none();
    lines
}

/// The names of `wanted`, files of the unit by their numbers.
pub(super) fn files(
    sections: &mut Sections,
    unit: &Unit,
    wanted: &[u64],
    window: usize,
) -> FxHashMap<u64, Arc<str>> {
    lines(sections, unit, &[], wanted, window).files
}

/// Hands every address at which the row changes to `note`. `None` when the program is damaged.
pub(super) fn bounds(
    sections: &mut Sections,
    unit: &Unit,
    window: usize,
    note: &mut dyn FnMut(u64),
) -> Option<()> {
    let Some(offset) = unit.lines else { return Some(()) };
    read(sections, unit, offset, window, &mut Wanted::Bounds(note))
}

/// What a pass over a program is for.
enum Wanted<'pass> {
    Rows { targets: &'pass [u64], also: &'pass [u64], lines: &'pass mut Lines },
    Bounds(&'pass mut dyn FnMut(u64)),
}

fn read(
    sections: &mut Sections,
    unit: &Unit,
    offset: u64,
    window: usize,
    wanted: &mut Wanted<'_>,
) -> Option<()> {
    let length = length(&mut sections.line, offset)?;
    let mut line = std::mem::replace(&mut sections.line, Section::empty());
    let done = if length <= window as u64 / 2 {
        let bytes = line.exactly(offset, usize::try_from(length).ok()?);
        let section = bytes.map(|bytes| DebugLine::new(bytes, LittleEndian));
        section.and_then(|section| program(sections, unit, &section, wanted))
    } else {
        line.read_ahead(NEARBY);
        let section = DebugLine::from(Paged::new(&mut line, offset, length));
        let done = program(sections, unit, &section, wanted);
        drop(section);
        line.read_ahead(0);
        done
    };
    sections.line = line;
    done
}

/// How long the program at `offset` is, its length included.
fn length(line: &mut Section, offset: u64) -> Option<u64> {
    let mut cursor = Cursor::new(line.at(offset, 12));
    let length = match cursor.u32()? {
        0xffff_ffff => cursor.u64()?,
        length => length.into(),
    };
    let length = length.checked_add(cursor.position() as u64)?;
    (offset.checked_add(length)? <= line.size()).then_some(length)
}

fn program<R: Reader<Offset = usize>>(
    sections: &mut Sections,
    unit: &Unit,
    section: &DebugLine<R>,
    wanted: &mut Wanted<'_>,
) -> Option<()> {
    let address_size = unit.header.encoding.address_size;
    let program = section.program(DebugLineOffset(0), address_size, None, None).ok()?;
    let (targets, also, lines) = match wanted {
        Wanted::Rows { targets, also, lines } => (targets, also, lines),
        Wanted::Bounds(note) => return changes(program, note),
    };
    let header = program.header().clone();
    // Who asks for files alone need not wait for the rows.
    let whole = if targets.is_empty() { Some(()) } else { rows(program, targets, &mut lines.rows) };
    let wanted = lines.rows.iter().flatten().map(|row| row.file).chain(also.iter().copied());
    for file in wanted {
        if !lines.files.contains_key(&file)
            && let Some(path) = path(sections, unit, &header, file)
        {
            lines.files.insert(file, Arc::from(path));
        }
    }
    whole
}

/// Runs `program` and keeps the row in force at each target. `None` when it is damaged.
fn rows<R: Reader<Offset = usize>>(
    program: IncompleteLineProgram<R>,
    targets: &[u64],
    found: &mut [Option<Row>],
) -> Option<()> {
    let mut rows = program.rows();
    // The row before, and the first target at or after it.
    let mut before: Option<(Row, usize)> = None;
    while let Some((_, row)) = rows.next_row().ok()? {
        let address = row.address();
        let mut next = match before {
            Some((_, next)) => next,
            // What was thrown away by the linker begins at 0; nothing in it is wanted.
            None if address == 0 => targets.len(),
            None => targets.partition_point(|target| *target < address),
        };
        while let Some(target) = targets.get(next).filter(|target| **target < address) {
            if let (Some((row, _)), Some(place)) = (before, found.get_mut(next)) {
                debug_assert!(*target < address);
                // The first sequence that covers an address counts, as with functions.
                place.get_or_insert(row);
            }
            next += 1;
        }
        before = if row.end_sequence() { None } else { Some((Row::of(row), next)) };
    }
    Some(())
}

fn changes<R: Reader<Offset = usize>>(
    program: IncompleteLineProgram<R>,
    note: &mut dyn FnMut(u64),
) -> Option<()> {
    let mut rows = program.rows();
    let mut before = None;
    while let Some((_, row)) = rows.next_row().ok()? {
        let now = if row.end_sequence() { None } else { Some(Row::of(row)) };
        if now != before {
            note(row.address());
        }
        before = now;
    }
    Some(())
}

impl Row {
    fn of(row: &gimli::LineRow) -> Self {
        let small = |number: std::num::NonZeroU64| u32::try_from(number.get()).unwrap_or(0);
        let line = row.line().map_or(0, small);
        // Line 0 is the compiler's word for code that no line stands for; a column in it means nothing.
        let column = match row.column() {
            gimli::ColumnType::Column(column) if line != 0 => small(column),
            _ => 0,
        };
        Self { file: row.file_index(), line, column }
    }
}

/// The path of a file: its name in its directory in the directory of the compilation, as far as each is relative.
fn path<R: Reader<Offset = usize>>(
    sections: &mut Sections,
    unit: &Unit,
    header: &LineProgramHeader<R>,
    file: u64,
) -> Option<String> {
    let entry = header.file(file)?;
    let mut path = unit.directory.clone().unwrap_or_default();
    // Directory 0 is that of the compilation; before DWARF 5 it is not in the table.
    if (entry.directory_index() != 0 || header.version() >= 5)
        && let Some(directory) = entry.directory(header)
    {
        join(&mut path, &text(sections, unit.strings, directory)?);
    }
    join(&mut path, &text(sections, unit.strings, entry.path_name())?);
    Some(path)
}

/// `path` becomes `more`, or `more` in `path` when it is relative.
fn join(path: &mut String, more: &str) {
    let windows_root = more.get(1..3) == Some(":\\");
    if more.starts_with(['/', '\\']) || windows_root {
        path.clear();
    } else if !path.is_empty() && !path.ends_with(['/', '\\']) {
        path.push(if path.get(1..3) == Some(":\\") { '\\' } else { '/' });
    }
    if path.len() + more.len() <= MAX_PATH {
        path.push_str(more);
    }
}

fn text<R: Reader<Offset = usize>>(
    sections: &mut Sections,
    offsets: StringOffsets,
    value: AttributeValue<R>,
) -> Option<String> {
    let text = match value {
        AttributeValue::String(bytes) => {
            return bytes.to_string_lossy().ok().map(std::borrow::Cow::into_owned);
        }
        AttributeValue::DebugStrRef(offset) => Text::Str(offset.0 as u64),
        AttributeValue::DebugLineStrRef(offset) => Text::LineStr(offset.0 as u64),
        AttributeValue::DebugStrOffsetsIndex(index) => Text::Index(index.0 as u64),
        _ => return None,
    };
    sections.text(text, &[], offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_as_far_as_they_are_relative() {
        #[track_caller]
        fn check(parts: &[&str], expected: &str) {
            let mut path = String::new();
            parts.iter().for_each(|part| join(&mut path, part));
            assert_eq!(path, expected);
        }
        check(&["/build", "src", "main.rs"], "/build/src/main.rs");
        check(&["/build", "/rustc/1/library", "core.rs"], "/rustc/1/library/core.rs");
        check(&["/build", "src", "/abs/main.rs"], "/abs/main.rs");
        check(&["", "main.rs"], "main.rs");
        check(&["C:\\build", "main.rs"], "C:\\build\\main.rs");
        check(&["/build", "C:\\x", "main.rs"], "C:\\x\\main.rs");
    }
}
