//! A unit's abbreviations: what each kind of entry holds, and the fastest way past it.
//! (DWARF 5, section 7.5.3.) Most entries are types and variables, which nobody asks for here.

use gimli::{DwAt, DwForm, constants};

use super::cursor::Cursor;
use super::form::{self, Encoding, Length};
use crate::file::section::{NEARBY, Section};

/// A unit with more is damaged.
const MAX_ABBREVIATIONS: usize = 1 << 20;
/// So is a table longer than this.
const MAX_BYTES: usize = 4 << 20;

/// The abbreviations of one unit.
#[derive(Debug, Default)]
pub(super) struct Abbreviations {
    by_code: Vec<Abbreviation>,
    /// Codes in the order of `by_code`; empty when they are 1, 2, 3, …, as they nearly always are.
    codes: Vec<u64>,
    attributes: Vec<Attribute>,
    steps: Vec<Length>,
}

/// A kind of entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Abbreviation {
    pub(super) tag: gimli::DwTag,
    pub(super) kind: Kind,
    pub(super) has_children: bool,
    attributes: (u32, u32),
    steps: (u32, u32),
}

/// What an entry can tell about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A function with code.
    Function,
    /// A call that was replaced by the code of the function it called.
    Inlined,
    /// Nothing.
    Other,
}

/// An attribute of an abbreviation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute {
    pub(super) name: DwAt,
    pub(super) form: DwForm,
    pub(super) implicit: i64,
}

impl Abbreviations {
    /// Reads the table at `offset` of `.debug_abbrev`.
    pub(super) fn read(section: &mut Section, offset: u64, encoding: Encoding) -> Option<Self> {
        let mut least = NEARBY / 4;
        loop {
            let bytes = section.at(offset, least);
            let ends_here = bytes.len() < least;
            match Self::parse(bytes, encoding) {
                Some(table) => return Some(table),
                None if ends_here || least >= MAX_BYTES => return None,
                None => least *= 4,
            }
        }
    }

    fn parse(bytes: &[u8], encoding: Encoding) -> Option<Self> {
        let mut table = Self::default();
        let mut cursor = Cursor::new(bytes);
        let mut codes = Vec::new();
        loop {
            let code = cursor.uleb()?;
            if code == 0 {
                break;
            }
            if codes.len() >= MAX_ABBREVIATIONS {
                return None;
            }
            codes.push(code);
            table.add(&mut cursor, encoding)?;
        }
        if !codes.iter().zip(1..).all(|(code, expected)| *code == expected) {
            table.sort(codes);
        }
        Some(table)
    }

    fn sort(&mut self, codes: Vec<u64>) {
        let mut both: Vec<_> = codes.into_iter().zip(std::mem::take(&mut self.by_code)).collect();
        both.sort_by_key(|(code, _)| *code);
        (self.codes, self.by_code) = both.into_iter().unzip();
    }

    fn add(&mut self, cursor: &mut Cursor<'_>, encoding: Encoding) -> Option<()> {
        let tag = cursor.uleb()?;
        let has_children = cursor.u8()? != 0;
        let (attributes_from, steps_from) = (self.attributes.len(), self.steps.len());
        let mut has_code = false;
        loop {
            let (name, form) = (cursor.uleb()?, cursor.uleb()?);
            if (name, form) == (0, 0) {
                break;
            }
            let (name, form) = (DwAt(u16::try_from(name).ok()?), DwForm(u16::try_from(form).ok()?));
            let implicit = if form == constants::DW_FORM_implicit_const { cursor.sleb()? } else { 0 };
            has_code |= name == constants::DW_AT_low_pc || name == constants::DW_AT_ranges;
            self.attributes.push(Attribute { name, form, implicit });
            self.add_step(steps_from, form::length(form, encoding));
        }
        let tag = gimli::DwTag(u16::try_from(tag).ok()?);
        let kind = match tag {
            constants::DW_TAG_subprogram if has_code => Kind::Function,
            constants::DW_TAG_inlined_subroutine if has_code => Kind::Inlined,
            _ => Kind::Other,
        };
        let range = |from: usize, to: usize| Some((u32::try_from(from).ok()?, u32::try_from(to).ok()?));
        self.by_code.push(Abbreviation {
            tag,
            kind,
            has_children,
            attributes: range(attributes_from, self.attributes.len())?,
            steps: range(steps_from, self.steps.len())?,
        });
        Some(())
    }

    /// Adds to the way past an entry, whose steps begin at `from`; what is of fixed length becomes one step.
    fn add_step(&mut self, from: usize, step: Length) {
        let own = self.steps.get_mut(from..).and_then(<[Length]>::last_mut);
        match (own, step) {
            (_, Length::Fixed(0)) => {}
            (Some(Length::Fixed(sum)), Length::Fixed(more)) if sum.checked_add(more).is_some() => {
                *sum += more
            }
            _ => self.steps.push(step),
        }
    }

    #[inline]
    pub(super) fn get(&self, code: u64) -> Option<&Abbreviation> {
        let index = if self.codes.is_empty() {
            usize::try_from(code).ok()?.checked_sub(1)?
        } else {
            self.codes.binary_search(&code).ok()?
        };
        self.by_code.get(index)
    }

    pub(super) fn attributes(&self, abbreviation: &Abbreviation) -> &[Attribute] {
        let (from, to) = abbreviation.attributes;
        self.attributes.get(from as usize..to as usize).unwrap_or_default()
    }

    /// Steps over an entry of this kind.
    #[inline]
    pub(super) fn skip(
        &self,
        abbreviation: &Abbreviation,
        cursor: &mut Cursor<'_>,
        encoding: Encoding,
    ) -> Option<()> {
        let (from, to) = abbreviation.steps;
        for step in self.steps.get(from as usize..to as usize)? {
            form::skip(cursor, *step, encoding)?;
        }
        Some(())
    }
}
