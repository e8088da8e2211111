//! Debug info that stands apart from what was stripped of it, in a directory of the test's own.

use std::path::{Path, PathBuf};

use flamewatch_symbolizer::Symbolizer;

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
