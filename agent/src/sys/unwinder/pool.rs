//! A pool of prepared unwinders: framehop with its modules read and its caches allocated, so that a walk only reads
//! memory. Taking one is a single try; whoever finds all taken goes without. In hooks and signal handlers: no
//! allocation, no waiting, no thread-local.

use core::cell::UnsafeCell;
use core::hint;
use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use framehop::{ExplicitModuleSectionInfo, FrameAddress, Module, Unwinder as _};

use super::End;
use super::arch::{Cache, Registers, Unwinder, frame_pointer, stack_pointer};
use super::modules::{self, Bytes, Generation};
#[cfg(feature = "cpu")]
use super::scratch::Scratch;

/// Bounds of the pool: about 35 KB each, two for each processor, so that one whose owner was interrupted in the
/// middle does not stop the others.
const FEWEST: usize = 4;
const MOST: usize = 32;

/// How often somebody looks through the whole pool for a free unwinder.
const ATTEMPTS: usize = 3;

/// No stack is followed further, whoever asks: damaged ones can go in circles.
const MOST_FRAMES: usize = 4_096;

/// All unwinders of the process.
#[derive(Debug)]
pub(crate) struct Pool {
    slots: Vec<Slot>,
    loaded: Mutex<Loaded>,
}

/// Which images the unwinders know, and how many need them.
#[derive(Debug, Default)]
struct Loaded {
    generation: Generation,
    users: usize,
}

/// Somebody who walks stacks for some time. With the last of them the copies of the libraries' unwind tables go, which
/// are a few hundred KB.
#[derive(Debug)]
pub(crate) struct User(());

struct Slot {
    taken: AtomicBool,
    prepared: UnsafeCell<Prepared>,
    #[cfg(feature = "cpu")]
    scratch: Scratch,
}

// SAFETY: `prepared` is only reached through a `Walker`, of which `taken` allows one at a time.
unsafe impl Sync for Slot {}

struct Prepared {
    unwinder: Unwinder<Bytes>,
    cache: Cache,
}

/// What the first address of a walk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum First {
    /// The next instruction of an interrupted thread.
    #[cfg_attr(not(feature = "cpu"), allow(dead_code, reason = "the signal handler's"))]
    Interrupted,
    /// Where a function will go on when the one it called returns.
    Return,
}

/// One unwinder of the pool, given back when dropped.
#[derive(Debug)]
pub(crate) struct Walker<'pool>(&'pool Slot);

impl Pool {
    /// The pool of this process, made at the first call. Allocates.
    pub(crate) fn global() -> &'static Self {
        POOL.get_or_init(Self::new)
    }

    /// The pool, if somebody has made it. Async-signal-safe: reads an atomic.
    #[cfg(feature = "cpu")]
    pub(crate) fn get() -> Option<&'static Self> {
        POOL.get()
    }

    fn loaded(&self) -> MutexGuard<'_, Loaded> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        #[allow(unused_mut, reason = "without the CPU sampler all are alike")]
        let mut slots: Vec<Slot> = (0..(2 * processors).clamp(FEWEST, MOST)).map(|_| Slot::new()).collect();
        // One without a stack of its own would hide the others from the signal handler, which takes the first.
        #[cfg(feature = "cpu")]
        if slots.iter().any(|slot| slot.scratch.end() != 0) {
            slots.retain(|slot| slot.scratch.end() != 0);
        }
        Self { slots, loaded: Mutex::default() }
    }

    /// One that is free; always the first, whose cache is the warmest. Async-signal-safe: atomics only.
    pub(crate) fn take(&self) -> Option<Walker<'_>> {
        for _ in 0..ATTEMPTS {
            if let Some(walker) = self.slots.iter().find_map(Slot::try_take) {
                return Some(walker);
            }
            hint::spin_loop();
        }
        None
    }

    /// Takes up images that were loaded or unloaded since the last call. Not for hooks and handlers.
    pub(crate) fn refresh(&self) {
        let mut loaded = self.loaded();
        let now = modules::generation();
        // Without a user there is nobody to keep copies of tables for.
        if loaded.generation == now || loaded.users == 0 {
            return;
        }
        let mut unwinder = Unwinder::new();
        for module in modules::loaded() {
            unwinder.add_module(prepare(module));
        }
        // Where one was busy all the time, the next call tries again.
        if self.hand_out(&unwinder) {
            loaded.generation = now;
        }
    }

    /// Takes up what is loaded, and keeps it until the user is dropped.
    pub(crate) fn used(&'static self) -> User {
        self.loaded().users += 1;
        self.refresh();
        User(())
    }

    /// Gives every slot this unwinder; false when one could not be had.
    fn hand_out(&self, unwinder: &Unwinder<Bytes>) -> bool {
        let mut all = true;
        for slot in &self.slots {
            if let Some(mut walker) = slot.wait() {
                // A new cache too: framehop tells a rule of other modules by a number of 16 bits, which comes round.
                *walker.prepared() = Prepared { unwinder: unwinder.clone(), cache: Cache::new_in() };
            } else {
                all = false;
            }
        }
        all
    }
}

