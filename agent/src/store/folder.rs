//! The snapshots on disk: a folder for each, with a small document and the profile. Shared by all runs of a service, and by
//! its replicas where they have one folder between them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::moment;

use super::bound::{Bounds, surplus};
use super::draft::{self, Draft};
use super::snapshot::{About, Kept};

/// How many snapshots are kept on disk.
pub(crate) const MAX_DISK_SNAPSHOTS: usize = 128;
/// How many bytes their profiles may take together. While a new one is written there is one more than that: the old go only
/// when the new one is safe.
pub(crate) const MAX_DISK_BYTES: u64 = 64 * 1024 * 1024;

/// What our folders end in. Nothing else is ever removed.
const SUFFIX: &str = ".snapshot";
const DOCUMENT: &str = "snapshot.json";
const PROFILE: &str = "profile.pb.gz";

/// The longest document that is read: 16 lines of 500 bytes, each of which may take 6 in JSON.
const MAX_DOCUMENT: u64 = 64 * 1024;

/// Where the snapshots are.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    run: String,
    bounds: Bounds,
}

/// What is there.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Oldest first.
    pub(super) snapshots: Vec<Arc<Kept>>,
    /// Folders with our name that hold something else.
    pub(super) unreadable: usize,
}

impl Folder {
    /// The one at `root`, for the run called `run`.
    pub(super) fn at(root: PathBuf, run: &str, bounds: Bounds) -> Self {
        Self { root, run: run.to_owned(), bounds }
    }

    /// Writes `kept`. Then, and only then, the oldest make room.
    pub(super) fn write(&self, kept: &Kept) -> io::Result<Contents> {
        let document = serde_json::to_vec_pretty(&kept.about).map_err(io::Error::other)?;
        let draft = Draft::new(&self.root, &self.run)?;
        draft.file(DOCUMENT, &document)?;
        draft.file(PROFILE, &kept.pprof()?)?;
        draft.publish(&self.place_of(&kept.about))?;
        Ok(self.clean())
    }

    /// Every snapshot that can be read. A folder that is not there holds none.
    pub(super) fn read(&self) -> io::Result<Contents> {
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Contents::default()),
            entries => entries?,
        };
        let mut contents = Contents::default();
        for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().ends_with(SUFFIX)) {
            match read(&entry.path()) {
                Ok(kept) => contents.snapshots.push(Arc::new(kept)),
                // Another process has just removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound && !entry.path().exists() => {}
                Err(_) => contents.unreadable += 1,
            }
        }
        contents.snapshots.sort_by_key(|kept| kept.about.taken);
        Ok(contents)
    }

    /// Removes the drafts of runs that are over.
    pub(super) fn sweep(&self, is_over: impl Fn(&str) -> bool) {
        draft::sweep(&self.root, is_over);
    }

    /// Holds the bounds, and returns what is left. A failure to remove is no failure to write.
    fn clean(&self) -> Contents {
        let mut contents = self.read().unwrap_or_default();
        let gone = surplus(contents.snapshots.iter().map(|kept| &kept.about), self.bounds);
        let mut gone = gone.into_iter();
        contents.snapshots.retain(|kept| {
            let folder = kept.path().and_then(|path| path.parent());
            let goes = gone.next().unwrap_or(false);
            !(goes && folder.is_some_and(|folder| draft::discard(folder, &self.run).is_ok()))
        });
        contents
    }

    /// `20260921T142640Z-RUN-ID.snapshot`; the run keeps apart what replicas call by the same id.
    fn place_of(&self, about: &About) -> PathBuf {
        let harmless = |char: char| if char.is_ascii_alphanumeric() || char == '-' { char } else { '_' };
        let id: String = about.id.chars().take(80).map(harmless).collect();
        self.root.join(format!("{}-{}-{id}{SUFFIX}", moment::sortable(about.taken), self.run))
    }
}

fn read(folder: &Path) -> io::Result<Kept> {
    let (document, profile) = (folder.join(DOCUMENT), folder.join(PROFILE));
    let invalid = |why| io::Error::new(io::ErrorKind::InvalidData, why);
    if fs::metadata(&document)?.len() > MAX_DOCUMENT {
        return Err(invalid("the document is too long to be ours"));
    }
    let about: About = serde_json::from_slice(&fs::read(document)?).map_err(io::Error::other)?;
    if fs::metadata(&profile)?.len() != about.bytes {
        return Err(invalid("the profile is not as it was written"));
    }
    Ok(Kept::on_disk(about, profile))
}
