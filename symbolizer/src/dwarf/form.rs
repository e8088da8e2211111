//! Attribute values: how long each form is (DWARF 5, section 7.5.6), and what it says.

use gimli::{DwForm, constants};

use super::cursor::Cursor;

/// How a unit writes its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encoding {
    pub(super) version: u16,
    pub(super) address_size: u8,
    /// 4, or 8 in the 64-bit format of DWARF.
    pub(super) offset_size: u8,
}

/// An attribute's value, as far as naming addresses needs to tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Address(u64),
    /// The place of an address in the unit's part of `.debug_addr`.
    AddressIndex(u64),
    Constant(u64),
    /// An offset in the section that the attribute speaks of.
    Offset(u64),
    /// The place of a range list in the unit's table of offsets.
    ListIndex(u64),
    /// An entry, by its offset in the unit.
    Entry(u64),
    /// An entry, by its offset in `.debug_info`.
    SectionEntry(u64),
    /// An entry of the file that several files share (dwz).
    SharedEntry(u64),
    Text(Text),
    /// What nobody asks for.
    Other,
}

/// Where a string is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// In the entry itself, so many bytes after the cursor's origin.
    Inline {
        position: usize,
        length: usize,
    },
    Str(u64),
    LineStr(u64),
    /// By its place in the unit's part of `.debug_str_offsets`.
    Index(u64),
    /// In the strings of the file that several files share.
    Shared(u64),
}

/// The length of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Fixed(u8),
    Leb,
    String,
    /// A length of so many bytes, then the value.
    Block(u8),
    LebBlock,
    /// The form comes first.
    Indirect,
    /// Nobody knows this form, so nobody knows what comes after it.
    Unknown,
}

pub(super) fn length(form: DwForm, encoding: Encoding) -> Length {
    match form {
        constants::DW_FORM_flag_present | constants::DW_FORM_implicit_const => Length::Fixed(0),
        constants::DW_FORM_data1
        | constants::DW_FORM_ref1
        | constants::DW_FORM_flag
        | constants::DW_FORM_strx1
        | constants::DW_FORM_addrx1 => Length::Fixed(1),
        constants::DW_FORM_data2
        | constants::DW_FORM_ref2
        | constants::DW_FORM_strx2
        | constants::DW_FORM_addrx2 => Length::Fixed(2),
        constants::DW_FORM_strx3 | constants::DW_FORM_addrx3 => Length::Fixed(3),
        constants::DW_FORM_data4
        | constants::DW_FORM_ref4
        | constants::DW_FORM_ref_sup4
        | constants::DW_FORM_strx4
        | constants::DW_FORM_addrx4 => Length::Fixed(4),
        constants::DW_FORM_data8
        | constants::DW_FORM_ref8
        | constants::DW_FORM_ref_sig8
        | constants::DW_FORM_ref_sup8 => Length::Fixed(8),
        constants::DW_FORM_data16 => Length::Fixed(16),
        constants::DW_FORM_addr => Length::Fixed(encoding.address_size),
        // In DWARF 2 a reference into the section was as long as an address.
        constants::DW_FORM_ref_addr if encoding.version <= 2 => Length::Fixed(encoding.address_size),
        constants::DW_FORM_sec_offset
        | constants::DW_FORM_strp
        | constants::DW_FORM_line_strp
        | constants::DW_FORM_strp_sup
        | constants::DW_FORM_GNU_strp_alt
        | constants::DW_FORM_GNU_ref_alt
        | constants::DW_FORM_ref_addr => Length::Fixed(encoding.offset_size),
        constants::DW_FORM_udata
        | constants::DW_FORM_sdata
        | constants::DW_FORM_ref_udata
        | constants::DW_FORM_strx
        | constants::DW_FORM_addrx
        | constants::DW_FORM_loclistx
        | constants::DW_FORM_rnglistx
        | constants::DW_FORM_GNU_addr_index
        | constants::DW_FORM_GNU_str_index => Length::Leb,
        constants::DW_FORM_string => Length::String,
        constants::DW_FORM_block1 => Length::Block(1),
        constants::DW_FORM_block2 => Length::Block(2),
        constants::DW_FORM_block4 => Length::Block(4),
        constants::DW_FORM_block | constants::DW_FORM_exprloc => Length::LebBlock,
        constants::DW_FORM_indirect => Length::Indirect,
        _ => Length::Unknown,
    }
}

