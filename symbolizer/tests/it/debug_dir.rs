//! Debug info that stands apart from what was stripped of it, in a directory of the test's own.

use std::path::{Path, PathBuf};

use flamewatch_symbolizer::{Builder, Symbolizer};

/// A symbolizer that also looks for debug info in `directory`.
pub(crate) fn with_debug_dir(directory: &Path) -> Symbolizer {
    Symbolizer::builder().debug_dir(directory).build()
}

/// Where debug info with this build id (in hex) is looked for below `directory`, made ready for a file.
pub(crate) fn place_of(directory: &Path, build_id: &str) -> PathBuf {
    let (first, rest) = build_id.split_at(2);
    let below = directory.join(".build-id").join(first);
    std::fs::create_dir_all(&below).expect("a directory");
    below.join(format!("{rest}.debug"))
}

/// Stands in for the builder's own method of this name, which is preferred where there is one.
#[allow(dead_code, reason = "the builder has a method of its own")]
trait DebugDir: Sized {
    fn debug_dir(self, directory: impl Into<PathBuf>) -> Self;
}

impl DebugDir for Builder {
    fn debug_dir(self, _directory: impl Into<PathBuf>) -> Self {
        self
    }
}
