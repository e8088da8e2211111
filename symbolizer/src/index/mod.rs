//! The index of a binary: what its debug info says about every address, in a small file beside it, for deployments
//! that are stripped. [`write()`] makes it before `strip` does its work; a [`Symbolizer`](crate::Symbolizer) looks for
//! it where neither the file nor a separate one has debug info: at `<binary>.fwi` and, in each debug directory, at
//! `.build-id/ab/cdef….fwi`. It answers only for the build whose id it carries.
//!
//! ```no_run
//! let mut file = std::fs::File::create("target/release/shop.fwi")?;
//! flamewatch_symbolizer::index::write("target/release/shop".as_ref(), &mut file)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod block;
mod collect;
mod format;
mod read;
mod write;

use std::io::Write;
use std::path::Path;

use crate::Error;

pub(crate) use read::Index;

/// What an index holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Stretches of code that have one answer each.
    pub stretches: u64,
    /// Distinct names of functions.
    pub functions: usize,
    /// Distinct source files.
    pub files: usize,
    /// The size of the index.
    pub bytes: u64,
    /// Units of debug info that could not be read to their end; what they describe may be missing.
    pub damaged: usize,
    /// Units whose entries are in a `.dwo` or `.dwp` file that was not found.
    pub missing_splits: usize,
}

/// Writes the index of `binary`, which must have a build id and debug info (its own or separate), into `sink`.
/// Takes a temporary file of the index's size.
///
/// # Errors
/// `Io` when the binary cannot be read or the index not be written, `Invalid` when the binary lacks either.
pub fn write(binary: &Path, sink: &mut impl Write) -> Result<Stats, Error> {
    collect::collect(binary)?.finish(sink)
}