static POOL: OnceLock<Pool> = OnceLock::new();

impl Drop for User {
    fn drop(&mut self) {
        let pool = Pool::global();
        let mut loaded = pool.loaded();
        loaded.users = loaded.users.saturating_sub(1);
        if loaded.users == 0 {
            loaded.generation = Generation::default();
            pool.hand_out(&Unwinder::new());
        }
    }
}

impl Walker<'_> {
    /// Walks from `registers` to the root and hands each address to `push`, until that says no. Also gives back the
    /// registers of the last frame that it reached. Async-signal-safe if `read` and `push` are.
    pub(crate) fn walk(
        &mut self,
        first: First,
        registers: Registers,
        read: impl FnMut(usize) -> Option<usize>,
        mut push: impl FnMut(usize) -> bool,
    ) -> (End, Registers) {
        self.walk_frames(first, registers, read, |frame| push(frame.pc))
    }

    /// The same for who wants to know more of a frame than its address.
    pub(crate) fn walk_frames(
        &mut self,
        first: First,
        registers: Registers,
        mut read: impl FnMut(usize) -> Option<usize>,
        mut push: impl FnMut(Registers) -> bool,
    ) -> (End, Registers) {
        let Prepared { unwinder, cache } = self.prepared();
        let mut read = |address: u64| {
            usize::try_from(address).ok().and_then(&mut read).map(|word| word as u64).ok_or(())
        };
        let mut state = registers.state();
        let mut reached = registers;
        let mut at = match first {
            First::Interrupted => Some(FrameAddress::from_instruction_pointer(registers.pc as u64)),
            First::Return => FrameAddress::from_return_address(registers.pc as u64),
        };
        for _ in 0..MOST_FRAMES {
            let Some(frame) = at else { return (End::Root, reached) };
            reached.pc = usize::try_from(frame.address()).unwrap_or(0);
            if !push(reached) {
                return (End::Full, reached);
            }
            at = match unwinder.unwind_frame(frame, &mut state, cache, &mut read) {
                Ok(next) => next.and_then(FrameAddress::from_return_address),
                Err(_) => return (End::Lost, reached),
            };
            reached.sp = usize::try_from(stack_pointer(&state)).unwrap_or(0);
            reached.fp = usize::try_from(frame_pointer(&state)).unwrap_or(0);
        }
        (End::Full, reached)
    }

    /// The stack that belongs to this unwinder, for those who have none to spare: the address behind its end.
    #[cfg(feature = "cpu")]
    pub(crate) fn scratch_end(&self) -> usize {
        self.0.scratch.end()
    }

    fn prepared(&mut self) -> &mut Prepared {
        // SAFETY: `taken` was set for this walker alone, and `self` is borrowed mutably.
        unsafe { &mut *self.0.prepared.get() }
    }
}

impl Drop for Walker<'_> {
    fn drop(&mut self) {
        // Release: pairs with the Acquire in `try_take`.
        self.0.taken.store(false, Ordering::Release);
    }
}

impl Slot {
    fn new() -> Self {
        let prepared = Prepared { unwinder: Unwinder::new(), cache: Cache::new_in() };
        Self {
            taken: AtomicBool::new(false),
            prepared: UnsafeCell::new(prepared),
            #[cfg(feature = "cpu")]
            scratch: Scratch::new(),
        }
    }

    fn try_take(&self) -> Option<Walker<'_>> {
        // Acquire: pairs with the Release in `Walker::drop`.
        let taken = self.taken.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
        // Not `then_some`: a walker that is made is given back, even one that should not have been made.
        taken.is_ok().then(|| Walker(self))
    }

    /// No waiting without end: in a forked child a slot may be taken by a thread that is not there.
    fn wait(&self) -> Option<Walker<'_>> {
        for _ in 0..1000 {
            if let Some(walker) = self.try_take() {
                return Some(walker);
            }
            thread::sleep(Duration::from_millis(1));
        }
        None
    }
}

impl core::fmt::Debug for Slot {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("Slot").field("taken", &self.taken).finish_non_exhaustive()
    }
}

fn prepare(module: modules::Module) -> Module<Bytes> {
    let range_of = |section: &modules::Section| {
        Some(section.address..section.address.saturating_add(section.bytes.len() as u64))
    };
    let sections = ExplicitModuleSectionInfo {
        eh_frame_svma: range_of(&module.eh_frame),
        eh_frame_hdr_svma: range_of(&module.eh_frame_hdr),
        eh_frame: Some(module.eh_frame.bytes),
        eh_frame_hdr: Some(module.eh_frame_hdr.bytes),
        ..ExplicitModuleSectionInfo::default()
    };
    Module::new(module.name, module.range, module.bias, sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unwinder_is_for_one_at_a_time() {
        let slot = Slot::new();
        let first = slot.try_take().expect("free");
        assert!(slot.try_take().is_none() && slot.try_take().is_none());
        drop(first);
        assert!(slot.try_take().is_some());
        assert!(slot.try_take().is_some(), "given back");
    }
}
