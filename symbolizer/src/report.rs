//! The account of an answer: what could not be named, module by module, and why.

use std::fmt;

/// What became of the addresses of one [`resolve`](crate::Symbolizer::resolve), module by module.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// The modules that were asked for, and one without a path for addresses that lie in none.
    pub modules: Vec<ModuleReport>,
}

/// What became of the addresses in one module.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ModuleReport {
    /// The file, as the process saw it; empty for addresses that lie in no module.
    pub path: String,
    /// Its build id in hex, empty when unknown.
    pub build_id: String,
    /// Distinct addresses that have a name.
    pub named: usize,
    /// Distinct addresses that have none.
    pub unnamed: usize,
    /// What stood in the way of names or lines.
    pub reason: Option<Reason>,
}

/// What stands in the way of names or lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The address lies in no module: compiled at run time, or not code.
    NoModule,
    /// There is no such file any more.
    FileMissing,
    /// The file may not be read.
    NoPermission,
    /// The file is no object file, or could not be read.
    Unreadable,
    /// The file's build id is not the mapped one: it was replaced by another build.
    BuildIdDiffers,
    /// The file's inode is not the mapped one, and there is no build id to tell whether it is the same build.
    FileReplaced,
    /// The file has neither debug info nor a symbol table; exported functions still have names.
    Stripped,
    /// The file has a symbol table but no debug info: names without lines, inlined functions missing.
    NoDebugInfo,
    /// The debug info is compressed, and unpacked it fits neither on disk nor in the memory budget.
    OverBudget,
    /// The debug info is in other files (`.dwo`, `.dwp`), and some of them were not found: names without lines of
    /// inlined functions.
    SplitMissing,
    /// A part of the debug info makes no sense; what it describes has no lines, or a name without them.
    Damaged,
}

impl Report {
    /// Distinct addresses that have a name.
    #[must_use]
    pub fn named(&self) -> usize {
        self.modules.iter().map(|module| module.named).sum()
    }

    /// Distinct addresses that have none.
    #[must_use]
    pub fn unnamed(&self) -> usize {
        self.modules.iter().map(|module| module.unnamed).sum()
    }
}

impl Reason {
    /// The reason for people, lower case, no full stop.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoModule => "no module is mapped there",
            Self::FileMissing => "the file is gone",
            Self::NoPermission => "the file may not be read",
            Self::Unreadable => "the file is not a readable object file",
            Self::BuildIdDiffers => "the file was replaced by another build",
            Self::FileReplaced => "the file was replaced and has no build id to compare",
            Self::Stripped => "the file is stripped",
            Self::NoDebugInfo => "the file has no debug info",
            Self::OverBudget => "there is no room to unpack the compressed debug info",
            Self::SplitMissing => "a part of the debug info is in .dwo or .dwp files that are not there",
            Self::Damaged => "a part of the debug info is damaged",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
