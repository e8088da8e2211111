//! The plan of a program's futures: which type of future each of tokio's tasks may be, in which line it waits in each of
//! its states, and where in it the future is that it waits for. A few KB, made from debug info before it is stripped, with
//! which somebody who can read a task's memory can tell its whole await stack.

mod build;
mod format;
mod prune;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Error;
pub use crate::dwarf::types::{Arm, Shape, Type, TypeId};
use crate::file::elf::hex;

/// A program's futures.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Plan {
    /// The program's build id.
    pub build_id: Vec<u8>,
    /// The address of the file's first byte when the program is loaded where it was linked for; 0 for most.
    pub head: u64,
    /// All types, by their number.
    pub types: Vec<Type>,
    /// The files that lines are of.
    pub files: Vec<Arc<str>>,
    /// The type of future that each of tokio's polling functions is for, by the function's address in the file.
    pub polls: BTreeMap<u64, TypeId>,
    /// The type that each table of functions of a `dyn Future` is for, by its address in the file.
    pub tables: BTreeMap<u64, TypeId>,
    /// Units of debug info that could not be read to their end; the futures they describe may be missing.
    pub damaged: usize,
    /// Units of debug info that are in `.dwo` files which were not found.
    pub missing_splits: usize,
    /// Types and names that were left out because there are too many.
    pub omitted: usize,
}

/// What tokio wraps the functions in that are given to `spawn_blocking`: a task that waits for nobody.
const BLOCKING: &str = "tokio::runtime::blocking::task::BlockingTask<";

/// How much a plan knows of the types of future that tasks are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extent {
    /// Of so many it is known what they wait for.
    pub inside: usize,
    /// Of so many the name alone.
    pub by_name: usize,
    /// So many are functions on threads for blocking, and wait for nobody.
    pub blocking: usize,
}

impl Plan {
    /// Reads the debug info of the program at `binary`, its own or separate, split or compressed. Where that says nothing, the
    /// names of its symbols tell which future each task is (mangled the new way), and no more. Holds some 10 MB for a
    /// program of 400 MB.
    ///
    /// # Errors
    /// `Io` when the file cannot be read, `Invalid` when it has no build id, no task of tokio's, or nothing that says what
    /// its tasks are.
    pub fn of(binary: &Path) -> Result<Self, Error> {
        Self::of_with(binary, &[])
    }

    /// The same, and looks for separate debug info in `debug_dirs` too, by build id and by link.
    ///
    /// # Errors
    /// The same.
    pub fn of_with(binary: &Path, debug_dirs: &[PathBuf]) -> Result<Self, Error> {
        build::build(binary, debug_dirs)
    }

    /// What it is called in a directory of many: by the build id.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}.plan", hex(&self.build_id))
    }

    /// How much it knows of the futures of tasks.
    #[must_use]
    pub fn extent(&self) -> Extent {
        let futures: BTreeSet<TypeId> = self.polls.values().copied().collect();
        let mut extent = Extent::default();
        for of in futures.iter().filter_map(|id| self.types.get(*id as usize)) {
            if of.name.starts_with(BLOCKING) {
                extent.blocking += 1;
            } else if matches!(of.shape, Shape::Leaf) {
                extent.by_name += 1;
            } else {
                extent.inside += 1;
            }
        }
        extent
    }

    /// Reads a plan that was written: at most 16 MiB of text, which become 60 MB at most. What it says need not be true, as
    /// anybody may have written it, but every number of a type or a file in it is one of the plan's own, numbers in memory have
    /// 1, 2, 4 or 8 bytes, and places in types are below 1 GiB. Types may contain themselves, so that who follows them has to
    /// count all his steps, not only the depth.
    ///
    /// # Errors
    /// `Io` when it cannot be read, `Invalid` when it is none, or damaged, or of another version.
    pub fn read(input: impl BufRead) -> Result<Self, Error> {
        format::read(input)
    }

    /// Writes it, as text.
    ///
    /// # Errors
    /// What the sink said, or that it would be too long to be read again.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        format::write(self, out)
    }
}
