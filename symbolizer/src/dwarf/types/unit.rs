//! A unit and the file that its entries are in: its own, or a split one.

use super::super::DebugInfo;
use super::super::sections::Sections;
use super::super::unit::{Header, Unit};

/// A unit, open for reading.
pub(super) enum Opened {
    Whole(Unit),
    /// Its skeleton, which has the lines, and the rest elsewhere.
    Split(Box<(Unit, Sections, Unit)>),
}

/// Why a unit is not.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    Damaged,
    /// Its entries are in a file that was not found.
    Missing,
}

impl Opened {
    pub(super) fn open(info: &mut DebugInfo<'_>, header: Header) -> Result<Self, Trouble> {
        let unit = Unit::read(&mut info.own, header).ok_or(Trouble::Damaged)?;
        let Some(split) = &unit.split else { return Ok(Self::Whole(unit)) };
        let mut sections = (info.split)(split, unit.directory.as_deref()).ok_or(Trouble::Missing)?;
        let rest = unit.rest(&mut sections, &info.own).ok_or(Trouble::Damaged)?;
        Ok(Self::Split(Box::new((unit, sections, rest))))
    }

    /// The unit that has the entries, and the sections that they are in.
    pub(super) fn entries<'o>(&'o mut self, own: &'o mut Sections) -> (&'o mut Sections, &'o Unit) {
        match self {
            Self::Whole(unit) => (own, unit),
            Self::Split(parts) => (&mut parts.1, &parts.2),
        }
    }

    /// The unit that has the lines.
    pub(super) fn lines(&self) -> &Unit {
        match self {
            Self::Whole(unit) => unit,
            Self::Split(parts) => &parts.0,
        }
    }

    pub(super) const fn is_split(&self) -> bool {
        matches!(self, Self::Split(_))
    }
}
