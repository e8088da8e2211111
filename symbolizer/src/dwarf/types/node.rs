//! One entry of the kinds that types are made of, and one pass over a unit's entries.

use gimli::{DwAt, DwTag, constants};

use super::super::abbreviations::{Abbreviation, Attribute};
use super::super::cursor::Cursor;
use super::super::entries::Entry;
use super::super::form::{self, Encoding, Text, Value};
use super::super::sections::Sections;
use super::super::unit::Unit;
use crate::file::section::Section;

/// An entry is read only when so much behind its beginning is there, or the unit's end.
const MARGIN: usize = 4 << 10;
/// How much is read at a time of one entry and what stands in it: for most that is all.
const ENTRY_WINDOW: usize = 12 << 10;
/// A longer entry is damage.
const MAX_ENTRY: usize = 1 << 20;
/// Entries nested deeper are damage.
const MAX_DEPTH: u32 = 4096;

/// An entry. What it does not say is 0 or `None`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) offset: u64,
    pub(super) tag: DwTag,
    pub(super) depth: u32,
    pub(super) name: Option<Text>,
    /// What the linker calls a function.
    pub(super) linkage_name: Option<Text>,
    /// The type of a member, of a variable, behind a pointer.
    pub(super) of_type: Option<u64>,
    /// The member that tells the variants apart, or the type that a table of functions is for.
    pub(super) other: Option<u64>,
    /// Where a member is in its type, the number of a variant, where a variable or a function is in the file.
    pub(super) at: Option<u64>,
    pub(super) size: u32,
    pub(super) align: u32,
    pub(super) file: u32,
    pub(super) line: u32,
}

/// How far to go.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// All of a unit, so much of it at a time.
    Whole(usize),
    /// The entry at this offset and what stands in it.
    Entry(u64),
}

/// Hands the entries of `part` of `unit` that `wants` (by tag) to `visit`, with the unit's sections at hand, in their order;
/// those at the top have the depth 1. `None` when the unit is damaged, or `visit` has had enough.
pub(super) fn each(
    sections: &mut Sections,
    unit: &Unit,
    part: Part,
    wants: fn(DwTag) -> bool,
    visit: impl FnMut(&mut Sections, Node) -> Option<()>,
) -> Option<()> {
    if !unit.has_children {
        return Some(());
    }
    let mut info = std::mem::replace(&mut sections.info, Section::empty());
    let whole = go_through(sections, &mut info, unit, part, wants, visit);
    sections.info = info;
    whole
}

fn go_through(
    sections: &mut Sections,
    info: &mut Section,
    unit: &Unit,
    part: Part,
    wants: fn(DwTag) -> bool,
    mut visit: impl FnMut(&mut Sections, Node) -> Option<()>,
) -> Option<()> {
    let (mut at, window, last_depth) = match part {
        Part::Whole(window) => (unit.body, window, 0),
        Part::Entry(offset) => (offset, ENTRY_WINDOW, 1),
    };
    let (end, mut depth, mut margin) = (unit.header.end, 1_u32, MARGIN);
    loop {
        let left = usize::try_from(end.checked_sub(at)?).unwrap_or(usize::MAX);
        let piece = info.at(at, left.min(window.max(2 * margin)));
        let piece = piece.get(..left.min(piece.len())).unwrap_or(piece);
        let is_last = piece.len() == left;
        let mut cursor = Cursor::new(piece);
        let used = loop {
            let start = cursor.position();
            if cursor.remaining() <= if is_last { 0 } else { margin } {
                if is_last {
                    return Some(());
                }
                break start;
            }
            match entry(sections, unit, &mut cursor, at, &mut depth, wants) {
                None if is_last || (start == 0 && margin >= MAX_ENTRY) => return None,
                None => break start,
                Some(Some(node)) => visit(sections, node)?,
                Some(None) => {}
            }
            if depth == last_depth {
                return Some(());
            }
        };
        margin = if used == 0 { margin * 16 } else { MARGIN };
        at += used as u64;
    }
}

