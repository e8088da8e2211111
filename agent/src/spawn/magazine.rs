//! The free slots that a thread keeps at hand, so that most tasks come and go without a word to other threads.
//!
//! What is kept has no destructor, because a task may be dropped while its thread is being torn down. A second
//! thread-local has one, which gives everything back; after it, slots go straight to the others.

use std::cell::Cell;
use std::sync::LazyLock;

use super::parts::{BATCH, CHUNK};
use super::slab::{Slab, Slot};

/// The most tasks that are listed one by one. The slots of 48 bytes are 100 MB when there are as many, taken in chunks
/// of 192 KB by as many tasks as have lived at once, and kept. Tasks beyond are counted by their sites alone, and the
/// list says how many they are.
pub(crate) const MAX_LISTED: usize = 2_097_152;

/// Two batches: a thread that spawns and ends in turns stays clear of both ends.
const KEPT: usize = 2 * BATCH;

/// All slots of the process.
pub(super) static SLAB: LazyLock<Slab> = LazyLock::new(|| Slab::new(MAX_LISTED / CHUNK));

struct Magazine {
    slots: [Cell<Option<&'static Slot>>; KEPT],
    len: Cell<usize>,
    stage: Cell<Stage>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nobody will give the slots back yet.
    Unused,
    Open,
    /// The thread is ending.
    Closed,
}

/// Closes the thread's magazine when the thread ends.
struct Closer;

thread_local! {
    static MAGAZINE: Magazine = const {
        Magazine { slots: [const { Cell::new(None) }; KEPT], len: Cell::new(0), stage: Cell::new(Stage::Unused) }
    };
    static CLOSER: Closer = const { Closer };
}

/// A free slot, `None` when all are taken.
#[inline]
pub(super) fn take() -> Option<&'static Slot> {
    MAGAZINE.with(|magazine| magazine.pop().or_else(|| magazine.refill()))
}

/// Takes back a slot that its task has left.
#[inline]
pub(super) fn give(slot: &'static Slot) {
    MAGAZINE.with(|magazine| {
        if magazine.stage.get() != Stage::Open || !magazine.push(slot) {
            magazine.make_room(slot);
        }
    });
}

impl Magazine {
    #[inline]
    fn pop(&self) -> Option<&'static Slot> {
        let last = self.len.get().checked_sub(1)?;
        self.len.set(last);
        self.slots.get(last)?.get()
    }

    #[inline]
    fn push(&self, slot: &'static Slot) -> bool {
        let len = self.len.get();
        let Some(free) = self.slots.get(len) else { return false };
        free.set(Some(slot));
        self.len.set(len + 1);
        true
    }

    #[cold]
    fn refill(&self) -> Option<&'static Slot> {
        let slab: &'static Slab = &SLAB;
        if slab.is_exhausted() {
            return None;
        }
        let open = self.open();
        let mut first = None;
        slab.take(|slot| {
            if first.is_none() {
                first = Some(slot);
            } else if !open || !self.push(slot) {
                slab.give(std::iter::once(slot));
            }
        });
        first
    }

    #[cold]
    fn make_room(&self, slot: &'static Slot) {
        if !self.open() {
            return SLAB.give(std::iter::once(slot));
        }
        if !self.push(slot) {
            SLAB.give((0..BATCH).map_while(|_| self.pop()));
            self.push(slot);
        }
    }

    /// True when what is kept here will be given back at the thread's end.
    fn open(&self) -> bool {
        if self.stage.get() == Stage::Unused {
            let registered = CLOSER.try_with(|_| ()).is_ok();
            self.stage.set(if registered { Stage::Open } else { Stage::Closed });
        }
        self.stage.get() == Stage::Open
    }
}

impl Drop for Closer {
    fn drop(&mut self) {
        MAGAZINE.with(|magazine| {
            magazine.stage.set(Stage::Closed);
            SLAB.give(std::iter::from_fn(|| magazine.pop()));
        });
    }
}
