//! Keeps the directory within its bounds: the oldest folders go, the newest stays. It removes what is ours by name
//! and nothing else, and a failure to remove is no failure to deliver.

use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::name::{DOCUMENT, DRAFT, SUFFIX};

/// A draft this old was left by a process that died while it wrote.
const STALE: Duration = Duration::from_secs(3_600);

/// Removes the oldest alerts under `root` until at most `max_alerts` and `max_bytes` are left, but never `newest`.
pub(super) fn keep_newest(root: &Path, newest: &Path, max_alerts: usize, max_bytes: u64) {
    let Ok(entries) = fs::read_dir(root) else { return };
    let mut alerts = Vec::new();
    for entry in entries.flatten() {
        if is_stale_draft(&entry) {
            let _ = fs::remove_dir_all(entry.path());
        } else if is_alert(&entry) {
            alerts.push(entry.path());
        }
    }
    // Names begin with the time, so this is oldest first.
    alerts.sort_unstable();
    alerts.retain(|path| path != newest);
    let mut count = alerts.len() + 1;
    let mut bytes = size(newest).saturating_add(alerts.iter().map(|path| size(path)).sum());
    for oldest in alerts {
        if count <= max_alerts && bytes <= max_bytes {
            return;
        }
        let freed = size(&oldest);
        if remove(&oldest).is_ok() {
            count -= 1;
            bytes = bytes.saturating_sub(freed);
        }
    }
}

/// The document goes last, so that a folder that was removed in part is still known for ours.
fn remove(folder: &PathBuf) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        if entry.file_name() != DOCUMENT {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_dir_all(folder)
}

fn is_alert(entry: &DirEntry) -> bool {
    let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
    is_folder
        && entry.file_name().to_string_lossy().ends_with(SUFFIX)
        && entry.path().join(DOCUMENT).is_file()
}

fn is_stale_draft(entry: &DirEntry) -> bool {
    let Ok(data) = entry.metadata() else { return false };
    let age = data.modified().ok().and_then(|time| SystemTime::now().duration_since(time).ok());
    data.is_dir()
        && entry.file_name().to_string_lossy().starts_with(DRAFT)
        && age.is_some_and(|age| age > STALE)
}

/// The bytes of the files in `folder`; ours have no folders in them.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|data| data.len()).sum()
}
