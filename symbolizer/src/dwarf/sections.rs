//! The sections of one file that debug info is spread over.

use super::form::Text;
use super::ranges;
use crate::file::binary::Binary;
use crate::file::section::Section;

/// A file's debug sections; one that it does not have is empty.
#[derive(Debug)]
pub(crate) struct Sections {
    /// `.debug_info`, for going through a unit.
    pub(super) info: Section,
    /// `.debug_info` again, for looking at single entries and headers.
    pub(super) entries: Section,
    pub(super) abbrev: Section,
    pub(super) addr: Section,
    pub(super) aranges: Section,
    pub(super) line: Section,
    pub(super) line_str: Section,
    pub(super) ranges: Section,
    pub(super) rnglists: Section,
    pub(super) str: Section,
    pub(super) str_offsets: Section,
    /// How many entries of range lists may still be read for the unit in hand.
    pub(super) ranges_left: u32,
}

impl Sections {
    /// Those of `binary`; the ones that end in `.dwo` when that is the `suffix`, as in a split file.
    pub(crate) fn of(binary: &Binary, suffix: &str) -> Self {
        Self::open(|name, read_ahead| binary.debug_section(&format!("{name}{suffix}"), read_ahead))
    }

    /// Opens each section by its name without `.debug_`; the second argument says how much to read ahead.
    pub(crate) fn open(mut section: impl FnMut(&str, usize) -> Section) -> Self {
        use crate::file::section::{NEARBY, SCATTERED};
        Self {
            info: section("info", 0),
            entries: section("info", SCATTERED),
            abbrev: section("abbrev", NEARBY),
            addr: section("addr", NEARBY),
            aranges: section("aranges", NEARBY),
            line: section("line", 0),
            line_str: section("line_str", SCATTERED),
            ranges: section("ranges", NEARBY),
            rnglists: section("rnglists", NEARBY),
            str: section("str", SCATTERED),
            str_offsets: section("str_offsets", NEARBY),
            ranges_left: ranges::MAX_RANGES,
        }
    }

    /// True when there is something to read.
    pub(crate) const fn has_info(&self) -> bool {
        self.info.size() > 0
    }

    /// False when the unit in hand has read more of range lists than it can have.
    pub(super) const fn spend_range(&mut self) -> bool {
        self.ranges_left = self.ranges_left.saturating_sub(1);
        self.ranges_left > 0
    }

    /// The string at `text`; `entry` are the bytes that a string inside of the entry stands in.
    pub(super) fn text(&mut self, text: Text, entry: &[u8], offsets: StringOffsets) -> Option<String> {
        let bytes = match text {
            Text::Inline { position, length } => entry.get(position..position.checked_add(length)?)?,
            Text::Str(offset) => self.str.string(offset)?,
            Text::LineStr(offset) => self.line_str.string(offset)?,
            Text::Index(index) => {
                let width = u64::from(offsets.width);
                let place = offsets.base.checked_add(index.checked_mul(width)?)?;
                let offset = self.str_offsets.unsigned(place, offsets.width.into())?;
                self.str.string(offset)?
            }
            // The caller knows the other file.
            Text::Shared(_) => return None,
        };
        Some(String::from_utf8_lossy(bytes).into_owned())
    }
}

/// Where a unit's part of `.debug_str_offsets` begins, and how wide its entries are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StringOffsets {
    pub(super) base: u64,
    pub(super) width: u8,
}
