//! The names of functions. An inlined call, or a function that was declared elsewhere, only refers to the entry that
//! has the name, perhaps in another unit or another file: those are put off until all are known, so that each unit
//! is opened once.

use std::sync::Arc;

use gimli::constants;
use rustc_hash::FxHashMap;

use super::cursor::Cursor;
use super::entries::Entry;
use super::form::{self, Text, Value};
use super::sections::Sections;
use super::unit::{self, Header, Unit};

/// How often an entry may refer to another one; compilers need three.
const MAX_STEPS: usize = 16;
/// How much of an entry is read at first, and at most.
const ENTRY: usize = 256;
const MAX_ENTRY: usize = 64 << 10;

/// A name's place in [`FunctionNames`].
pub(super) type NameId = u32;

/// The linker's names of functions, or the plain ones of those that have no other.
#[derive(Debug, Default)]
pub(super) struct FunctionNames {
    texts: Vec<Option<Arc<str>>>,
    by_text: FxHashMap<Arc<str>, NameId>,
    /// Of the unit being looked at.
    of_unit: FxHashMap<Entry, NameId>,
    put_off: FxHashMap<Entry, NameId>,
}

/// What an entry says about a name.
#[derive(Debug, Default)]
struct Said {
    linkage: Option<Arc<str>>,
    plain: Option<Arc<str>>,
    next: Option<Entry>,
}

/// Where following an entry's references ended.
enum Followed {
    Name(Option<Arc<str>>),
    /// At an entry of another unit or file.
    Outside(Entry),
}

impl FunctionNames {
    /// The next questions are about another unit.
    pub(super) fn begin_unit(&mut self) {
        self.of_unit.clear();
    }

    /// The name of the function at `entry`, referred to in `unit`; known in the end only.
    pub(super) fn id(
        &mut self,
        sections: &mut Sections,
        shared: &mut Option<Sections>,
        unit: &Unit,
        entry: Entry,
    ) -> NameId {
        if let Some(known) = self.of_unit.get(&entry) {
            return *known;
        }
        let id = match follow(sections, shared, unit, entry) {
            Followed::Name(name) => self.of_text(name),
            Followed::Outside(entry) => match self.put_off.get(&entry) {
                Some(known) => *known,
                None => {
                    let id = self.add(None);
                    self.put_off.insert(entry, id);
                    id
                }
            },
        };
        self.of_unit.insert(entry, id);
        id
    }

    fn of_text(&mut self, text: Option<Arc<str>>) -> NameId {
        let Some(text) = text else { return self.add(None) };
        if let Some(known) = self.by_text.get(&text) {
            return *known;
        }
        let id = self.add(Some(text.clone()));
        self.by_text.insert(text, id);
        id
    }

    fn add(&mut self, text: Option<Arc<str>>) -> NameId {
        self.texts.push(text);
        // Each is a hit; there cannot be four billion.
        u32::try_from(self.texts.len() - 1).unwrap_or(u32::MAX)
    }

    /// Looks for those that were put off; gives all names by their ids.
    pub(super) fn finish(
        mut self,
        sections: &mut Sections,
        shared: &mut Option<Sections>,
    ) -> Vec<Option<Arc<str>>> {
        let mut put_off: Vec<(Entry, NameId)> = self.put_off.drain().collect();
        put_off.sort_unstable();
        let (mut own, mut other) = (Units::default(), Units::default());
        for (mut entry, id) in put_off {
            for _ in 0..MAX_STEPS {
                let followed = match (entry, &mut *shared) {
                    (Entry::Own(offset), shared) => {
                        own.at(sections, offset).map(|unit| follow(sections, shared, unit, entry))
                    }
                    (Entry::Shared(offset), Some(file)) => {
                        let own_entry = Entry::Own(offset);
                        other
                            .at(file, offset)
                            .map(|unit| follow(file, &mut None, unit, own_entry).in_shared())
                    }
                    (Entry::Shared(_), None) => None,
                };
                match followed {
                    Some(Followed::Outside(next)) => entry = next,
                    Some(Followed::Name(name)) => {
                        if let Some(place) = self.texts.get_mut(id as usize) {
                            *place = name;
                        }
                        break;
                    }
                    None => break,
                }
            }
        }
        self.texts
    }
}

