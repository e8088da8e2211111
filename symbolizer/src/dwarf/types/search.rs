//! The search through a program's types: from where to begin to all that they lead to, from unit to unit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::super::sections::Sections;
use super::super::unit::{self, Header, Unit};
use super::super::{DebugInfo, lines};
use super::impls::Impls;
use super::roots::{self, Root};
use super::table::{self, Table};
use super::unit::{Opened, Trouble};
use super::{Files, Found, Shape, Type, TypeId, shape};
use crate::name;

/// The most types, of some 150 bytes each while they are looked for: 30 MB. A service of 90 MB has 20,000.
const MAX_TYPES: usize = 200_000;

/// The most tables of functions of a `dyn Future`.
const MAX_TABLES: usize = 100_000;

/// The most bytes of all names together.
const MAX_NAMES: usize = 12 << 20;

/// Where a type's entry is: in which unit, and where in the unit's file.
type Place = (u32, u64);

/// Types by where their entries are; those that are only known to exist wait for their unit.
pub(crate) struct Search {
    found: Found,
    headers: Vec<Header>,
    ids: FxHashMap<Place, TypeId>,
    /// Of each type where its entry is; `None` for one that has a name alone.
    places: Vec<Option<Place>>,
    waiting: BTreeSet<Place>,
    /// Tables of functions by the type that describes the table, whose entry says which type it is for.
    tables: Vec<(u64, TypeId)>,
    of_tables: FxHashMap<TypeId, TypeId>,
    named: FxHashMap<String, TypeId>,
    /// Units whose entries are in files of their own.
    splits: BTreeSet<u32>,
    damaged: BTreeSet<u32>,
    missing: BTreeSet<u32>,
    name_bytes: usize,
}

impl Search {
    pub(super) fn of(info: &mut DebugInfo<'_>) -> Self {
        Self {
            found: Found::default(),
            headers: unit::headers(&mut info.own.entries),
            ids: FxHashMap::default(),
            places: Vec::new(),
            waiting: BTreeSet::new(),
            tables: Vec::new(),
            of_tables: FxHashMap::default(),
            named: FxHashMap::default(),
            splits: BTreeSet::new(),
            damaged: BTreeSet::new(),
            missing: BTreeSet::new(),
            name_bytes: 0,
        }
    }

    /// Looks in every unit for where to begin.
    pub(super) fn begin(&mut self, info: &mut DebugInfo<'_>, polls: &[u64]) {
        let mut named = BTreeMap::new();
        for number in 0..self.units() {
            let mut roots = Vec::new();
            let whole = self.open(info, number).map(|mut opened| {
                let (sections, unit) = opened.entries(&mut info.own);
                roots::roots(sections, unit, info.window, polls, &mut roots).is_some()
            });
            if whole == Some(false) {
                self.damaged.insert(number);
            }
            for root in roots {
                match root {
                    Root::Poll { at, of_type } => {
                        if let Some(id) = self.id((number, of_type)) {
                            self.found.polls.insert(at, id);
                        }
                    }
                    Root::Table { at, of_type } => {
                        if self.tables.len() < MAX_TABLES
                            && let Some(id) = self.id((number, of_type))
                        {
                            self.tables.push((at, id));
                        }
                    }
                    Root::Named { at, name } => drop(named.entry(at).or_insert(name)),
                }
            }
        }
        self.name(named);
    }

    /// Looks for all that wait, unit by unit, until nothing waits: a type may refer to one of another unit.
    pub(super) fn run(&mut self, info: &mut DebugInfo<'_>) {
        while let Some((number, _)) = self.waiting.first().copied() {
            let mut opened = self.open(info, number);
            while let Some(place) = self.waiting.range((number, 0)..=(number, u64::MAX)).next().copied() {
                self.waiting.remove(&place);
                let Some(opened) = &mut opened else { continue };
                let (sections, unit) = opened.entries(&mut info.own);
                if self.look_at(sections, unit, place).is_none() {
                    self.damaged.insert(number);
                }
            }
        }
    }

    /// `None` when the entry is damaged.
    fn look_at(&mut self, sections: &mut Sections, unit: &Unit, place: Place) -> Option<()> {
        let id = *self.ids.get(&place)?;
        let (number, offset) = place;
        let table = Table::read(sections, unit, offset)?;
        if let Some(of) = table.is_for(offset) {
            if let Some(of) = self.id((number, of)) {
                self.of_tables.insert(id, of);
            }
            return Some(());
        }
        let found = shape::of(&table, sections, unit, offset, &mut |offset| self.id((number, offset)));
        if let Some(place) = self.found.types.get_mut(id as usize) {
            *place = found;
        }
        Some(())
    }

    /// All that was found, but for names.
    pub(crate) fn found(&mut self) -> Found {
        for (at, table) in &self.tables {
            if let Some(of) = self.of_tables.get(table) {
                self.found.tables.insert(*at, *of);
            }
        }
        self.found.damaged = self.damaged.len();
        self.found.missing_splits = self.missing.len();
        std::mem::take(&mut self.found)
    }

