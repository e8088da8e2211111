//! The addresses that an entry covers: one range, or a list of them in `.debug_ranges` (DWARF 4, section 2.17.3)
//! or `.debug_rnglists` (DWARF 5, section 7.25).

use gimli::constants;

use super::cursor::Cursor;
use super::form::Value;
use super::sections::Sections;
use super::unit::{Code, Unit};

/// So many entries of lists are read for one unit. Damage can make every entry refer to the longest list there is.
pub(super) const MAX_RANGES: u32 = 4 << 20;
/// The longest entry of a list: a kind and two numbers.
const MAX_ENTRY: usize = 21;

/// Hands each range of `code` to `each`. `None` when the list is damaged; what came before the damage was handed on.
pub(super) fn each(
    sections: &mut Sections,
    unit: &Unit,
    code: Code,
    mut each: impl FnMut(u64, u64),
) -> Option<()> {
    // What was thrown away by the linker has its start at 0 or near the end of the address space.
    let mut real = |low: u64, high: u64| {
        if low != 0 && low < high {
            each(low, high);
        }
    };
    if let Some(ranges) = code.ranges {
        return list(sections, unit, ranges, &mut real);
    }
    let Some(low) = code.low else { return Some(()) };
    let low = unit.address(&mut sections.addr, low)?;
    let high = match code.high {
        // A function of unknown length: nothing to find in it.
        None => return Some(()),
        Some(Value::Constant(length)) => low.checked_add(length)?,
        Some(high) => unit.address(&mut sections.addr, high)?,
    };
    real(low, high);
    Some(())
}

fn list(sections: &mut Sections, unit: &Unit, value: Value, real: &mut impl FnMut(u64, u64)) -> Option<()> {
    let encoding = unit.header.encoding;
    if encoding.version < 5 {
        let (Value::Offset(offset) | Value::Constant(offset)) = value else { return None };
        return old_list(sections, unit, unit.ranges_base.checked_add(offset)?, real);
    }
    let offset = match value {
        Value::Offset(offset) => offset,
        Value::ListIndex(index) => {
            let width = encoding.offset_size;
            let place = unit.list_base.checked_add(index.checked_mul(width.into())?)?;
            unit.list_base.checked_add(sections.rnglists.unsigned(place, width.into())?)?
        }
        _ => return None,
    };
    new_list(sections, unit, offset, real)
}

fn old_list(
    sections: &mut Sections,
    unit: &Unit,
    mut offset: u64,
    real: &mut impl FnMut(u64, u64),
) -> Option<()> {
    let width = unit.header.encoding.address_size;
    let all_ones = if width == 4 { u64::from(u32::MAX) } else { u64::MAX };
    let mut base = unit.low_pc;
    while sections.spend_range() {
        let mut cursor = Cursor::new(sections.ranges.exactly(offset, usize::from(width) * 2)?);
        match (cursor.unsigned(width)?, cursor.unsigned(width)?) {
            (0, 0) => return Some(()),
            (low, address) if low == all_ones => base = address,
            // A tombstone: all ones less one, which is not a base.
            (low, _) if low == all_ones - 1 => {}
            (low, high) => real(base.wrapping_add(low), base.wrapping_add(high)),
        }
        offset = offset.checked_add(u64::from(width) * 2)?;
    }
    None
}

fn new_list(
    sections: &mut Sections,
    unit: &Unit,
    mut offset: u64,
    real: &mut impl FnMut(u64, u64),
) -> Option<()> {
    let width = unit.header.encoding.address_size;
    let tombstone = if width == 4 { u64::from(u32::MAX) } else { u64::MAX };
    let mut base = unit.low_pc;
    while sections.spend_range() {
        let mut cursor = Cursor::new(sections.rnglists.at(offset, MAX_ENTRY));
        let mut index = |index: u64| unit.address(&mut sections.addr, Value::AddressIndex(index));
        let (low, high) = match gimli::DwRle(cursor.u8()?) {
            constants::DW_RLE_end_of_list => return Some(()),
            constants::DW_RLE_base_addressx => {
                base = index(cursor.uleb()?)?;
                (0, 0)
            }
            constants::DW_RLE_base_address => {
                base = cursor.unsigned(width)?;
                (0, 0)
            }
            constants::DW_RLE_startx_endx => (index(cursor.uleb()?)?, index(cursor.uleb()?)?),
            constants::DW_RLE_startx_length => {
                let low = index(cursor.uleb()?)?;
                (low, low.wrapping_add(cursor.uleb()?))
            }
            constants::DW_RLE_offset_pair if base == tombstone => {
                cursor.skip_leb()?;
                cursor.skip_leb()?;
                (0, 0)
            }
            constants::DW_RLE_offset_pair => {
                (base.wrapping_add(cursor.uleb()?), base.wrapping_add(cursor.uleb()?))
            }
            constants::DW_RLE_start_end => (cursor.unsigned(width)?, cursor.unsigned(width)?),
            constants::DW_RLE_start_length => {
                let low = cursor.unsigned(width)?;
                (low, low.wrapping_add(cursor.uleb()?))
            }
            _ => return None,
        };
        real(low, high);
        offset = offset.checked_add(cursor.position() as u64)?;
    }
    None
}
