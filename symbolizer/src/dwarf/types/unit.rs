//! A unit and the file that its entries are in: its own, or a split one.

use super::super::DebugInfo;
use super::super::sections::Sections;
use super::super::unit::{Header, Unit};

/// A unit, open for reading.
pub(super) struct Opened {
    /// The unit, or the skeleton of a split one: it has the lines.
    unit: Unit,
    /// Of a split one the rest, and where it is.
    rest: Option<(Sections, Unit)>,
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
        let Some(split) = &unit.split else { return Ok(Self { unit, rest: None }) };
        let mut sections = (info.split)(split, unit.directory.as_deref()).ok_or(Trouble::Missing)?;
        let rest = unit.rest(&mut sections, &info.own).ok_or(Trouble::Damaged)?;
        Ok(Self { unit, rest: Some((sections, rest)) })
    }

    /// The unit that has the entries, and the sections that they are in.
    pub(super) fn entries<'o>(&'o mut self, own: &'o mut Sections) -> (&'o mut Sections, &'o Unit) {
        match &mut self.rest {
            Some((sections, rest)) => (sections, rest),
            None => (own, &self.unit),
        }
    }

    /// The unit that has the lines.
    pub(super) const fn lines(&self) -> &Unit {
        &self.unit
    }

    pub(super) const fn is_split(&self) -> bool {
        self.rest.is_some()
    }
}
