//! Where tasks are not read from memory: on other systems than 64-bit Linux.

use std::fmt;
use std::path::PathBuf;

/// Where plans are looked for.
#[derive(Clone, Debug, Default)]
#[allow(dead_code, reason = "nobody looks here")]
pub(crate) struct Places {
    pub(crate) plan: Option<PathBuf>,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) debug_dir: Option<PathBuf>,
}

/// Who reads tasks.
#[derive(Debug, Default)]
pub(crate) struct Reading;

impl Reading {
    pub(crate) fn new(_places: Places) -> Self {
        Self
    }

    pub(crate) fn prepare(self: &std::sync::Arc<Self>) {}

    pub(crate) fn examine(&self) -> Result<(bool, String), Refusal> {
        Err(Refusal)
    }
}

/// Why tasks are not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal;

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("tasks can be read from memory on 64-bit Linux alone")
    }
}
