//! Folders and files that are there whole or not at all, whenever the process is killed or the machine loses power: written
//! under another name, brought to the disk, and only then given their own.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// What a folder in the making, or on its way out, begins with. The run that works on it and a number follow.
const DRAFT: &str = ".draft-";

/// A draft this old was left by somebody who died over it.
const STALE: Duration = Duration::from_secs(3_600);

/// A folder in the making. Unless it is published, it is removed.
#[derive(Debug)]
pub(super) struct Draft(PathBuf);

impl Draft {
    /// One below `root`, which is made when it is not there, by the run called `run`.
    pub(super) fn new(root: &Path, run: &str) -> io::Result<Self> {
        folder(root)?;
        let path = unused(root, run);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// Writes one file of it, which stays open.
    pub(super) fn file(&self, name: &str, bytes: &[u8]) -> io::Result<File> {
        written(&self.0.join(name), bytes)
    }

    /// Gives the folder its name. The folder is on disk before the name, and the name before we say so.
    pub(super) fn publish(self, folder: &Path) -> io::Result<()> {
        synced(&self.0)?;
        fs::rename(&self.0, folder)?;
        let Some(root) = folder.parent() else { return Ok(()) };
        synced(root)?;
        // The root may be new as well. Where its folder is closed to us, it was there before us.
        let _ = root.parent().map(synced);
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Gone already when it was published.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Makes the folder at `path`, with those that it is in, unless it is there.
pub(super) fn folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Removes `folder`. It loses its name first, so that nobody ever finds half of it.
pub(super) fn discard(folder: &Path, run: &str) -> io::Result<()> {
    let Some(root) = folder.parent() else { return Err(io::ErrorKind::InvalidInput.into()) };
    let away = unused(root, run);
    fs::rename(folder, &away)?;
    fs::remove_dir_all(away)
}

/// Puts a file with `bytes` in the place of the one called `name` in `folder`.
pub(super) fn replace(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let draft = folder.join(format!("{DRAFT}{name}"));
    // Left by somebody who died over it: the folder has one writer at a time.
    let _ = fs::remove_file(&draft);
    let replaced = written(&draft, bytes).and_then(|_| fs::rename(&draft, folder.join(name)));
    if replaced.is_err() {
        let _ = fs::remove_file(&draft);
    }
    replaced.and_then(|()| synced(folder))
}

/// Removes the drafts below `root` that nobody works on any more: those of runs that are over, as `is_over` says, and those
/// of an age that nothing takes.
pub(super) fn sweep(root: &Path, is_over: impl Fn(&str) -> bool) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(DRAFT)) else { continue };
        let run = rest.rsplit_once('-').map_or(rest, |(run, _)| run);
        let modified = entry.metadata().and_then(|data| data.modified()).ok();
        let age = modified.and_then(|time| SystemTime::now().duration_since(time).ok());
        if is_over(run) || age.is_some_and(|age| age > STALE) {
            // What cannot be removed now is tried again at the next start.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn unused(root: &Path, run: &str) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    root.join(format!("{DRAFT}{run}-{}", COUNT.fetch_add(1, Ordering::Relaxed)))
}

fn written(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(file)
}

/// Brings a folder's names to the disk.
fn synced(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
