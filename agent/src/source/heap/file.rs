//! Getting a `heap_v2` dump out of jemalloc, which writes it to a file or not at all.

use std::collections::hash_map::RandomState;
use std::ffi::CString;
use std::fs::{self, DirBuilder, File};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::sys::mallctl::{self, Unsampled};
use crate::{Error, ErrorKind};

/// No more of a dump is read: 100,000 stacks of 40 frames are 75 MB.
const MAX_BYTES: u64 = 128 << 20;

/// jemalloc's own profile of this moment. Other threads may wait while it is written: 0.5 ms for a hundred stacks,
/// half a second for 100,000.
///
/// # Errors
/// `Unsupported` without `prof:true`, `Io` when the temporary directory cannot be written to.
pub(super) fn dump() -> Result<Vec<u8>, Error> {
    let _unsampled = Unsampled::new();
    let enabled = mallctl::prof_enabled().unwrap_or(false);
    if !enabled {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "cannot dump the heap: jemalloc runs without prof:true",
        ));
    }
    let failed = |error: io::Error| {
        Error::new(ErrorKind::Io, "cannot dump the heap to the temporary directory").because(error)
    };
    let folder = Folder::new().map_err(failed)?;
    let path = folder.0.join("heap_v2");
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|error| failed(error.into()))?;
    mallctl::dump(&name)
        .map_err(|error| Error::new(ErrorKind::Io, "jemalloc cannot write its heap dump").because(error))?;
    read(&path).map_err(failed)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_BYTES).read_to_end(&mut text)?;
    Ok(text)
}

/// A folder of our own, which goes away with everything in it. jemalloc follows links and lets everybody read, so
/// a file in a folder that others can write to would not do.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        let unguessable = RandomState::new().build_hasher().finish();
        let path = std::env::temp_dir().join(format!("flamewatch-{}-{unguessable:x}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&path)?; // fails when it exists
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing can be done about a file that stays.
        let _ = fs::remove_dir_all(&self.0);
    }
}
