//! A snapshot: a profile as it was when an alert fired, and what is known about it. In memory, or in a file.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::run::Run;

/// The most lines of its alert that a snapshot keeps, and the most bytes of each.
const MAX_LINES: usize = 16;
const MAX_LINE_BYTES: usize = 500;

/// A profile as it was when an alert fired, or on the way to a limit.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The id of the alert that took it.
    pub(crate) id: String,
    /// When it was taken.
    pub(crate) taken: SystemTime,
    /// The alert's headline.
    pub(crate) trigger: String,
    /// The rule that is broken; snapshots of one rule while it stays broken are one series.
    pub(crate) rule: String,
    /// What the alert says beyond its headline, one sentence a line.
    pub(crate) says: Vec<String>,
    /// The profile's kind, such as `heap`.
    pub(crate) kind: String,
    /// The gzipped pprof.
    pub(crate) pprof: Vec<u8>,
    /// False for one of bare addresses, taken when there was no memory to spare for naming them.
    pub(crate) named: bool,
}

/// What is known about a snapshot besides the profile itself: the document beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) id: String,
    #[serde(rename = "taken_unix_ms", with = "super::millis")]
    pub(crate) taken: SystemTime,
    pub(crate) trigger: String,
    pub(crate) says: Vec<String>,
    pub(crate) kind: String,
    pub(crate) named: bool,
    /// The length of the profile. A file of another length is not the one that was written.
    pub(crate) bytes: u64,
    /// Which snapshots are a rising series of one incident.
    pub(crate) series: String,
    /// The run that took it.
    pub(crate) run: String,
    pub(crate) service: String,
    pub(crate) version: Option<String>,
    pub(crate) pid: u32,
}

/// A snapshot that is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) about: About,
    profile: Place,
}

/// Where the gzipped pprof is.
#[derive(Debug)]
enum Place {
    Memory(Vec<u8>),
    File(PathBuf),
}

impl Kept {
    /// `snapshot`, taken by `run` in the `episode`th incident of its rule.
    pub(super) fn of(snapshot: Snapshot, run: &Run, episode: u32) -> Self {
        let Snapshot { id, taken, trigger, rule, says, kind, pprof, named } = snapshot;
        let says = says.iter().take(MAX_LINES).map(|line| shortened(line)).collect();
        let about = About {
            series: format!("{}/{rule}/{episode}/{kind}", run.id),
            bytes: pprof.len() as u64,
            run: run.id.clone(),
            service: run.service.clone(),
            version: run.version.clone(),
            pid: run.pid,
            id,
            taken,
            trigger: shortened(&trigger),
            says,
            kind,
            named,
        };
        Self { about, profile: Place::Memory(pprof) }
    }

    /// The one that `about` tells of, with its profile in the file at `path`.
    pub(super) const fn on_disk(about: About, path: PathBuf) -> Self {
        Self { about, profile: Place::File(path) }
    }

    /// The file with the profile, for one that is on disk.
    pub(super) fn path(&self) -> Option<&PathBuf> {
        match &self.profile {
            Place::File(path) => Some(path),
            Place::Memory(_) => None,
        }
    }

    /// The gzipped pprof. Reads a file, so ask on a worker thread.
    ///
    /// # Errors
    /// When the file is gone, as when it made room for newer ones, or is not as it was written.
    pub(crate) fn pprof(&self) -> io::Result<Cow<'_, [u8]>> {
        match &self.profile {
            Place::Memory(bytes) => Ok(Cow::Borrowed(bytes)),
            Place::File(path) => {
                if std::fs::metadata(path)?.len() != self.about.bytes {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "the file is not as it was written",
                    ));
                }
                Ok(Cow::Owned(std::fs::read(path)?))
            }
        }
    }
}

/// `line` in at most [`MAX_LINE_BYTES`].
fn shortened(line: &str) -> String {
    let end = (0..=MAX_LINE_BYTES.min(line.len())).rev().find(|at| line.is_char_boundary(*at));
    line.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
}
