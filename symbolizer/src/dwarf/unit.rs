//! A unit of debug info: its header (DWARF 5, section 7.5.1) and its first entry, which says where the rest is.

use gimli::constants;

use super::abbreviations::Abbreviations;
use super::cursor::Cursor;
use super::form::{self, Encoding, Text, Value};
use super::ranges;
use super::sections::{Sections, StringOffsets};
use crate::file::section::Section;

/// The longest header.
const MAX_HEADER: usize = 48;
/// The first entry holds a handful of numbers and references to strings; inline strings may make it longer.
const ROOT: usize = 1024;
const MAX_ROOT: usize = 1 << 20;

/// What stands before a unit's entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// Where the unit begins in `.debug_info`, and where it ends.
    pub(super) offset: u64,
    pub(super) end: u64,
    /// Where its entries begin.
    pub(super) entries: u64,
    pub(super) abbreviations: u64,
    pub(super) encoding: Encoding,
    /// The number that a split unit has in common with its skeleton.
    pub(super) split_id: Option<u64>,
    /// False for a unit of types, which has no code.
    pub(super) may_have_code: bool,
}

impl Header {
    /// The header at `offset` of `info`. Trusts nothing but that `end` lies past `offset` and in the section.
    pub(super) fn read(info: &mut Section, offset: u64) -> Option<Self> {
        let size = info.size();
        let mut cursor = Cursor::new(info.at(offset, MAX_HEADER));
        let (length, offset_size) = match cursor.u32()? {
            0xffff_ffff => (cursor.u64()?, 8),
            0xffff_fff0.. => return None,
            length => (length.into(), 4),
        };
        let end = offset.checked_add(cursor.position() as u64)?.checked_add(length)?;
        let version = cursor.u16()?;
        let mut header = Self {
            offset,
            end,
            entries: 0,
            abbreviations: 0,
            encoding: Encoding { version, address_size: 0, offset_size },
            split_id: None,
            may_have_code: true,
        };
        match version {
            2..=4 => {
                header.abbreviations = cursor.unsigned(offset_size)?;
                header.encoding.address_size = cursor.u8()?;
            }
            5 => header.read_5(&mut cursor)?,
            _ => header.may_have_code = false,
        }
        header.entries = offset.checked_add(cursor.position() as u64)?;
        (end <= size && header.entries <= end).then_some(header)
    }

    fn read_5(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        let kind = gimli::DwUt(cursor.u8()?);
        self.encoding.address_size = cursor.u8()?;
        self.abbreviations = cursor.unsigned(self.encoding.offset_size)?;
        match kind {
            constants::DW_UT_skeleton | constants::DW_UT_split_compile => self.split_id = Some(cursor.u64()?),
            constants::DW_UT_type | constants::DW_UT_split_type => {
                self.may_have_code = false;
                cursor.skip(8 + usize::from(self.encoding.offset_size));
            }
            _ => {}
        }
        Some(())
    }

    const fn can_be_read(&self) -> bool {
        self.may_have_code && matches!(self.encoding.address_size, 4 | 8)
    }
}

/// Every unit of `info`: where it begins and ends. Damage ends the list, as nothing tells where the next one is.
pub(super) fn headers(info: &mut Section) -> Vec<Header> {
    let mut found = Vec::new();
    let mut offset = 0;
    while let Some(header) = Header::read(info, offset) {
        offset = header.end;
        found.push(header);
    }
    found
}

/// A unit, ready to be gone through.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) header: Header,
    pub(super) abbreviations: Abbreviations,
    /// Where the first entry ends.
    pub(super) body: u64,
    pub(super) has_children: bool,
    pub(super) low_pc: u64,
    pub(super) code: Code,
    pub(super) directory: Option<String>,
    /// Where its line program is.
    pub(super) lines: Option<u64>,
    pub(super) address_base: u64,
    pub(super) list_base: u64,
    /// What is added to offsets in `.debug_ranges`: only in a split unit of DWARF 4.
    pub(super) ranges_base: u64,
    /// What a skeleton says to add in the split unit.
    split_ranges_base: u64,
    pub(super) strings: StringOffsets,
    /// The file that holds the rest of the unit.
    pub(super) split: Option<Split>,
    /// The number that its first entry gives it, if it is a split unit or a skeleton of DWARF 4.
    own_id: Option<u64>,
}

/// A split unit, as its skeleton speaks of it.
#[derive(Clone, Debug)]
pub(crate) struct Split {
    pub(crate) file: String,
    pub(crate) id: u64,
}

/// The addresses that an entry speaks of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) low: Option<Value>,
    pub(super) high: Option<Value>,
    pub(super) ranges: Option<Value>,
}

impl Unit {
    /// Reads what `header` announces.
    pub(super) fn read(sections: &mut Sections, header: Header) -> Option<Self> {
        if !header.can_be_read() {
            return None;
        }
        sections.ranges_left = ranges::MAX_RANGES;
        let abbreviations = Abbreviations::read(&mut sections.abbrev, header.abbreviations, header.encoding)?;
        let left = usize::try_from(header.end - header.entries).unwrap_or(usize::MAX);
        let mut least = ROOT;
        loop {
            let entry = sections.entries.at(header.entries, least.min(left));
            let entry = entry.get(..left.min(entry.len())).unwrap_or(entry).to_vec();
            match Self::root(sections, header, &abbreviations, &entry) {
                Some(unit) => return Some(Self { abbreviations, ..unit }),
                None if entry.len() >= left || least >= MAX_ROOT => return None,
                None => least *= 32,
            }
        }
    }

