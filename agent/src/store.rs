//! Snapshots kept for later: what a profile was when it mattered.

use std::time::SystemTime;

/// One stored profile.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Names it in a link; says nothing of where it is kept.
    pub(crate) id: String,
    /// When it was taken.
    pub(crate) taken: SystemTime,
    /// Why it was taken: the rule that fired, or that somebody asked.
    pub(crate) trigger: String,
    /// The profile's kind.
    pub(crate) kind: String,
    /// The profile as gzipped `profile.proto`.
    pub(crate) pprof: Vec<u8>,
}
