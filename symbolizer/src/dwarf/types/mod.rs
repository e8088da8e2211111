//! How futures are laid out: which types a task's future is made of, where in them the awaited future is, and in which
//! line. Read from the debug info of whole programs, a unit at a time; of each only what leads to a future is kept.

mod node;
mod roots;
mod shape;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::unit::{self, Header, Unit};
use super::{DebugInfo, lines};
use table::Table;

/// The number of a type among those found.
pub type TypeId = u32;

/// The most types; more would be no program's futures.
const MAX_TYPES: usize = 100_000;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) types: Vec<Type>,
    pub(crate) files: Vec<Arc<str>>,
    /// The future that each of tokio's functions polls, by the function's address in the file.
    pub(crate) polls: BTreeMap<u64, TypeId>,
    /// The future that each table of functions of a `dyn Future` is for.
    pub(crate) tables: BTreeMap<u64, TypeId>,
    /// Units that could not be read to their end.
    pub(crate) damaged: usize,
}

/// A type.
#[derive(Clone, Debug, Default)]
pub struct Type {
    /// Its path.
    pub name: String,
    /// In bytes.
    pub size: u32,
    /// In bytes; 0 where the debug info does not say.
    pub align: u32,
    /// How it leads to the futures in it.
    pub shape: Shape,
}

/// How a type leads to the futures in it.
#[derive(Clone, Debug, Default)]
pub enum Shape {
    /// It does not, as far as can be seen.
    #[default]
    Leaf,
    /// Places where more may be.
    Fields(Vec<(u64, TypeId)>),
    /// One of several, as the number at `tag` (so many bytes wide) says.
    Variants {
        /// Where the number is, in bytes from the beginning, and how many bytes it has.
        tag: (u64, u8),
        /// What it may be.
        arms: Vec<Arm>,
    },
    /// A pointer to one.
    Pointer(TypeId),
    /// A pointer to one that only its table of functions tells: where the two are.
    Dyn {
        /// Where the pointer to the future is, in bytes from the beginning.
        data: u64,
        /// And where the one to its table of functions.
        table: u64,
    },
}

impl Shape {
    /// Its arm at this place.
    #[must_use]
    pub fn arm(&self, place: u32) -> Option<&Arm> {
        match self {
            Self::Variants { arms, .. } => arms.get(place as usize),
            _ => None,
        }
    }
}

/// One of several.
#[derive(Clone, Debug, Default)]
pub struct Arm {
    /// The number that tells it; `None` for the one that all other numbers mean.
    pub number: Option<u64>,
    /// For a suspended `async` body: among the files, and the line where it waits. 0 for anything else.
    pub file: u32,
    /// The line.
    pub line: u32,
    /// Where in the type there may be more, in bytes from its beginning, and of which type it is.
    pub fields: Vec<(u64, TypeId)>,
}

/// The futures of the functions at `polls` (addresses of the file), and those behind `dyn Future`.
pub(crate) fn futures(info: &mut DebugInfo<'_>, polls: &[u64]) -> Found {
    let headers: Vec<Header> = unit::headers(&mut info.own.entries);
    let mut search = Search::default();
    let mut roots = Vec::new();
    for header in headers.iter().filter(|header| header.may_have_code) {
        let Some(unit) = Unit::read(&mut info.own, *header) else {
            search.found.damaged += 1;
            continue;
        };
        if roots::roots(&mut info.own, &unit, info.window, polls, &mut roots).is_none() {
            search.found.damaged += 1;
        }
    }
    roots.into_iter().for_each(|root| search.begin(root));
    search.run(info, &headers);
    search.finish()
}

/// Types by where their entries are; those that are only known to exist wait for their unit.
#[derive(Default)]
struct Search {
    found: Found,
    ids: FxHashMap<u64, TypeId>,
    waiting: Vec<u64>,
    /// Tables of functions by the type that describes the table, whose entry says which type it is for.
    tables: Vec<(u64, TypeId)>,
    of_tables: FxHashMap<TypeId, TypeId>,
    files: FxHashMap<Arc<str>, u32>,
}

