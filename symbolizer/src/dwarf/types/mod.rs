//! How futures are laid out: which types a task's future is made of, where in them the awaited future is, and in which
//! line. Read from the debug info of whole programs; of each type only how it leads to others is held, and names are read
//! of those alone that are wanted in the end.

mod impls;
mod node;
pub(crate) mod parameter;
mod roots;
mod search;
mod shape;
mod table;
mod unit;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::DebugInfo;
pub(crate) use search::Search;

/// The number of a type among those found.
pub type TypeId = u32;

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
    /// Futures that are polled in turn, as `select!` does. Each of them is one and may wait itself.
    Branches(Vec<(u64, TypeId)>),
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
    /// For an `async` body the file, among the plan's, in which it waits. 0 for anything else.
    pub file: u32,
    /// And the line: that of its `.await`, and where the body begins when a macro of elsewhere awaits, as `select!` does.
    pub line: u32,
    /// Where in the type there may be more, in bytes from its beginning, and of which type it is.
    pub fields: Vec<(u64, TypeId)>,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Without names, and with each unit's own numbers of files.
    pub(crate) types: Vec<Type>,
    /// The future that each of tokio's functions polls, by the function's address in the file.
    pub(crate) polls: BTreeMap<u64, TypeId>,
    /// The future that each table of functions of a `dyn Future` is for.
    pub(crate) tables: BTreeMap<u64, TypeId>,
    /// Units that could not be read to their end.
    pub(crate) damaged: usize,
    /// Units whose entries are in a file that was not found.
    pub(crate) missing_splits: usize,
    /// Types that were left out because there are too many.
    pub(crate) omitted: usize,
}

/// The futures of the functions at `polls` (addresses of the file, in order), and those behind `dyn Future`.
pub(crate) fn futures(info: &mut DebugInfo<'_>, polls: &[u64]) -> Search {
    let mut search = Search::of(info);
    search.begin(info, polls);
    search.run(info);
    search
}

/// The files that lines are of; the first is none.
#[derive(Debug)]
pub(crate) struct Files {
    names: Vec<Arc<str>>,
    numbers: rustc_hash::FxHashMap<Arc<str>, u32>,
}

impl Files {
    fn new() -> Self {
        Self { names: vec![Arc::from("")], numbers: rustc_hash::FxHashMap::default() }
    }

    fn number(&mut self, name: &Arc<str>) -> u32 {
        if let Some(known) = self.numbers.get(name) {
            return *known;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(0);
        self.names.push(name.clone());
        self.numbers.insert(name.clone(), number);
        number
    }
}
