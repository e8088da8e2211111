//! Chooses the unwinder by trying all three where it counts: inside the hook, on a stack whose shape is known.

use std::cell::Cell;
use std::hint;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;

use super::unwind::{self, Comparison, End, Unwinder, Unwinding};
use crate::source::stacks::MAX_DEPTH;
use crate::sys::prof_hooks::{Registers, Trace};

/// The probe calls itself so often before it allocates: a chain that is right has this many equal addresses.
const RECURSION: usize = 8;

/// At 32 times the default rate it escapes sampling once in 10^14. It is never written to, so it takes no memory.
const PROBE_BYTES: usize = 16 << 20;

thread_local! {
    /// True on the thread that probes, while it does.
    static PROBING: Cell<bool> = const { Cell::new(false) };
}

static EVIDENCE: Mutex<Evidence> = Mutex::new(Evidence::NONE);

/// What came out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) unwinder: Unwinder,
    pub(super) reason: &'static str,
    /// The forced sample reached the sample hook.
    pub(super) sampled: bool,
    /// Its free reached the free hook.
    pub(super) freed: bool,
}

struct Evidence {
    frame_pointers: Chain,
    tables: Chain,
    jemalloc: Chain,
    sampled: bool,
    freed: bool,
}

struct Chain {
    addresses: [usize; MAX_DEPTH],
    length: usize,
    end: End,
}

/// Forces a sample and looks at what arrives. The hooks must be installed; `own` says that ours unwinds.
pub(super) fn run(lg_rate: u8, own: bool) -> Verdict {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    *evidence() = Evidence::NONE;
    // At a coarser rate than the default the probe grows with it, to 4 GiB; it is address space only.
    let bytes = PROBE_BYTES.max(32 << lg_rate.min(27));
    let probe = thread::Builder::new().name("flamewatch-probe".to_owned()).spawn(move || {
        PROBING.set(true);
        descend(RECURSION, bytes);
        PROBING.set(false);
    });
    let ran = probe.is_ok_and(|probe| probe.join().is_ok());
    let evidence = evidence();
    let (unwinder, reason) = match (ran && evidence.sampled, own) {
        (false, _) => (Unwinder::Jemalloc, "the forced sample did not arrive"),
        (true, false) => (Unwinder::Jemalloc, "no other unwinder is built for this system"),
        (true, true) => decide(&evidence.frame_pointers, &evidence.tables, &evidence.jemalloc),
    };
    Verdict { unwinder, reason, sampled: evidence.sampled, freed: evidence.freed }
}

/// For the backtrace hook: when this thread is probing, walks its stack in all three ways. The trace is then filled.
pub(super) fn capture(unwinding: &Unwinding, registers: Registers, trace: &mut Trace) -> bool {
    if !PROBING.get() {
        return false;
    }
    unwind::by_jemalloc(registers, trace);
    let mut evidence = match EVIDENCE.try_lock() {
        Ok(evidence) => evidence,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return true,
    };
    evidence.jemalloc = Chain::NONE;
    trace.as_slice().iter().all(|address| evidence.jemalloc.push(*address));
    evidence.jemalloc.end = End::Root;
    evidence.frame_pointers =
        Chain::walked(|chain| unwind::frame_pointers(registers, |address| chain.push(address)));
    evidence.tables = Chain::walked(|chain| unwinding.pool.walk(registers, |address| chain.push(address)));
    true
}

/// For the sample hook: true when the sample is the probe's, which is not part of the profile.
pub(super) fn saw_sample() -> bool {
    PROBING.get() && mark(|evidence| evidence.sampled = true)
}

/// For the free hook, likewise.
pub(super) fn saw_free() -> bool {
    PROBING.get() && mark(|evidence| evidence.freed = true)
}

fn mark(set: impl FnOnce(&mut Evidence)) -> bool {
    if let Ok(mut evidence) = EVIDENCE.try_lock() {
        set(&mut evidence);
    }
    true
}

fn evidence() -> MutexGuard<'static, Evidence> {
    EVIDENCE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[inline(never)]
fn descend(depth: usize, bytes: usize) {
    if depth == 0 {
        allocate(bytes);
    } else {
        descend(hint::black_box(depth) - 1, bytes);
    }
    // Something to do afterwards, or the call becomes a jump and leaves no frame.
    hint::black_box(depth);
}