impl Followed {
    /// In the shared file what it calls its own is the shared file's.
    fn in_shared(self) -> Self {
        match self {
            Self::Outside(Entry::Own(offset)) => Self::Outside(Entry::Shared(offset)),
            other => other,
        }
    }
}

/// The units of a file, the last one that was asked for ready for the next question.
#[derive(Debug, Default)]
struct Units {
    headers: Option<Vec<Header>>,
    last: Option<Unit>,
}

impl Units {
    /// The unit that the entry at `offset` belongs to.
    fn at(&mut self, sections: &mut Sections, offset: u64) -> Option<&Unit> {
        if !self.last.as_ref().is_some_and(|unit| unit.contains(offset)) {
            let headers = self.headers.get_or_insert_with(|| unit::headers(&mut sections.entries));
            let next = headers.partition_point(|header| header.offset <= offset);
            let header = headers.get(next.checked_sub(1)?)?;
            self.last = Unit::read(sections, *header);
        }
        self.last.as_ref().filter(|unit| unit.contains(offset))
    }
}

/// Follows the references from `entry` as long as they stay in `unit`.
fn follow(sections: &mut Sections, shared: &mut Option<Sections>, unit: &Unit, entry: Entry) -> Followed {
    let (mut entry, mut plain) = (entry, None);
    for _ in 0..MAX_STEPS {
        let Entry::Own(offset) = entry else { return Followed::Outside(entry) };
        if !unit.contains(offset) {
            return Followed::Outside(entry);
        }
        let Some(said) = look(sections, shared, unit, offset) else { break };
        if said.linkage.is_some() {
            return Followed::Name(said.linkage);
        }
        plain = plain.or(said.plain);
        match said.next {
            Some(next) => entry = next,
            None => break,
        }
    }
    Followed::Name(plain)
}

fn look(sections: &mut Sections, shared: &mut Option<Sections>, unit: &Unit, offset: u64) -> Option<Said> {
    let left = usize::try_from(unit.header.end.checked_sub(offset)?).unwrap_or(usize::MAX);
    let mut least = ENTRY;
    loop {
        let bytes = sections.info.at(offset, least.min(left));
        let bytes = bytes.get(..least.min(left).min(bytes.len()))?.to_vec();
        match read(sections, shared, unit, &bytes) {
            Some(said) => return Some(said),
            None if least >= left || least >= MAX_ENTRY => return None,
            None => least *= 16,
        }
    }
}

fn read(sections: &mut Sections, shared: &mut Option<Sections>, unit: &Unit, bytes: &[u8]) -> Option<Said> {
    let mut cursor = Cursor::new(bytes);
    let abbreviation = unit.abbreviations.get(cursor.uleb()?)?;
    let (mut said, mut linkage, mut plain) = (Said::default(), None, None);
    for attribute in unit.abbreviations.attributes(abbreviation) {
        let value = form::read(&mut cursor, attribute.form, attribute.implicit, unit.header.encoding)?;
        match (attribute.name, value) {
            (constants::DW_AT_linkage_name | constants::DW_AT_MIPS_linkage_name, Value::Text(text)) => {
                linkage = Some(text);
            }
            (constants::DW_AT_name, Value::Text(text)) => plain = Some(text),
            (constants::DW_AT_abstract_origin | constants::DW_AT_specification, _) => {
                said.next = Entry::of(value, unit.header.offset).or(said.next);
            }
            _ => {}
        }
    }
    if !cursor.is_inside() {
        return None;
    }
    let mut text = |text: Option<Text>| -> Option<Arc<str>> {
        let found = match text? {
            Text::Shared(offset) => {
                String::from_utf8_lossy(shared.as_mut()?.str.string(offset)?).into_owned()
            }
            text => sections.text(text, bytes, unit.strings)?,
        };
        Some(Arc::from(found)).filter(|name: &Arc<str>| !name.is_empty())
    };
    said.linkage = text(linkage);
    if said.linkage.is_none() {
        said.plain = text(plain);
    }
    Some(said)
}
