//! The plan of a program's futures: which type of future each of tokio's tasks may be, in which line it waits in each of
//! its states, and where in it the future is that it waits for. A few KB, made from debug info before it is stripped, with
//! which somebody who can read a task's memory can tell its whole await stack.

mod build;
mod format;
mod prune;

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::sync::Arc;

use crate::Error;
pub use crate::dwarf::types::{Arm, Shape, Type, TypeId};

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
}

impl Plan {
    /// Reads the debug info of the program at `binary`, its own or separate.
    ///
    /// # Errors
    /// `Io` when the file cannot be read, `Invalid` when it has no build id or no debug info.
    pub fn of(binary: &Path) -> Result<Self, Error> {
        build::build(binary)
    }

    /// Reads a plan that was written.
    ///
    /// # Errors
    /// `Io` when it cannot be read, `Invalid` when it is none, or damaged, or of another version.
    pub fn read(input: impl BufRead) -> Result<Self, Error> {
        format::read(input)
    }

    /// Writes it, as text.
    ///
    /// # Errors
    /// What the sink said.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        format::write(self, out)
    }
}
