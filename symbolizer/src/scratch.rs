//! Temporary files that nobody else can read, follow or replace: without a name, or with one that is given up soon.
//! Two opens and a random name need no crate for it.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

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
    let path = dir.join(format!(".flamewatch-{:016x}", RandomState::new().hash_one(())));
    let file = private().create_new(true).open(&path)?;
    Ok((path, file))
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_nameless_file_holds_what_is_written_and_leaves_nothing() {
        let dir = tempdir("nameless");
        let mut file = nameless(&dir).expect("a file");
        check(&mut file, 0);
        assert_eq!(fs::read_dir(&dir).expect("the directory").count(), 0);
    }

    #[test]
    fn a_named_file_is_ours_alone() {
        let dir = tempdir("named");
        let (path, mut file) = named(&dir).expect("a file");
        check(&mut file, 1);
        let (other, _file) = named(&dir).expect("another");
        assert_ne!(path, other);
    }

    #[test]
    fn a_missing_directory_is_an_error() {
        assert!(nameless(&tempdir("missing").join("none")).is_err());
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

    fn tempdir(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("flamewatch-scratch-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).expect("a directory");
        dir
    }
}