impl Search {
    fn begin(&mut self, root: roots::Root) {
        match root {
            roots::Root::Poll { at, of_type } => {
                if let Some(id) = self.id(of_type) {
                    self.found.polls.insert(at, id);
                }
            }
            roots::Root::Table { at, of_type } => {
                if let Some(id) = self.id(of_type) {
                    self.tables.push((at, id));
                }
            }
            roots::Root::Named { at, name } => {
                if let Some(id) = self.add(Type { name, ..Type::default() }) {
                    self.found.polls.insert(at, id);
                }
            }
        }
    }

    /// The number of the type at `offset`; `None` when there are too many.
    fn id(&mut self, offset: u64) -> Option<TypeId> {
        if let Some(known) = self.ids.get(&offset) {
            return Some(*known);
        }
        let id = self.add(Type::default())?;
        self.ids.insert(offset, id);
        self.waiting.push(offset);
        Some(id)
    }

    fn add(&mut self, of: Type) -> Option<TypeId> {
        let id =
            TypeId::try_from(self.found.types.len()).ok().filter(|_| self.found.types.len() < MAX_TYPES)?;
        self.found.types.push(of);
        Some(id)
    }

    /// Looks for all that wait, unit by unit, until nothing waits: a type may refer to one of another unit.
    fn run(&mut self, info: &mut DebugInfo<'_>, headers: &[Header]) {
        while !self.waiting.is_empty() {
            let mut round = std::mem::take(&mut self.waiting);
            round.sort_unstable();
            let mut round = round.into_iter().peekable();
            while let Some(first) = round.peek().copied() {
                let after = headers.partition_point(|header| header.offset <= first);
                let header =
                    after.checked_sub(1).and_then(|at| headers.get(at)).filter(|header| first < header.end);
                let Some(header) = header else {
                    round.next();
                    continue;
                };
                let of_unit: Vec<u64> =
                    std::iter::from_fn(|| round.next_if(|offset| *offset < header.end)).collect();
                if self.unit(info, *header, of_unit).is_none() {
                    self.found.damaged += 1;
                }
            }
        }
    }

    /// Looks for `wanted` in one unit, and for what they lead to there.
    fn unit(&mut self, info: &mut DebugInfo<'_>, header: Header, wanted: Vec<u64>) -> Option<()> {
        let unit = Unit::read(&mut info.own, header)?;
        let table = Table::read(&mut info.own, &unit, info.window)?;
        let mut of_files: Vec<u64> = Vec::new();
        let mut described = Vec::new();
        let mut todo = wanted;
        while let Some(offset) = todo.pop() {
            let Some(id) = self.ids.get(&offset).copied() else { continue };
            if let Some(of) = table.is_for(offset) {
                if let Some(of) = self.id(of) {
                    self.of_tables.insert(id, of);
                }
            } else {
                let found = shape::of(&table, &mut info.own, &unit, offset, &mut |offset| self.id(offset));
                described.push((id, found));
            }
            // Those that were just met and are of this unit are looked for at once.
            let (own, other) =
                std::mem::take(&mut self.waiting).into_iter().partition(|offset| unit.contains(*offset));
            self.waiting = other;
            todo.extend::<Vec<u64>>(own);
        }
        for (_, found) in &described {
            if let Shape::Variants { arms, .. } = &found.shape {
                of_files.extend(arms.iter().map(|arm| u64::from(arm.file)).filter(|file| *file != 0));
            }
        }
        of_files.sort_unstable();
        of_files.dedup();
        let names = lines::lines(&mut info.own, &unit, &[], &of_files, info.window).files;
        for (id, mut found) in described {
            if let Shape::Variants { arms, .. } = &mut found.shape {
                for arm in arms {
                    arm.file = names.get(&u64::from(arm.file)).map_or(0, |name| self.file(name));
                }
            }
            if let Some(place) = self.found.types.get_mut(id as usize) {
                *place = found;
            }
        }
        Some(())
    }

    fn file(&mut self, name: &Arc<str>) -> u32 {
        if self.found.files.is_empty() {
            self.found.files.push(Arc::from(""));
        }
        *self.files.entry(name.clone()).or_insert_with(|| {
            self.found.files.push(name.clone());
            u32::try_from(self.found.files.len() - 1).unwrap_or(0)
        })
    }

    fn finish(mut self) -> Found {
        for (at, table) in &self.tables {
            if let Some(of) = self.of_tables.get(table) {
                self.found.tables.insert(*at, *of);
            }
        }
        self.found
    }
}
