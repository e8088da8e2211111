//! The sampled allocations that have not been freed, spread over shards. A hook never waits for a shard's lock: what
//! it cannot do at once goes into the shard's ring, and whoever has the lock next does that first. So the operations
//! on one address are applied in the order in which they happened.
//! Runs inside malloc: no allocation, only `try_lock`, safe code over atomics.

use std::hint;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::ring::WORDS;
use super::shard::Shard;
use crate::source::stacks::StackId;

/// 32 locks: at 128,000 samples a second, each held 0.1 µs for a sample and again for its free, a lock is busy
/// 0.1 % of the time.
pub(super) const SHARDS: usize = 32;

/// Records of one shard; 32 shards of 8,192 are 262,144, which at 48 bytes take 12 MiB when all are used, and stand
/// for 128 GiB of small objects at the default rate. The governor samples less before they run out.
pub(super) const RECORDS_PER_SHARD: usize = 8_192;

/// The most live samples that are known at a time; more are counted, not kept.
pub(super) const MAX_LIVE: usize = SHARDS * RECORDS_PER_SHARD;

/// How often a hook tries the lock and the ring before it gives a sample up, after the first few with a yield.
const INSERT_ATTEMPTS: u32 = 100;

/// The same for a free. It is worth more: without it an object that is gone stays in the table.
const REMOVE_ATTEMPTS: u32 = 1000;

/// Attempts without a yield.
const QUICK_ATTEMPTS: u32 = 50;

/// One live sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) pointer: usize,
    pub(super) usable: u64,
    /// When it was allocated, by the coarse clock.
    pub(super) born_ms: u64,
    pub(super) stack: StackId,
    pub(super) tag: u32,
    /// The rate it was sampled at.
    pub(super) lg_rate: u8,
}

/// What happens to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Insert(Live),
    Remove { pointer: usize, usable: u64 },
}

/// What was not as it should be, or not as one might expect.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Samples turned away: no room for a record.
    pub(super) full: AtomicU64,
    /// Samples that neither lock nor ring would take.
    pub(super) lost_inserts: AtomicU64,
    /// Frees that neither lock nor ring would take. Their record stays until the address is sampled again.
    pub(super) lost_removes: AtomicU64,
    /// Operations that went through a ring.
    pub(super) deferred: AtomicU64,
    /// Frees of addresses without a record. Normal: turned away, or sampled before we came.
    pub(super) unknown: AtomicU64,
    /// Samples of an address that has a record: a reallocation in place.
    pub(super) replaced: AtomicU64,
    /// Frees of a size that the record does not have: of an older object at that address.
    pub(super) stale: AtomicU64,
}

pub(super) struct Table {
    shards: Vec<Shard>,
    pub(super) counters: Counters,
}

impl Table {
    pub(super) fn new() -> io::Result<Self> {
        let shards = (0..SHARDS).map(|_| Shard::new()).collect::<io::Result<_>>()?;
        Ok(Self { shards, counters: Counters::default() })
    }

    /// Applies `operation`, now or as soon as somebody has the lock.
    pub(super) fn submit(&self, operation: Operation) {
        let hash = hash(operation.pointer());
        let Some(shard) = self.shard(hash) else { return };
        let (attempts, lost) = match operation {
            Operation::Insert(_) => (INSERT_ATTEMPTS, &self.counters.lost_inserts),
            Operation::Remove { .. } => (REMOVE_ATTEMPTS, &self.counters.lost_removes),
        };
        for attempt in 0..attempts {
            if shard.try_apply(operation, hash, &self.counters) {
                return;
            }
            if shard.defer(operation) {
                self.counters.deferred.fetch_add(1, Ordering::Relaxed);
                return;
            }
            if attempt < QUICK_ATTEMPTS { hint::spin_loop() } else { thread::yield_now() }
        }
        lost.fetch_add(1, Ordering::Relaxed);
    }