/// Steps over a value of this length.
#[inline]
pub(super) fn skip(cursor: &mut Cursor<'_>, length: Length, encoding: Encoding) -> Option<()> {
    match length {
        Length::Fixed(bytes) => cursor.skip(bytes.into()),
        Length::Leb => cursor.skip_leb()?,
        Length::String => {
            cursor.string()?;
        }
        Length::Block(width) => {
            let bytes = cursor.unsigned(width)?;
            cursor.skip_u64(bytes);
        }
        Length::LebBlock => {
            let bytes = cursor.uleb()?;
            cursor.skip_u64(bytes);
        }
        Length::Indirect => {
            let form = indirect(cursor)?;
            return skip(cursor, self::length(form, encoding), encoding);
        }
        Length::Unknown => return None,
    }
    Some(())
}

/// Reads a value of this form; `implicit` is the one that the abbreviation holds.
pub(super) fn read(
    cursor: &mut Cursor<'_>,
    form: DwForm,
    implicit: i64,
    encoding: Encoding,
) -> Option<Value> {
    let value = match form {
        constants::DW_FORM_indirect => {
            let form = indirect(cursor)?;
            return read(cursor, form, implicit, encoding);
        }
        constants::DW_FORM_implicit_const => return Some(Value::Constant(implicit.cast_unsigned())),
        constants::DW_FORM_sdata => return Some(Value::Constant(cursor.sleb()?.cast_unsigned())),
        constants::DW_FORM_string => {
            let position = cursor.position();
            let length = cursor.string()?.len();
            return Some(Value::Text(Text::Inline { position, length }));
        }
        _ => match length(form, encoding) {
            Length::Fixed(width @ (1..=4 | 8)) => cursor.unsigned(width)?,
            Length::Leb => cursor.uleb()?,
            other => {
                skip(cursor, other, encoding)?;
                return Some(Value::Other);
            }
        },
    };
    Some(meaning(form, value))
}

/// The form that stands before the value. One that again says so is damage: no producer writes it.
fn indirect(cursor: &mut Cursor<'_>) -> Option<DwForm> {
    let form = DwForm(u16::try_from(cursor.uleb()?).ok()?);
    (form != constants::DW_FORM_indirect && form != constants::DW_FORM_implicit_const).then_some(form)
}

const fn meaning(form: DwForm, value: u64) -> Value {
    match form {
        constants::DW_FORM_addr => Value::Address(value),
        constants::DW_FORM_addrx
        | constants::DW_FORM_addrx1
        | constants::DW_FORM_addrx2
        | constants::DW_FORM_addrx3
        | constants::DW_FORM_addrx4
        | constants::DW_FORM_GNU_addr_index => Value::AddressIndex(value),
        constants::DW_FORM_data1
        | constants::DW_FORM_data2
        | constants::DW_FORM_data4
        | constants::DW_FORM_data8
        | constants::DW_FORM_udata => Value::Constant(value),
        constants::DW_FORM_sec_offset => Value::Offset(value),
        constants::DW_FORM_rnglistx => Value::ListIndex(value),
        constants::DW_FORM_ref1
        | constants::DW_FORM_ref2
        | constants::DW_FORM_ref4
        | constants::DW_FORM_ref8
        | constants::DW_FORM_ref_udata => Value::Entry(value),
        constants::DW_FORM_ref_addr => Value::SectionEntry(value),
        constants::DW_FORM_GNU_ref_alt | constants::DW_FORM_ref_sup4 | constants::DW_FORM_ref_sup8 => {
            Value::SharedEntry(value)
        }
        constants::DW_FORM_strp => Value::Text(Text::Str(value)),
        constants::DW_FORM_line_strp => Value::Text(Text::LineStr(value)),
        constants::DW_FORM_GNU_strp_alt | constants::DW_FORM_strp_sup => Value::Text(Text::Shared(value)),
        constants::DW_FORM_strx
        | constants::DW_FORM_strx1
        | constants::DW_FORM_strx2
        | constants::DW_FORM_strx3
        | constants::DW_FORM_strx4
        | constants::DW_FORM_GNU_str_index => Value::Text(Text::Index(value)),
        _ => Value::Other,
    }
}
