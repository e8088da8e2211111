//! What was sampled, by stack, and how a stack is taken. Runs in any thread and in signal handlers: no allocation, no lock.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::source::stacks::{MAX_DEPTH, StackId, Stacks};
use crate::sys::unwinder::stack::Fresh;
use crate::sys::unwinder::{End, First, Pool, Registers};

/// What was sampled, by stack.
pub(super) struct Account {
    pub(super) stacks: Stacks,
    /// Samples that were put on no stack, because all unwinders were busy.
    pub(super) busy: AtomicU64,
    pub(super) truncated: AtomicU64,
    pub(super) incomplete: AtomicU64,
}

impl Account {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            stacks: Stacks::new()?,
            busy: AtomicU64::new(0),
            truncated: AtomicU64::new(0),
            incomplete: AtomicU64::new(0),
        })
    }

    /// The stack of the calling thread from `from` on, without the function that `from` lies in, which is ours.
    pub(super) fn capture(&self, from: Registers) -> StackId {
        let Some(mut walker) = Pool::get().and_then(Pool::take) else {
            self.busy.fetch_add(1, Ordering::Relaxed);
            return self.stacks.intern(&[]);
        };
        let mut stack = Fresh::above(from.sp);
        let mut addresses = [0_usize; MAX_DEPTH];
        let mut free = addresses.iter_mut();
        let mut own = true;
        let (end, _) = walker.walk(
            First::Interrupted,
            from,
            |address| stack.word(address),
            |address| {
                if std::mem::take(&mut own) {
                    return true;
                }
                free.next().map(|place| *place = address).is_some()
            },
        );
        drop(walker);
        let depth = MAX_DEPTH - free.len();
        match end {
            End::Root => {}
            End::Full => {
                self.truncated.fetch_add(1, Ordering::Relaxed);
            }
            End::Lost | End::Busy => {
                self.incomplete.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.stacks.intern(addresses.get(..depth).unwrap_or(&[]))
    }

    /// How many were taken.
    pub(super) fn samples(&self) -> u64 {
        (0..).take(self.stacks.len()).map(|id| self.stacks.allocated(StackId(id)).samples).sum()
    }
}
