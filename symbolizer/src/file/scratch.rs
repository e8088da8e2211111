//! Temporary files that nobody else can read, follow or replace: without a name, or with one that is given up soon.
//! Two opens and a random name need no crate for it.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
#[cfg(feature = "debuginfod")]
use std::time::Duration;

use crate::sys;

/// How the names of our files begin.
const PREFIX: &str = ".flamewatch-";

/// After how many bytes written the disk's free space is looked at again.
const LOOK_EVERY: u64 = 16 << 20;

/// A file in `dir` for reading and writing that has no name and goes away with the last handle to it, also when the
/// process is killed.
pub(crate) fn nameless(dir: &Path) -> io::Result<File> {
    born_nameless(dir).or_else(|_| {
        // Some file systems (NFS, old overlayfs) cannot; there it has a name for a moment.
        let (path, file) = named(dir)?;
        fs::remove_file(path)?;
        Ok(file)
    })
}

#[cfg(target_os = "linux")]
fn born_nameless(dir: &Path) -> io::Result<File> {
    // With O_EXCL nobody can give it a name later, open(2).
    private().custom_flags(libc::O_TMPFILE | libc::O_EXCL).open(dir)
}

#[cfg(not(target_os = "linux"))]
fn born_nameless(_dir: &Path) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A new file in `dir` under a name that nobody could guess, which the caller renames or removes.
pub(crate) fn named(dir: &Path) -> io::Result<(PathBuf, File)> {
    // The standard library seeds its hash maps from the system's random numbers; a hash of nothing is such a seed.
    let path = dir.join(format!("{PREFIX}{:016x}", RandomState::new().hash_one(())));
    let file = private().create_new(true).open(&path)?;
    Ok((path, file))
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

/// Removes the named files in `dir` that were last written `age` ago or earlier: of processes that were killed.
#[cfg(feature = "debuginfod")]
pub(crate) fn sweep(dir: &Path, age: Duration) {
    let ours = |entry: &fs::DirEntry| entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes());
    for entry in fs::read_dir(dir).into_iter().flatten().flatten().filter(ours) {
        let written = entry.metadata().and_then(|about| about.modified());
        if written.is_ok_and(|written| written.elapsed().is_ok_and(|since| since >= age)) {
            // Somebody else may have been faster.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A file that leaves room on its disk for others.
#[derive(Debug)]
pub(crate) struct Disk {
    file: File,
    spare: u64,
    until_look: u64,
}

impl Disk {
    /// Writes to `file` as long as `spare` bytes stay free, give or take 16 MiB.
    pub(crate) const fn new(file: File, spare: u64) -> Self {
        Self { file, spare, until_look: LOOK_EVERY }
    }

    /// True when `size` bytes can be written to it, and it is not memory.
    pub(crate) fn has_room(&self, size: u64) -> io::Result<bool> {
        let space = sys::space(&self.file)?;
        let free = space.free.saturating_sub(self.spare);
        Ok(!space.in_memory && size <= free && size <= sys::largest_file())
    }

    /// Appends `bytes`. Other programs write too, so now and then it looks whether there is still room.
    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.until_look = self.until_look.saturating_sub(bytes.len() as u64);
        if self.until_look == 0 {
            self.until_look = LOOK_EVERY;
            if sys::space(&self.file)?.free < self.spare {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        Ok(())
    }

    /// Forgets what was written.
    #[cfg(feature = "debuginfod")]
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        io::Seek::rewind(&mut self.file)
    }

    /// The file, wherever its cursor is.
    pub(crate) fn into_file(self) -> File {
        self.file
    }
}

/// A directory for a test, where the test was built: that is a disk, and the one for temporary files may be memory.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

#[cfg(test)]
impl Folder {
    pub(crate) fn new() -> Self {
        let name = format!("test-{:016x}", RandomState::new().hash_one(()));
        let path = std::env::current_exe().expect("a path").with_file_name(name);
        fs::create_dir(&path).expect("a directory");
        Self(path)
    }
}

#[cfg(test)]
impl std::ops::Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

#[cfg(test)]
impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_nameless_file_holds_what_is_written_and_leaves_nothing() {
        let dir = Folder::new();
        let mut file = nameless(&dir).expect("a file");
        check(&mut file, 0);
        assert_eq!(fs::read_dir(&*dir).expect("the directory").count(), 0);
    }

    #[test]
    fn a_named_file_is_ours_alone() {
        let dir = Folder::new();
        let (path, mut file) = named(&dir).expect("a file");
        check(&mut file, 1);
        let (other, _file) = named(&dir).expect("another");
        assert_ne!(path, other);
    }

    #[test]
    fn a_missing_directory_is_an_error() {
        assert!(nameless(&Folder::new().join("none")).is_err());
    }

    #[cfg(feature = "debuginfod")]
    #[test]
    fn what_was_left_behind_is_removed_and_nothing_else() {
        let (dir, hour) = (Folder::new(), Duration::from_secs(3_600));
        let [old, new, other] =
            [format!("{PREFIX}old"), format!("{PREFIX}new"), "other".to_owned()].map(|name| dir.join(name));
        for (path, age) in [(&old, hour), (&new, hour / 2), (&other, hour * 2)] {
            let written = std::time::SystemTime::now() - age;
            File::create(path).and_then(|file| file.set_modified(written)).expect("a file");
        }
        sweep(&dir, hour);
        assert_eq!([old, new, other].map(|path| path.exists()), [false, true, true]);
    }

    #[test]
    fn a_disk_keeps_its_spare() {
        let file = || nameless(&Folder::new()).expect("a file");
        let mut greedy = Disk::new(file(), u64::MAX);
        let chunk = vec![0; 1 << 20];
        let refused = (1_u64..).find_map(|count| Some((count, greedy.write_all(&chunk).err()?)));
        let (count, error) = refused.expect("an end");
        assert_eq!((count << 20, error.kind()), (LOOK_EVERY, io::ErrorKind::StorageFull));
        let mut modest = Disk::new(file(), 0);
        (0..count).for_each(|_| modest.write_all(&chunk).expect("written"));
        assert_eq!(modest.into_file().metadata().expect("metadata").len(), LOOK_EVERY);
    }

    #[track_caller]
    fn check(file: &mut File, names: u64) {
        file.write_all(b"bytes").expect("written");
        file.rewind().expect("rewound");
        let mut text = String::new();
        file.read_to_string(&mut text).expect("read");
        assert_eq!(text, "bytes");
        let about = file.metadata().expect("metadata");
        assert_eq!((about.mode() & 0o777, about.nlink()), (0o600, names));
    }
}