    fn root(
        sections: &mut Sections,
        header: Header,
        abbreviations: &Abbreviations,
        entry: &[u8],
    ) -> Option<Self> {
        let encoding = header.encoding;
        let mut cursor = Cursor::new(entry);
        let abbreviation = abbreviations.get(cursor.uleb()?)?;
        let mut root = Root::default();
        for attribute in abbreviations.attributes(abbreviation) {
            let value = form::read(&mut cursor, attribute.form, attribute.implicit, encoding)?;
            root.take(attribute.name, value);
        }
        if !cursor.is_inside() {
            return None;
        }
        let width = encoding.offset_size;
        let strings = StringOffsets { base: root.strings_base.unwrap_or(0), width };
        let mut text = |text: Option<Text>| text.and_then(|text| sections.text(text, entry, strings));
        let split = text(root.split_file).zip(root.split_id.or(header.split_id));
        let directory = text(root.directory);
        let mut unit = Self {
            header,
            abbreviations: Abbreviations::default(),
            body: header.entries + cursor.position() as u64,
            has_children: abbreviation.has_children,
            low_pc: 0,
            code: root.code,
            directory,
            lines: root.lines,
            address_base: root.address_base.unwrap_or(0),
            list_base: root.list_base.unwrap_or(0),
            ranges_base: 0,
            split_ranges_base: root.ranges_base.unwrap_or(0),
            strings,
            split: split.map(|(file, id)| Split { file, id }),
            own_id: root.split_id,
        };
        unit.low_pc = unit.code.low.and_then(|low| unit.address(&mut sections.addr, low)).unwrap_or(0);
        Some(unit)
    }

    /// True when the entry at `offset` is one of this unit's.
    pub(super) const fn contains(&self, offset: u64) -> bool {
        self.header.entries <= offset && offset < self.header.end
    }

    /// The address that `value` is or stands for.
    pub(super) fn address(&self, addr: &mut Section, value: Value) -> Option<u64> {
        match value {
            Value::Address(address) => Some(address),
            Value::AddressIndex(index) => {
                let width = self.header.encoding.address_size;
                let place = self.address_base.checked_add(index.checked_mul(width.into())?)?;
                addr.unsigned(place, width.into())
            }
            _ => None,
        }
    }
}

/// What the first entry says, before it is known where its strings are.
#[derive(Debug, Default)]
struct Root {
    code: Code,
    directory: Option<Text>,
    lines: Option<u64>,
    address_base: Option<u64>,
    list_base: Option<u64>,
    ranges_base: Option<u64>,
    strings_base: Option<u64>,
    split_file: Option<Text>,
    split_id: Option<u64>,
}

impl Root {
    fn take(&mut self, name: gimli::DwAt, value: Value) {
        let offset = match value {
            // Before DWARF 4 an offset was written as any other number.
            Value::Offset(offset) | Value::Constant(offset) => Some(offset),
            _ => None,
        };
        let text = if let Value::Text(text) = value { Some(text) } else { None };
        match name {
            constants::DW_AT_low_pc => self.code.low = Some(value),
            constants::DW_AT_high_pc => self.code.high = Some(value),
            constants::DW_AT_ranges => self.code.ranges = Some(value),
            constants::DW_AT_comp_dir => self.directory = text,
            constants::DW_AT_stmt_list => self.lines = offset,
            constants::DW_AT_addr_base | constants::DW_AT_GNU_addr_base => self.address_base = offset,
            constants::DW_AT_rnglists_base => self.list_base = offset,
            constants::DW_AT_GNU_ranges_base => self.ranges_base = offset,
            constants::DW_AT_str_offsets_base => self.strings_base = offset,
            constants::DW_AT_dwo_name | constants::DW_AT_GNU_dwo_name => self.split_file = text,
            constants::DW_AT_GNU_dwo_id => self.split_id = offset,
            _ => {}
        }
    }
}

impl Unit {
    /// The unit in `sections` (a split file) that this one is the skeleton of. What the split file leaves out is
    /// taken from the skeleton and its file, `own`.
    pub(super) fn rest(&self, sections: &mut Sections, own: &Sections) -> Option<Self> {
        sections.addr = own.addr.again();
        if self.header.encoding.version < 5 {
            sections.ranges = own.ranges.again();
        }
        let id = self.split.as_ref()?.id;
        let headers = headers(&mut sections.entries);
        let candidates = headers.into_iter().filter(|header| header.split_id.is_none_or(|other| other == id));
        let mut rest = candidates
            .filter_map(|header| Self::read(sections, header))
            .find(|unit| unit.header.split_id == Some(id) || unit.own_id == Some(id))?;
        rest.low_pc = self.low_pc;
        rest.address_base = self.address_base;
        rest.ranges_base = self.split_ranges_base;
        if rest.header.encoding.version >= 5 {
            // Past the header of the one table that a split file has.
            let wide = rest.header.encoding.offset_size == 8;
            rest.list_base = if wide { 20 } else { 12 };
            rest.strings.base = if wide { 16 } else { 8 };
        }
        Some(rest)
    }
}
