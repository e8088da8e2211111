//! From the registers of the allocating thread to its return addresses.
//! Runs inside malloc: no allocation, only `try_lock`, reads that cannot fault.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use super::tables::Pool;
use crate::sys::prof_hooks::{Registers, Trace};
pub(super) use crate::sys::unwinder::End;

/// How stacks are walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unwinder {
    /// By the chain of frame pointers, which a build with `-C force-frame-pointers=yes` has: about 1 µs a sample.
    FramePointers,
    /// By the unwind tables of the loaded images, with framehop: about 2 µs a sample, in every build.
    Tables,
    /// By jemalloc's own means, which is libgcc: about 6 µs a sample.
    Jemalloc,
}

/// In a chain of frame pointers these are missing at the root: libc has none, and calls `main` and thread starts.
pub(super) const ROOT_FRAMES_IN_LIBC: usize = 3;

/// One sample in so many is walked both ways, since some C library may break the chain of frame pointers.
const CHECK_EVERY: u8 = 64;

/// So many chains that differ, and frame pointers are not used any more.
const MAX_MISMATCHES: u64 = 8;

thread_local! {
    static UNTIL_CHECK: Cell<u8> = const { Cell::new(0) };
}

pub(super) struct Unwinding {
    pub(super) pool: Pool,
    chosen: AtomicU8,
    /// Samples unwound by jemalloc because all prepared unwinders were busy.
    pub(super) busy: AtomicU64,
    /// Chains of frame pointers that the unwind tables disagreed with.
    pub(super) mismatches: AtomicU64,
}

impl Unwinding {
    pub(super) fn new() -> Self {
        Self {
            pool: Pool::new(),
            chosen: AtomicU8::new(Unwinder::Jemalloc.code()),
            busy: AtomicU64::new(0),
            mismatches: AtomicU64::new(0),
        }
    }

    pub(super) fn chosen(&self) -> Unwinder {
        Unwinder::from_code(self.chosen.load(Ordering::Relaxed))
    }

    pub(super) fn choose(&self, unwinder: Unwinder) {
        self.chosen.store(unwinder.code(), Ordering::Relaxed);
    }

    /// Fills the trace as chosen.
    pub(super) fn unwind(&self, registers: Registers, trace: &mut Trace) {
        match self.chosen() {
            Unwinder::FramePointers => self.by_frame_pointers(registers, trace),
            Unwinder::Tables => self.by_tables(registers, trace),
            Unwinder::Jemalloc => by_jemalloc(registers, trace),
        }
    }

    fn by_frame_pointers(&self, registers: Registers, trace: &mut Trace) {
        frame_pointers(registers, |address| trace.push(address));
        let until = UNTIL_CHECK.get();
        UNTIL_CHECK.set(if until == 0 { CHECK_EVERY - 1 } else { until - 1 });
        if until > 0 {
            return;
        }
        let mut comparison = Comparison::new(trace.as_slice());
        let end = self.pool.walk(registers, |address| comparison.step(address));
        if end == End::Root && !comparison.agrees() {
            if self.mismatches.fetch_add(1, Ordering::Relaxed) + 1 >= MAX_MISMATCHES {
                self.choose(Unwinder::Tables);
            }
            trace.clear();
            self.by_tables(registers, trace);
        }
    }

    fn by_tables(&self, registers: Registers, trace: &mut Trace) {
        if self.pool.walk(registers, |address| trace.push(address)) == End::Busy {
            self.busy.fetch_add(1, Ordering::Relaxed);
            by_jemalloc(registers, trace);
        }
    }
}

/// jemalloc's own unwinder, called from our hook, also sees the hook; those frames are taken out.
pub(super) fn by_jemalloc(registers: Registers, trace: &mut Trace) {
    if trace.fill_by_jemalloc() {
        trace.begin_at(registers.pc);
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(super) fn frame_pointers(registers: Registers, mut push: impl FnMut(usize) -> bool) -> End {
    use crate::source::stacks::MAX_DEPTH;
    use crate::sys::unwinder::stack::Reader;

    let mut reader = Reader::above(registers.sp);
    let (mut return_address, mut frame, mut below) = (registers.pc, registers.fp, registers.sp);
    for _ in 0..MAX_DEPTH {
        if return_address == 0 {
            return End::Root;
        }
        if !push(return_address) {
            return End::Full;
        }
        if frame == 0 {
            return End::Root;
        }
        // Each frame lies above the one it called.
        if frame < below {
            return End::Lost;
        }
        let (Some(caller), Some(address)) = (reader.word(frame), reader.word(frame.wrapping_add(WORD)))
        else {
            return End::Lost;
        };
        (return_address, below, frame) = (address, frame.wrapping_add(2 * WORD), caller);
    }
    End::Full
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub(super) fn frame_pointers(_registers: Registers, _push: impl FnMut(usize) -> bool) -> End {
    End::Busy
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
const WORD: usize = size_of::<usize>();

/// Compares a chain of frame pointers with a better one, step by step.
pub(super) struct Comparison<'chain> {
    chain: std::slice::Iter<'chain, usize>,
    equal: bool,
    beyond: usize,
}

impl<'chain> Comparison<'chain> {
    pub(super) fn new(chain: &'chain [usize]) -> Self {
        Self { chain: chain.iter(), equal: true, beyond: 0 }
    }

    /// The next address of the better chain. True, to go on.
    pub(super) fn step(&mut self, address: usize) -> bool {
        match self.chain.next() {
            Some(ours) => self.equal &= *ours == address,
            None => self.beyond += 1,
        }
        true
    }

    /// True when the chain was the better one but for libc's frames at the root.
    pub(super) fn agrees(&self) -> bool {
        self.equal && self.chain.len() == 0 && self.beyond <= ROOT_FRAMES_IN_LIBC
    }
}

impl Unwinder {
    const fn code(self) -> u8 {
        match self {
            Self::FramePointers => 0,
            Self::Tables => 1,
            Self::Jemalloc => 2,
        }
    }

    const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::FramePointers,
            1 => Self::Tables,
            _ => Self::Jemalloc,
        }
    }
}

impl fmt::Display for Unwinder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::FramePointers => "frame pointers",
            Self::Tables => "unwind tables (framehop)",
            Self::Jemalloc => "jemalloc's own (libgcc)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(chain: &[usize], better: &[usize], agrees: bool) {
        let mut comparison = Comparison::new(chain);
        assert!(better.iter().all(|address| comparison.step(*address)));
        assert_eq!(comparison.agrees(), agrees);
    }

    #[test]
    fn a_chain_agrees_up_to_the_frames_of_libc() {
        check(&[1, 2, 3], &[1, 2, 3], true);
        check(&[1, 2, 3], &[1, 2, 3, 4, 5, 6], true);
        check(&[1, 2, 3], &[1, 2, 3, 4, 5, 6, 7], false);
        check(&[1, 9, 3], &[1, 2, 3], false);
        check(&[1, 2, 3], &[1, 2], false);
    }
}
