//! A stack to walk stacks on: the one that was interrupted may have no room left, nor the alternate one that std gives
//! its threads, which is 8 KiB. Below it lies a page that faults, so that an overflow cannot go unnoticed.

use std::ptr;

/// Twice what a walk was seen to need: 20 KiB in an optimized build, 56 KiB in a debug build (the touched pages of these
/// stacks in `/proc/PID/smaps` of the fixture `cpu_guard`). Only what is touched takes memory.
const BYTES: usize = 128 << 10;

/// The largest page of the systems we run on (arm64 can have 64 KiB), so that the guard is a page everywhere.
const GUARD: usize = 64 << 10;

/// A mapped stack that grows down from [`Scratch::end`].
#[derive(Debug)]
pub(super) struct Scratch {
    end: usize,
}

impl Scratch {
    /// Maps one; without address space for it [`Scratch::end`] is 0.
    pub(super) fn new() -> Self {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
        // SAFETY: a new anonymous mapping touches nothing that exists, mmap(2).
        let start = unsafe { libc::mmap(ptr::null_mut(), GUARD + BYTES, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Self { end: 0 };
        }
        // SAFETY: the first pages of the mapping just made, which nobody uses; mprotect(2).
        if unsafe { libc::mprotect(start, GUARD, libc::PROT_NONE) } != 0 {
            return Self { end: 0 };
        }
        Self { end: start.expose_provenance() + GUARD + BYTES }
    }

    /// The address behind its last word, a multiple of 16; 0 when there is none.
    pub(super) const fn end(&self) -> usize {
        self.end
    }
}
