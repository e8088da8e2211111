//! One function of an answer, and where its name comes from.

use std::sync::Arc;

use crate::name;

/// A function that stands at an address, or was inlined there. Strings are shared between frames.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Frame {
    /// The name for people: demangled, without the compiler's hashes, and what the compiler made itself in words:
    /// `shop::orders::place::{async fn}`. `libfoo.so+0x1234` (the offset in the file) or
    /// `0x7f…` (no module) when there is no name; `source` tells.
    pub name: Arc<str>,
    /// The name as the linker knows it, empty when there is none or when it is the name.
    pub mangled: Arc<str>,
    /// The source file as the debug info gives it, empty when unknown.
    pub file: Arc<str>,
    /// The line: of the instruction in the innermost frame, of the call in the others. 0 when unknown.
    pub line: u32,
    /// The column, 0 when unknown.
    pub column: u32,
    /// True when the next frame is the function this one was inlined into.
    pub inlined: bool,
    /// Where the name comes from.
    pub source: Source,
}

/// Where a frame's name comes from, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Source {
    /// The debug info: inlined frames are there.
    Dwarf,
    /// The symbol table: the function that was compiled, and nothing of what was inlined.
    Symtab,
    /// The dynamic symbol table: only what a library exports has a name.
    Dynsym,
    /// The map that a just-in-time compiler writes for perf: code without a file.
    PerfMap,
    /// Nowhere: the name says which byte of which file it is.
    ModuleOffset,
}

impl Frame {
    /// False when the name is only a place, `libfoo.so+0x1234`.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.source != Source::ModuleOffset
    }

    /// The name for pictures, `Vec::push`: see [`name::short`].
    #[must_use]
    pub fn short_name(&self) -> String {
        name::short(&self.name)
    }
}