    /// Every live sample, handed over in batches; no lock is held while `each` runs. False when a lock could not
    /// be had, and something is missing. For readers, not for hooks.
    pub(super) fn visit(&self, mut each: impl FnMut(&Live)) -> bool {
        let mut batch = Vec::with_capacity(2 * super::shard::BATCH);
        let mut complete = true;
        for shard in &self.shards {
            complete &= shard.visit(&mut batch, &self.counters, &mut each);
        }
        complete
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(Shard::len).sum()
    }

    /// Forgets everything. `alone` says that no other thread can be inside a hook, as in a forked child, so that a
    /// lock found locked is nobody's.
    pub(super) fn clear(&self, alone: bool) {
        for shard in &self.shards {
            shard.clear(alone);
        }
    }

    fn shard(&self, hash: u64) -> Option<&Shard> {
        self.shards.get(usize::try_from(hash % SHARDS as u64).ok()?)
    }
}

impl Operation {
    pub(super) const fn pointer(&self) -> usize {
        match self {
            Self::Insert(live) => live.pointer,
            Self::Remove { pointer, .. } => *pointer,
        }
    }

    /// As an entry of a ring. Nothing that is sampled has a size of zero, so a rate above 255 can mean a free.
    pub(super) fn pack(self) -> [u64; WORDS] {
        match self {
            Self::Insert(live) => [
                live.pointer as u64,
                live.usable,
                live.born_ms,
                u64::from(live.stack.0) << 32 | u64::from(live.tag),
                u64::from(live.lg_rate),
            ],
            Self::Remove { pointer, usable } => [pointer as u64, usable, 0, 0, u64::MAX],
        }
    }

    pub(super) fn unpack([pointer, usable, born_ms, stack_and_tag, lg_rate]: [u64; WORDS]) -> Option<Self> {
        let pointer = usize::try_from(pointer).ok()?;
        let Ok(lg_rate) = u8::try_from(lg_rate) else { return Some(Self::Remove { pointer, usable }) };
        let stack = StackId(u32::try_from(stack_and_tag >> 32).ok()?);
        let tag = u32::try_from(stack_and_tag & u64::from(u32::MAX)).ok()?;
        Some(Self::Insert(Live { pointer, usable, born_ms, stack, tag, lg_rate }))
    }
}

