//! Where debug info is looked for that is not in the file itself, and what unpacking it may take.

use std::path::PathBuf;

use crate::DEFAULT_MEMORY_BUDGET;
use crate::companions::separate::Directories;

/// The places, and what may be spent.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// Asked before the system's own.
    pub(crate) debug_dirs: Vec<PathBuf>,
    /// For unpacking where there is no disk to unpack to, in bytes a file.
    pub(crate) memory_budget: u64,
    /// Servers to ask for what is on no disk, and where to keep what they send.
    #[cfg(feature = "debuginfod")]
    pub(crate) servers: Option<(Vec<crate::companions::debuginfod::Server>, PathBuf)>,
    /// How much of a unit is held at a time, in bytes.
    pub(crate) window: usize,
}

impl Default for Places {
    fn default() -> Self {
        let (memory_budget, window) = (DEFAULT_MEMORY_BUDGET, crate::DEFAULT_WINDOW);
        Self {
            debug_dirs: Vec::new(),
            memory_budget,
            #[cfg(feature = "debuginfod")]
            servers: None,
            window,
        }
    }
}

impl Places {
    pub(crate) fn with_memory_budget(self, memory_budget: u64) -> Self {
        Self { memory_budget, ..self }
    }

    pub(crate) fn debug_dirs(&self) -> Directories {
        Directories::new(self.debug_dirs.iter().cloned())
    }
}
