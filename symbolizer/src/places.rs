//! Where debug info is looked for that is not in the file itself, and what unpacking it may take.

use std::path::PathBuf;

use crate::DEFAULT_MEMORY_BUDGET;

/// Where distributions put separate debug files.
const SYSTEM_DEBUG_DIR: &str = "/usr/lib/debug";

/// The places, the first being asked first.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) debug_dirs: Vec<PathBuf>,
    pub(crate) memory_budget: u64,
}

impl Default for Places {
    fn default() -> Self {
        Self { debug_dirs: Vec::new(), memory_budget: DEFAULT_MEMORY_BUDGET }
    }
}

impl Places {
    /// Every debug directory, the system's last.
    pub(crate) fn dirs(&self) -> Vec<PathBuf> {
        self.debug_dirs.iter().cloned().chain([PathBuf::from(SYSTEM_DEBUG_DIR)]).collect()
    }
}