/// Sampled addresses are page-aligned: the low bits say nothing, the multiplication moves the others up and the
/// shift brings the best of them down.
pub(super) fn hash(pointer: usize) -> u64 {
    (pointer as u64 >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

#[cfg(test)]
mod tests {
    use proptest::collection;
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    fn live(pointer: usize, usable: u64) -> Live {
        Live { pointer, usable, born_ms: 5, stack: StackId(6), tag: 7, lg_rate: 19 }
    }

    fn all(table: &Table) -> Vec<(usize, u64)> {
        let mut found = Vec::new();
        assert!(table.visit(|live| found.push((live.pointer, live.usable))));
        found.sort_unstable();
        found
    }

    #[track_caller]
    fn check(operations: &[(char, usize, u64)], expected: &[(usize, u64)]) {
        let table = Table::new().expect("memory");
        for (kind, pointer, usable) in operations {
            table.submit(match kind {
                '+' => Operation::Insert(live(*pointer, *usable)),
                _ => Operation::Remove { pointer: *pointer, usable: *usable },
            });
        }
        assert_eq!(all(&table), expected);
        assert_eq!(table.len(), expected.len());
    }

    #[test]
    fn what_is_freed_is_gone() {
        check(&[('+', 0x1000, 8), ('+', 0x2000, 16), ('-', 0x1000, 8)], &[(0x2000, 16)]);
        check(&[('-', 0x1000, 8), ('+', 0x1000, 8)], &[(0x1000, 8)]);
    }

    #[test]
    fn reallocated_in_place_the_new_one_stays() {
        check(&[('+', 0x1000, 8), ('+', 0x1000, 16), ('-', 0x1000, 8)], &[(0x1000, 16)]);
        check(&[('+', 0x1000, 8), ('+', 0x1000, 8), ('-', 0x1000, 8)], &[(0x1000, 8)]);
        check(&[('+', 0x1000, 8), ('+', 0x1000, 16), ('-', 0x1000, 8), ('-', 0x1000, 16)], &[]);
        check(&[('+', 0x1000, 8), ('+', 0x1000, 8), ('-', 0x1000, 8), ('-', 0x1000, 8)], &[]);
    }

    #[test]
    fn a_free_that_was_lost_does_not_leave_a_ghost() {
        // The free of the first (8) was lost; the address is sampled again (16) and freed.
        check(&[('+', 0x1000, 8), ('+', 0x1000, 16), ('-', 0x1000, 16)], &[]);
    }

    #[test]
    fn the_free_of_an_unknown_older_object_does_not_remove_the_new_one() {
        check(&[('+', 0x1000, 16), ('-', 0x1000, 8)], &[(0x1000, 16)]);
    }

    #[test]
    fn full_is_counted_and_room_is_used_again() {
        let table = Table::new().expect("memory");
        let pages = MAX_LIVE * 2;
        for page in 1..=pages {
            table.submit(Operation::Insert(live(page << 12, 8)));
        }
        let kept = table.len();
        let turned_away = table.counters.full.load(Ordering::Relaxed);
        assert_eq!(kept as u64 + turned_away, pages as u64);
        assert_eq!(kept, MAX_LIVE, "a good hash fills all shards when offered twice as much");
        for page in 1..=pages {
            table.submit(Operation::Remove { pointer: page << 12, usable: 8 });
        }
        assert_eq!((table.len(), table.counters.unknown.load(Ordering::Relaxed)), (0, turned_away));
        table.submit(Operation::Insert(live(0x1000, 8)));
        table.clear(false);
        assert_eq!(all(&table), []);
    }

    #[test]
    fn packed_and_unpacked() {
        for operation in
            [Operation::Insert(live(0x1000, 8)), Operation::Remove { pointer: 0x2000, usable: u64::MAX }]
        {
            assert_eq!(Operation::unpack(operation.pack()), Some(operation));
        }
    }

    proptest! {
        /// A reallocation that moves tells of the old object's end only after its memory was given back, so a free
        /// can come after samples of younger objects at the same address. Whatever the order, no ghost is left.
        #[test]
        fn late_frees_leave_no_ghost(objects in collection::vec((1_u64..4, 0_usize..6), 1..8)) {
            let mut events: Vec<(usize, Operation)> = Vec::new();
            for (place, (size, delay)) in objects.iter().enumerate() {
                events.push((10 * place, Operation::Insert(live(0x1000, 8 * size))));
                events.push((10 * (place + delay) + 5, Operation::Remove { pointer: 0x1000, usable: 8 * size }));
            }
            events.sort_by_key(|(when, _)| *when);
            let table = Table::new().expect("memory");
            events.iter().for_each(|(_, operation)| table.submit(*operation));
            prop_assert_eq!(all(&table), []);
        }
    }

    #[test]
    fn threads_and_a_reader_at_once() {
        const EACH: usize = 30_000;
        let table = Table::new().expect("memory");
        thread::scope(|scope| {
            for who in 1..=8_usize {
                let table = &table;
                scope.spawn(move || {
                    for index in 0..EACH {
                        // All threads share pages of few shards, each has addresses of its own.
                        let pointer = (index % 50) << 16 | who << 12;
                        table.submit(Operation::Insert(live(pointer, 8)));
                        if index % 3 == 0 {
                            table.submit(Operation::Insert(live(pointer, 16)));
                            table.submit(Operation::Remove { pointer, usable: 8 });
                            table.submit(Operation::Remove { pointer, usable: 16 });
                        } else {
                            table.submit(Operation::Remove { pointer, usable: 8 });
                        }
                    }
                });
            }
            for _ in 0..50 {
                assert!(table.visit(|live| assert!(live.usable == 8 || live.usable == 16)));
            }
        });
        let lost = table.counters.lost_removes.load(Ordering::Relaxed);
        assert!(all(&table).len() as u64 <= lost, "{} left, {lost} lost", table.len());
    }
}