    /// Gives `types` their names, and their arms the numbers of the files that are returned; `order` has the number that
    /// each had when it was found.
    pub(crate) fn describe(
        &mut self,
        info: &mut DebugInfo<'_>,
        types: &mut [Type],
        order: &[TypeId],
    ) -> Vec<Arc<str>> {
        let mut by_unit: BTreeMap<u32, Vec<(u64, usize)>> = BTreeMap::new();
        for (at, id) in order.iter().enumerate() {
            if let Some((unit, offset)) = self.places.get(*id as usize).copied().flatten() {
                by_unit.entry(unit).or_default().push((offset, at));
            }
        }
        let (mut files, mut impls) = (Files::new(), Impls::default());
        for (number, mut wanted) in by_unit {
            wanted.sort_unstable();
            let Some(mut opened) = self.open(info, number) else { continue };
            let (sections, unit) = opened.entries(&mut info.own);
            let offsets: Vec<u64> = wanted.iter().map(|(offset, _)| *offset).collect();
            let whole =
                table::names(sections, unit, info.window, &offsets, &mut impls, &mut |found, name| {
                    if let Some(of) = wanted.get(found).and_then(|(_, at)| types.get_mut(*at)) {
                        of.name = self.affordable(name);
                    }
                });
            if whole.is_none() {
                self.damaged.insert(number);
            }
            number_files(info, opened.lines(), types, &wanted, &mut files);
        }
        types.iter_mut().for_each(|of| of.name = name::readable(&impls.named(&of.name)));
        files.names
    }

    /// What became of it while names were looked for: units that are damaged, and names that were left out.
    pub(crate) fn losses(&self) -> (usize, usize) {
        (self.damaged.len(), self.found.omitted)
    }

    /// Takes `names`, by the addresses of polling functions, where nothing better is known.
    pub(crate) fn name(&mut self, names: impl IntoIterator<Item = (u64, String)>) {
        for (at, name) in names {
            if self.found.polls.contains_key(&at) {
                continue;
            }
            let known = self.named.get(&name).copied();
            let id = known.or_else(|| {
                let of = Type { name: self.affordable(name.clone()), ..Type::default() };
                let id = self.add(None, of)?;
                self.named.insert(name, id);
                Some(id)
            });
            if let Some(id) = id {
                self.found.polls.insert(at, id);
            }
        }
    }

    /// `name`, or nothing once there are too many.
    fn affordable(&mut self, name: String) -> String {
        if self.name_bytes + name.len() > MAX_NAMES {
            self.found.omitted += 1;
            return String::new();
        }
        self.name_bytes += name.len();
        name
    }

    fn units(&self) -> u32 {
        u32::try_from(self.headers.len()).unwrap_or(u32::MAX)
    }

    /// The unit `number`, if it has anything to say; trouble with it is counted once.
    fn open(&mut self, info: &mut DebugInfo<'_>, number: u32) -> Option<Opened> {
        let header = self.headers.get(number as usize).filter(|header| header.may_have_code)?;
        match Opened::open(info, *header) {
            Ok(opened) => {
                if opened.is_split() {
                    self.splits.insert(number);
                }
                Some(opened)
            }
            Err(Trouble::Damaged) => {
                self.damaged.insert(number);
                None
            }
            Err(Trouble::Missing) => {
                self.missing.insert(number);
                None
            }
        }
    }

    /// The number of the type at `place`; `None` when there are too many.
    fn id(&mut self, place: Place) -> Option<TypeId> {
        let place = self.at_home(place);
        if let Some(known) = self.ids.get(&place) {
            return Some(*known);
        }
        let id = self.add(Some(place), Type::default())?;
        self.ids.insert(place, id);
        self.waiting.insert(place);
        Some(id)
    }

    /// `place` with the unit that it is really in: an entry may refer to one of another unit of its file.
    fn at_home(&self, (unit, offset): Place) -> Place {
        let holds = |header: &Header| header.offset <= offset && offset < header.end;
        let own = self.headers.get(unit as usize);
        if own.is_none_or(holds) || self.splits.contains(&unit) {
            return (unit, offset);
        }
        let after = self.headers.partition_point(|header| header.offset <= offset);
        (after.checked_sub(1).and_then(|at| u32::try_from(at).ok()).unwrap_or(unit), offset)
    }

    fn add(&mut self, place: Option<Place>, of: Type) -> Option<TypeId> {
        if self.found.types.len() >= MAX_TYPES {
            self.found.omitted += 1;
            return None;
        }
        let id = TypeId::try_from(self.found.types.len()).ok()?;
        self.found.types.push(of);
        self.places.push(place);
        Some(id)
    }
}

/// Puts the numbers of `files` into the arms of those of `types` that are `wanted`, for the numbers of their unit.
fn number_files(
    info: &mut DebugInfo<'_>,
    unit: &Unit,
    types: &mut [Type],
    wanted: &[(u64, usize)],
    files: &mut Files,
) {
    let arms = |of: &Type| match &of.shape {
        Shape::Variants { arms, .. } => arms.iter().map(|arm| u64::from(arm.file)).collect(),
        _ => Vec::new(),
    };
    let mut used: Vec<u64> =
        wanted.iter().filter_map(|(_, at)| types.get(*at)).flat_map(arms).filter(|file| *file != 0).collect();
    used.sort_unstable();
    used.dedup();
    if used.is_empty() {
        return;
    }
    let names = lines::files(&mut info.own, unit, &used, info.window);
    for (_, at) in wanted {
        if let Some(Type { shape: Shape::Variants { arms, .. }, .. }) = types.get_mut(*at) {
            for arm in arms {
                arm.file = names.get(&u64::from(arm.file)).map_or(0, |name| files.number(name));
            }
        }
    }
}