#[inline(never)]
fn allocate(bytes: usize) {
    let mut probe: Vec<u8> = Vec::new();
    // A system that does not give the address space shows as a sample that did not arrive.
    let _ = hint::black_box(&mut probe).try_reserve_exact(bytes);
    hint::black_box(&probe);
}

/// The cheapest unwinder whose chain is right.
fn decide(frame_pointers: &Chain, tables: &Chain, jemalloc: &Chain) -> (Unwinder, &'static str) {
    let tables_right = tables.end == End::Root && tables.shows_recursion() && tables.agrees_with(jemalloc);
    let frame_pointers_right = frame_pointers.shows_recursion() && {
        let mut comparison = Comparison::new(frame_pointers.addresses());
        tables.addresses().iter().all(|address| comparison.step(*address));
        comparison.agrees()
    };
    match (frame_pointers_right, tables_right) {
        (true, true) => (Unwinder::FramePointers, "the chain of frame pointers is complete"),
        (false, true) => (Unwinder::Tables, "frame pointers are missing, the unwind tables lead to the root"),
        _ => (Unwinder::Jemalloc, "neither frame pointers nor unwind tables lead to the root"),
    }
}

impl Evidence {
    const NONE: Self = Self {
        frame_pointers: Chain::NONE,
        tables: Chain::NONE,
        jemalloc: Chain::NONE,
        sampled: false,
        freed: false,
    };
}

impl Chain {
    const NONE: Self = Self { addresses: [0; MAX_DEPTH], length: 0, end: End::Lost };

    fn walked(walk: impl FnOnce(&mut Self) -> End) -> Self {
        let mut chain = Self::NONE;
        chain.end = walk(&mut chain);
        chain
    }

    fn push(&mut self, address: usize) -> bool {
        let Some(place) = self.addresses.get_mut(self.length) else { return false };
        *place = address;
        self.length += 1;
        true
    }

    fn addresses(&self) -> &[usize] {
        self.addresses.get(..self.length).unwrap_or(&[])
    }

    /// True when an address stands there as often as the probe called itself.
    fn shows_recursion(&self) -> bool {
        let addresses = self.addresses();
        addresses
            .iter()
            .any(|address| addresses.iter().filter(|other| *other == address).count() >= RECURSION)
    }

    /// True when both are equal as far as the shorter goes, and this one reaches as far but for the last frame.
    fn agrees_with(&self, other: &Self) -> bool {
        let equal = self.addresses().iter().zip(other.addresses()).all(|(ours, theirs)| ours == theirs);
        equal && self.length + 1 >= other.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: [usize; 14] = [1, 2, 3, 7, 7, 7, 7, 7, 7, 7, 7, 4, 5, 6];

    fn chain(addresses: &[usize], end: End) -> Chain {
        let mut chain = Chain::NONE;
        assert!(addresses.iter().all(|address| chain.push(*address)));
        chain.end = end;
        chain
    }

    #[track_caller]
    fn check(frame_pointers: &[usize], tables: (&[usize], End), jemalloc: &[usize], expected: Unwinder) {
        let tables = chain(tables.0, tables.1);
        let (chosen, _) = decide(&chain(frame_pointers, End::Lost), &tables, &chain(jemalloc, End::Root));
        assert_eq!(chosen, expected);
    }

    #[test]
    fn the_cheapest_right_unwinder_is_chosen() {
        check(&RIGHT[..12], (&RIGHT, End::Root), &RIGHT, Unwinder::FramePointers);
        check(&RIGHT[..1], (&RIGHT, End::Root), &RIGHT, Unwinder::Tables);
        check(&[1, 3, 7, 7, 7, 7, 7, 7, 7, 7, 4, 5], (&RIGHT, End::Root), &RIGHT, Unwinder::Tables);
        check(&RIGHT[..12], (&RIGHT[..5], End::Lost), &RIGHT, Unwinder::Jemalloc);
        check(&RIGHT[..1], (&RIGHT[..12], End::Root), &RIGHT, Unwinder::Jemalloc);
        check(&RIGHT[..1], (&[1, 2, 3, 4], End::Root), &[1, 2, 3, 4], Unwinder::Jemalloc);
        check(&[], (&[], End::Busy), &RIGHT, Unwinder::Jemalloc);
    }
}
