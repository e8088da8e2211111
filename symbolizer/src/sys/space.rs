//! What room there is for temporary files, and whether they would be memory.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;

/// The file system that a file lies on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space {
    /// The bytes that we may still write.
    pub(crate) free: u64,
    /// True when its files are memory: tmpfs, ramfs. A tmpfs hidden below an overlay is not recognized.
    pub(crate) in_memory: bool,
}

/// Looks at the file system of `file`.
#[cfg(target_os = "linux")]
pub(crate) fn space(file: &File) -> io::Result<Space> {
    let mut about = MaybeUninit::<libc::statfs64>::uninit();
    // SAFETY: the descriptor is open and the pointer has room for the structure, which fstatfs(2) fills.
    if unsafe { libc::fstatfs64(file.as_raw_fd(), about.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it returned 0, so the structure is filled, fstatfs(2).
    let about = unsafe { about.assume_init() };
    // The types of the fields differ between architectures; the magic numbers have 32 bits on all of them.
    let kind = about.f_type as u64 & 0xffff_ffff;
    let free = about.f_bavail.saturating_mul(about.f_bsize as u64);
    Ok(Space { free, in_memory: kind == TMPFS || kind == RAMFS })
}

/// statfs(2).
#[cfg(target_os = "linux")]
const TMPFS: u64 = 0x0102_1994;
#[cfg(target_os = "linux")]
const RAMFS: u64 = 0x8584_58f6;

/// Nothing is known here, so nothing is promised.
#[cfg(not(target_os = "linux"))]
pub(crate) fn space(_file: &File) -> io::Result<Space> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The largest file this process may write. Above it the kernel does not merely refuse: SIGXFSZ ends the process.
pub(crate) fn largest_file() -> u64 {
    let mut limit = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: the pointer has room for the structure, which getrlimit(2) fills.
    if unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, limit.as_mut_ptr()) } != 0 {
        return 0;
    }
    // SAFETY: it returned 0, so the structure is filled, getrlimit(2).
    unsafe { limit.assume_init() }.rlim_cur
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_own_tmpfs_is_memory_and_the_sources_are_not() {
        let source = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).expect("a source");
        let on_disk = space(&source).expect("a file system");
        assert!(on_disk.free > 0 && !on_disk.in_memory, "{on_disk:?}");
        let memory = File::open("/dev/shm").expect("shared memory");
        assert!(space(&memory).expect("a file system").in_memory);
    }

    #[test]
    fn the_limit_is_the_shells() {
        let asked = std::process::Command::new("sh").args(["-c", "ulimit -f"]).output().expect("a shell");
        let asked = String::from_utf8(asked.stdout).expect("UTF-8");
        match asked.trim().parse::<u64>() {
            // The shell counts in blocks of 512 bytes.
            Ok(blocks) => assert_eq!(largest_file() / 512, blocks),
            Err(_) => assert_eq!((asked.trim(), largest_file()), ("unlimited", u64::MAX)),
        }
    }
}
