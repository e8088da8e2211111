//! What is known to fill up and stop, kept in a file across restarts, so that a cache that fills after each deploy is not
//! told as a leak each time.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::watch::leak::{DEFAULT_PLATEAU_AGE, Plateaus};

/// The file's name in the folder of `FLAMEWATCH_DIR`.
const FILE: &str = "plateaus.json";

/// The longest file that is read: 4,096 plateaus of at most 60 characters.
const MAX_BYTES: u64 = 1 << 20;

/// The form of the file. One that is newer is left alone.
const VERSION: u32 = 1;

/// The plateaus, and where they are kept.
#[derive(Debug, Default)]
pub(super) struct Known {
    plateaus: Plateaus,
    path: Option<PathBuf>,
    problem: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    plateaus: Plateaus,
}

impl Known {
    /// What `folder` remembers of earlier runs. Without a folder, or where it cannot be read, nothing is known.
    pub(super) fn in_folder(folder: Option<&Path>) -> Self {
        let Some(folder) = folder else { return Self::default() };
        let path = folder.join(FILE);
        match read(&path) {
            Ok(plateaus) => Self { plateaus, path: Some(path), problem: None },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Self { path: Some(path), ..Self::default() }
            }
            // Written by somebody else, or for somebody else: not ours to overwrite.
            Err(error) => {
                let problem = format!("{} is not used: {error}", path.display());
                Self { problem: Some(problem), ..Self::default() }
            }
        }
    }

    /// What the stacks with this fingerprint may reach before they are told; 0 for one that is not known.
    pub(super) fn quiet_below(&self, fingerprint: u64) -> f64 {
        self.plateaus.quiet_below(fingerprint)
    }

    /// Remembers what stands without leaking, and writes that down.
    pub(super) fn remember(&mut self, stable: impl Iterator<Item = (u64, f64)>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let before = self.plateaus.clone();
        stable.for_each(|(fingerprint, amount)| self.plateaus.remember(fingerprint, amount, now));
        self.plateaus.forget(now, DEFAULT_PLATEAU_AGE);
        if self.plateaus != before {
            self.write(now);
        }
    }

    /// What is wrong with the file, for the page.
    pub(super) fn remark(&self) -> Option<String> {
        self.problem.clone()
    }

    fn write(&mut self, now: Duration) {
        let Some(path) = &self.path else { return };
        let document = Document { version: VERSION, plateaus: self.plateaus.clone() };
        let written = serde_json::to_vec(&document)
            .map_err(io::Error::other)
            .and_then(|bytes| replace(path, &bytes, now));
        self.problem = written.err().map(|error| format!("cannot keep {}: {}", path.display(), error.kind()));
    }
}

fn read(path: &Path) -> io::Result<Plateaus> {
    if fs::metadata(path)?.len() > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too long to be ours"));
    }
    let document: Document = serde_json::from_slice(&fs::read(path)?).map_err(io::Error::other)?;
    match document.version {
        VERSION => Ok(document.plateaus),
        other => Err(io::Error::new(io::ErrorKind::InvalidData, format!("it has version {other}"))),
    }
}

/// Writes `bytes` beside `path` and gives them its name, so that nobody ever reads half of them.
fn replace(path: &Path, bytes: &[u8], now: Duration) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let draft = folder.join(format!(".{FILE}-{}-{:x}", std::process::id(), now.as_nanos()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        // It may not even exist; the reason that matters is the one we have.
        let _ = fs::remove_file(&draft);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stood_is_known_to_the_next_run() {
        let folder = std::env::temp_dir().join(format!("flamewatch-plateaus-{}", std::process::id()));
        let mut first = Known::in_folder(Some(&folder));
        assert_eq!((first.quiet_below(7), first.remark()), (0.0, None));
        first.remember([(7, 800e6)].into_iter());
        let next = Known::in_folder(Some(&folder));
        assert!((next.quiet_below(7) - 960e6).abs() < 1.0 && next.quiet_below(8) == 0.0);
        let names: Vec<_> = fs::read_dir(&folder)
            .expect("a folder")
            .filter_map(|entry| Some(entry.ok()?.file_name()))
            .collect();
        assert_eq!(names, [FILE], "no draft is left");
        // A file that is not ours stays as it is.
        fs::write(folder.join(FILE), "{\"version\":9,\"plateaus\":{\"known\":{}}}").expect("written");
        let mut other = Known::in_folder(Some(&folder));
        assert!(other.remark().is_some_and(|remark| remark.contains("it has version 9")));
        other.remember([(7, 1e6)].into_iter());
        assert!(fs::read_to_string(folder.join(FILE)).expect("still there").contains("\"version\":9"));
        fs::remove_dir_all(&folder).expect("ours");
    }

    #[test]
    fn without_a_folder_it_lasts_as_long_as_the_process() {
        let mut known = Known::in_folder(None);
        known.remember([(7, 1e6)].into_iter());
        assert!(known.quiet_below(7) > 1e6 && known.remark().is_none());
    }
}
