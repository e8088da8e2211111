//! The lock of a file that lasts as long as the process that holds it, however that ends.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

/// Takes the lock of `file` for this descriptor, without waiting; `false` when somebody else has it. It is given back when
/// the last copy of the descriptor is closed, so by the kernel where the process is killed. The standard library has the
/// same since Rust 1.89.
///
/// # Errors
/// Where the file system has no locks.
pub(crate) fn try_lock(file: &File) -> io::Result<bool> {
    // SAFETY: flock(2) takes no pointers, and `file` keeps its descriptor open.
    if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
        return Ok(true);
    }
    match io::Error::last_os_error() {
        error if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        error => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let path = std::env::temp_dir().join(format!("flamewatch-lock-{}", std::process::id()));
        let (first, second) = (File::create(&path).expect("a file"), File::create(&path).expect("a file"));
        assert!(try_lock(&first).expect("locks") && !try_lock(&second).expect("locks"));
        drop(first);
        assert!(try_lock(&second).expect("locks"));
        std::fs::remove_file(path).expect("ours");
    }
}
