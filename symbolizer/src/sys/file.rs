//! A whole file as a slice.

use std::fs::File;
use std::io;

use memmap2::Mmap;

/// Maps `file` read-only.
pub(crate) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the mapping is private and never written through. Somebody could still shorten the file under us, and
    // reading past its new end would be a bus error; but what is opened here is a file that a process has mapped
    // and executes, which is lost itself when that happens (and the kernel refuses it for a running executable).
    unsafe { Mmap::map(file) }
}
