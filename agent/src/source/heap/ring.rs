//! A bounded lock-free queue for what a hook could not do at once: many push, and whoever holds the shard's lock
//! pops. Runs inside malloc: no allocation, no lock, no waiting, safe code over atomics.
//!
//! A general queue (crossbeam's `ArrayQueue`) makes the popper wait when a pusher was interrupted half way; here the
//! popper stops there and says so.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys::reserve::{self, zeroable};

/// Slots in a ring: 1,024 of 48 bytes, 48 KiB, and 1.5 MiB for all 32 rings once each was used to its end. At
/// 128,000 samples a second, which are as many frees, they last 128 ms while the lock holder is not running.
pub(super) const CAPACITY: usize = 1024;

/// Words of an entry.
pub(super) const WORDS: usize = 5;

zeroable! {
    struct Slot {
        // Twice the number of times it was filled and emptied, plus one while it is full.
        turn: AtomicU64,
        first: AtomicU64,
        second: AtomicU64,
        third: AtomicU64,
        fourth: AtomicU64,
        fifth: AtomicU64,
    }
}

pub(super) struct Ring {
    slots: &'static [Slot],
    pushed: AtomicU64,
    popped: AtomicU64,
}

impl Ring {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { slots: reserve::zeroed(CAPACITY)?, pushed: AtomicU64::new(0), popped: AtomicU64::new(0) })
    }

    /// Adds an entry. False when the ring is full.
    pub(super) fn push(&self, entry: [u64; WORDS]) -> bool {
        let mut position = self.pushed.load(Ordering::Relaxed);
        loop {
            let (Some(slot), lap) = self.slot(position) else { return false };
            // Acquire: `pop` has read the entry before.
            if slot.turn.load(Ordering::Acquire) == 2 * lap {
                match self.pushed.compare_exchange_weak(
                    position,
                    position + 1,
                    Ordering::AcqRel,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => {
                        slot.write(entry);
                        slot.turn.store(2 * lap + 1, Ordering::Release); // Acquire: `pop`
                        return true;
                    }
                    Err(now) => position = now,
                }
            } else {
                let now = self.pushed.load(Ordering::Relaxed);
                if now == position {
                    return false;
                }
                position = now;
            }
        }
    }

    /// Takes the oldest entry, if it is complete. Only the holder of the shard's lock may call it.
    pub(super) fn pop(&self) -> Option<[u64; WORDS]> {
        let position = self.popped.load(Ordering::Relaxed);
        let (slot, lap) = self.slot(position);
        let slot = slot?;
        if slot.turn.load(Ordering::Acquire) != 2 * lap + 1 {
            return None;
        }
        let entry = slot.read();
        slot.turn.store(2 * lap + 2, Ordering::Release); // Acquire: `push`, one lap later
        self.popped.store(position + 1, Ordering::Relaxed); // ordered by the shard's lock
        Some(entry)
    }

    /// Makes it as new. Only while no other thread can push, as in a forked child, where a pusher may have been lost
    /// half way and would block the ring for ever.
    pub(super) fn reset(&self) {
        self.slots.iter().for_each(|slot| slot.turn.store(0, Ordering::Relaxed));
        self.pushed.store(0, Ordering::Relaxed);
        self.popped.store(0, Ordering::Relaxed);
    }

    /// True when nothing was pushed that has not been popped, not even half. Only under the shard's lock.
    pub(super) fn is_empty(&self) -> bool {
        self.popped.load(Ordering::Relaxed) == self.pushed.load(Ordering::Acquire)
    }

    fn slot(&self, position: u64) -> (Option<&Slot>, u64) {
        let capacity = CAPACITY as u64;
        let index = usize::try_from(position % capacity).unwrap_or(0);
        (self.slots.get(index), position / capacity)
    }
}

impl Slot {
    fn write(&self, [first, second, third, fourth, fifth]: [u64; WORDS]) {
        self.first.store(first, Ordering::Relaxed);
        self.second.store(second, Ordering::Relaxed);
        self.third.store(third, Ordering::Relaxed);
        self.fourth.store(fourth, Ordering::Relaxed);
        self.fifth.store(fifth, Ordering::Relaxed);
    }

    fn read(&self) -> [u64; WORDS] {
        [
            self.first.load(Ordering::Relaxed),
            self.second.load(Ordering::Relaxed),
            self.third.load(Ordering::Relaxed),
            self.fourth.load(Ordering::Relaxed),
            self.fifth.load(Ordering::Relaxed),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn first_in_first_out_and_full_is_full() {
        let ring = Ring::new().expect("memory");
        for lap in 0..3 {
            for index in 0..CAPACITY as u64 {
                assert!(ring.push([lap, index, 0, 0, 0]));
            }
            assert!(!ring.push([9; WORDS]), "full");
            for index in 0..CAPACITY as u64 {
                assert!(!ring.is_empty());
                assert_eq!(ring.pop(), Some([lap, index, 0, 0, 0]));
            }
            assert_eq!(ring.pop(), None);
            assert!(ring.is_empty());
        }
    }

    #[test]
    fn nothing_is_lost_or_reordered_between_threads() {
        const EACH: u64 = 20_000;
        let ring = Ring::new().expect("memory");
        thread::scope(|scope| {
            for who in 0..4 {
                let ring = &ring;
                scope.spawn(move || {
                    for index in 0..EACH {
                        while !ring.push([who, index, who ^ index, 0, 0]) {
                            thread::yield_now();
                        }
                    }
                });
            }
            let mut next = [0_u64; 4];
            while next.iter().sum::<u64>() < 4 * EACH {
                let Some([who, index, check, ..]) = ring.pop() else { continue };
                let who_index = usize::try_from(who).expect("below four");
                assert_eq!((index, check), (next[who_index], who ^ index));
                next[who_index] += 1;
            }
        });
        assert!(ring.is_empty());
    }
}
