//! Which unit an address belongs to, from `.debug_aranges` (DWARF 5, section 6.1.2).

use std::collections::BTreeSet;

use super::cursor::Cursor;
use crate::file::section::Section;

/// So many memberships for each address. An address lies in one unit, or in a few by mistake; damage makes thousands.
const MAX_PAIRS: usize = 64;
/// The longest header of a set.
const MAX_HEADER: usize = 32;

/// Which of some addresses lie in which unit.
#[derive(Debug, Default)]
pub(super) struct Membership {
    /// A unit's offset, and the place of an address in it.
    pub(super) pairs: Vec<(u64, usize)>,
    /// The units that the table speaks of.
    pub(super) units: BTreeSet<u64>,
}

/// Looks `targets` (sorted addresses) up. A set that cannot be read ends the table: nothing tells where the next is.
pub(super) fn membership(section: &mut Section, targets: &[u64]) -> Membership {
    let (mut pairs, mut units) = (Vec::new(), BTreeSet::new());
    each(section, &mut units, |unit, low, length| {
        if pairs.len() >= targets.len().saturating_mul(MAX_PAIRS) {
            return;
        }
        let from = targets.partition_point(|target| *target < low);
        let inside = targets.iter().enumerate().skip(from);
        let inside = inside.take_while(|(_, target)| **target - low < length);
        pairs.extend(inside.map(|(index, _)| (unit, index)));
    });
    Membership { pairs, units }
}

/// Hands both ends of every range of the table to `note`.
pub(super) fn bounds(section: &mut Section, note: &mut dyn FnMut(u64)) {
    each(section, &mut BTreeSet::new(), |_, low, length| {
        note(low);
        note(low.saturating_add(length));
    });
}

fn each(section: &mut Section, units: &mut BTreeSet<u64>, mut range: impl FnMut(u64, u64, u64)) {
    let mut offset = 0;
    while offset < section.size() {
        match set(section, offset, units, &mut range) {
            Some(next) => offset = next,
            None => break,
        }
    }
}

/// Hands each range of the set at `offset`, by its unit, start and length, to `range`; says where the next set is.
fn set(
    section: &mut Section,
    offset: u64,
    units: &mut BTreeSet<u64>,
    range: &mut impl FnMut(u64, u64, u64),
) -> Option<u64> {
    let size = section.size();
    let mut cursor = Cursor::new(section.at(offset, MAX_HEADER));
    let (length, offset_size) = match cursor.u32()? {
        0xffff_ffff => (cursor.u64()?, 8),
        length => (u64::from(length), 4),
    };
    let end = offset.checked_add(cursor.position() as u64)?.checked_add(length)?;
    let (version, unit) = (cursor.u16()?, cursor.unsigned(offset_size)?);
    let (width, segment_size) = (cursor.u8()?, cursor.u8()?);
    if version != 2 || !matches!(width, 4 | 8) || segment_size != 0 || end > size {
        return (end <= size).then_some(end);
    }
    // The first pair stands at a multiple of a pair's length from the beginning of the set.
    let pair = usize::from(width) * 2;
    let mut at = offset + cursor.position().next_multiple_of(pair) as u64;
    units.insert(unit);
    while at + pair as u64 <= end {
        let mut cursor = Cursor::new(section.exactly(at, pair)?);
        let (low, length) = (cursor.unsigned(width)?, cursor.unsigned(width)?);
        if (low, length) == (0, 0) {
            break;
        }
        if low != 0 {
            range(unit, low, length);
        }
        at += pair as u64;
    }
    Some(end)
}