/// Reads one entry; `Some(None)` when nobody wants it.
fn entry(
    sections: &mut Sections,
    unit: &Unit,
    cursor: &mut Cursor<'_>,
    piece: u64,
    depth: &mut u32,
    wants: fn(DwTag) -> bool,
) -> Option<Option<Node>> {
    let offset = piece + cursor.position() as u64;
    let code = cursor.uleb()?;
    if code == 0 {
        *depth = depth.checked_sub(1)?;
        return Some(None);
    }
    let abbreviation = *unit.abbreviations.get(code)?;
    let node = if wants(abbreviation.tag) {
        Some(read(sections, unit, cursor, &abbreviation, offset, *depth)?)
    } else {
        unit.abbreviations.skip(&abbreviation, cursor, unit.header.encoding)?;
        None
    };
    if !cursor.is_inside() || *depth >= MAX_DEPTH {
        return None;
    }
    *depth += u32::from(abbreviation.has_children);
    Some(node)
}

fn read(
    sections: &mut Sections,
    unit: &Unit,
    cursor: &mut Cursor<'_>,
    abbreviation: &Abbreviation,
    offset: u64,
    depth: u32,
) -> Option<Node> {
    let mut node = Node {
        offset,
        tag: abbreviation.tag,
        depth,
        name: None,
        linkage_name: None,
        of_type: None,
        other: None,
        at: None,
        size: 0,
        align: 0,
        file: 0,
        line: 0,
    };
    for attribute in unit.abbreviations.attributes(abbreviation) {
        let value = value(cursor, attribute, unit.header.encoding)?;
        node.take(sections, unit, attribute.name, value);
    }
    cursor.is_inside().then_some(node)
}

/// A value, and of an expression the address that it consists of (DWARF 5, section 2.5.1.1).
fn value(cursor: &mut Cursor<'_>, attribute: &Attribute, encoding: Encoding) -> Option<Value> {
    if attribute.name != constants::DW_AT_location || attribute.form != constants::DW_FORM_exprloc {
        return form::read(cursor, attribute.form, attribute.implicit, encoding);
    }
    let length = usize::try_from(cursor.uleb()?).ok()?;
    let mut inside = *cursor;
    cursor.skip(length);
    let value = match inside.u8().map(gimli::DwOp) {
        Some(constants::DW_OP_addr) if length == 1 + usize::from(encoding.address_size) => {
            inside.unsigned(encoding.address_size).map(Value::Address)
        }
        Some(constants::DW_OP_addrx | constants::DW_OP_GNU_addr_index) => {
            inside.uleb().map(Value::AddressIndex)
        }
        _ => None,
    };
    Some(value.unwrap_or(Value::Other))
}

impl Node {
    fn take(&mut self, sections: &mut Sections, unit: &Unit, name: DwAt, value: Value) {
        let entry = || match Entry::of(value, unit.header.offset) {
            Some(Entry::Own(offset)) => Some(offset),
            _ => None,
        };
        let number =
            |value| if let Value::Constant(number) = value { u32::try_from(number).unwrap_or(0) } else { 0 };
        match name {
            constants::DW_AT_name => {
                self.name = if let Value::Text(text) = value { Some(text) } else { None }
            }
            constants::DW_AT_linkage_name => {
                self.linkage_name = if let Value::Text(text) = value { Some(text) } else { None };
            }
            constants::DW_AT_type => self.of_type = entry(),
            constants::DW_AT_discr | constants::DW_AT_containing_type => self.other = entry(),
            constants::DW_AT_data_member_location | constants::DW_AT_discr_value => {
                self.at = if let Value::Constant(number) = value { Some(number) } else { None };
            }
            constants::DW_AT_low_pc | constants::DW_AT_location => {
                self.at = unit.address(&mut sections.addr, value).or(self.at);
            }
            constants::DW_AT_byte_size => self.size = number(value),
            constants::DW_AT_alignment => self.align = number(value),
            constants::DW_AT_decl_file => self.file = number(value),
            constants::DW_AT_decl_line => self.line = number(value),
            _ => {}
        }
    }
}
