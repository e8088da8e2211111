//! One shard of the live table: records in a slab, found by chains, under one lock that hooks only try.
//! Runs inside malloc: no allocation, safe code over atomics. All fields but the ring are written under the lock.

use std::hint;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;

use super::live::{Counters, Live, Operation, RECORDS_PER_SHARD};
use super::ring::Ring;
use crate::source::stacks::StackId;
use crate::sys::reserve::{self, zeroable};

/// Chains of a shard, 8 KiB of heads; a full shard has chains of four.
const BUCKETS: usize = 2_048;

/// Chains that a reader copies under one lock: 64 of a full shard are 256 records, about 2 µs.
pub(super) const BATCH: usize = 64;

/// How often a reader asks for the lock before it leaves a shard out; with a sleep each time, five seconds.
const PATIENCE: u32 = 5_000;

zeroable! {
    struct Record {
        pointer: AtomicU64,
        usable: AtomicU64,
        // The size that a free still to come will name, of the object this one replaced in place; 0 for none.
        replaced: AtomicU64,
        born_ms: AtomicU64,
        stack: AtomicU32,
        tag: AtomicU32,
        // Index of the next in the chain or in the list of free records, plus one; 0 for none.
        next: AtomicU32,
        lg_rate: AtomicU32,
    }
}

#[repr(align(128))] // two cache lines, so that neighbors do not slow each other down
pub(super) struct Shard {
    locked: AtomicBool,
    ring: Ring,
    heads: &'static [AtomicU32],
    records: &'static [Record],
    used: AtomicU32,
    free: AtomicU32,
    live: AtomicU64,
}

impl Shard {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            locked: AtomicBool::new(false),
            ring: Ring::new()?,
            heads: reserve::zeroed(BUCKETS)?,
            records: reserve::zeroed(RECORDS_PER_SHARD)?,
            used: AtomicU32::new(0),
            free: AtomicU32::new(0),
            live: AtomicU64::new(0),
        })
    }

    /// Applies an operation if the lock is free. Behind an entry of the ring that is not complete yet it must
    /// queue up, or it could overtake an operation on the same address; then this is false.
    pub(super) fn try_apply(&self, operation: Operation, hash: u64, counters: &Counters) -> bool {
        let Some(_lock) = self.try_lock() else { return false };
        self.drain(counters);
        if !self.ring.is_empty() {
            return false;
        }
        self.apply(operation, hash, counters);
        true
    }

    /// Leaves an operation for whoever has the lock next. False when there is no room.
    pub(super) fn defer(&self, operation: Operation) -> bool {
        self.ring.push(operation.pack())
    }

    /// How many records are in use.
    pub(super) fn len(&self) -> usize {
        usize::try_from(self.live.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// Every record. `batch` is the reader's; it never grows while the lock is held.
    pub(super) fn visit(
        &self,
        batch: &mut Vec<Live>,
        counters: &Counters,
        each: &mut impl FnMut(&Live),
    ) -> bool {
        let mut from = 0;
        while from < BUCKETS {
            batch.clear();
            match self.copy(from, batch, counters) {
                Copied::Whole => {
                    batch.iter().for_each(&mut *each);
                    from += BATCH;
                }
                // Chains can be as long as there are records; then a larger batch, and these chains once more.
                Copied::Part => batch.reserve(batch.capacity() * 2),
                Copied::Nothing => return false,
            }
        }
        true
    }

    /// Forgets all records; with `alone` a lock found locked is nobody's.
    pub(super) fn clear(&self, alone: bool) {
        if alone {
            self.ring.reset();
            self.locked.store(false, Ordering::Release); // Acquire: `try_lock`
        }
        let Some(_lock) = self.wait() else { return };
        while self.ring.pop().is_some() {}
        self.heads.iter().for_each(|head| head.store(0, Ordering::Relaxed));
        self.used.store(0, Ordering::Relaxed);
        self.free.store(0, Ordering::Relaxed);
        self.live.store(0, Ordering::Relaxed);
    }

    fn copy(&self, from: usize, batch: &mut Vec<Live>, counters: &Counters) -> Copied {
        let Some(_lock) = self.wait() else { return Copied::Nothing };
        self.drain(counters);
        let chains = self.heads.get(from..(from + BATCH).min(BUCKETS)).unwrap_or(&[]);
        for head in chains {
            let mut index = head.load(Ordering::Relaxed);
            while let Some(record) = self.record(index) {
                if batch.len() == batch.capacity() {
                    return Copied::Part;
                }
                batch.push(record.live());
                index = record.next.load(Ordering::Relaxed);
            }
        }
        Copied::Whole
    }

    fn drain(&self, counters: &Counters) {
        while let Some(operation) = self.ring.pop().and_then(Operation::unpack) {
            self.apply(operation, super::live::hash(operation.pointer()), counters);
        }
    }

    fn apply(&self, operation: Operation, hash: u64, counters: &Counters) {
        let Some(head) = self.heads.get(usize::try_from(hash >> 5).unwrap_or(0) % BUCKETS) else { return };
        match operation {
            Operation::Insert(live) => self.insert(head, &live, counters),
            Operation::Remove { pointer, usable } => self.remove(head, pointer, usable, counters),
        }
    }

    fn insert(&self, head: &AtomicU32, live: &Live, counters: &Counters) {
        if let Some((_, record)) = self.find(head, live.pointer) {
            // Reallocated in place: jemalloc tells of the new object first and frees the old one at once after.
            record.replaced.store(record.usable.load(Ordering::Relaxed), Ordering::Relaxed);
            record.set(live);
            counters.replaced.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let Some((index, record)) = self.take() else {
            counters.full.fetch_add(1, Ordering::Relaxed);
            return;
        };
        record.replaced.store(0, Ordering::Relaxed);
        record.set(live);
        record.next.store(head.load(Ordering::Relaxed), Ordering::Relaxed);
        head.store(index, Ordering::Relaxed);
        self.live.fetch_add(1, Ordering::Relaxed);
    }

    fn remove(&self, head: &AtomicU32, pointer: usize, usable: u64, counters: &Counters) {
        let Some((link, record)) = self.find(head, pointer) else {
            counters.unknown.fetch_add(1, Ordering::Relaxed);
            return;
        };
        if record.replaced.load(Ordering::Relaxed) == usable {
            record.replaced.store(0, Ordering::Relaxed);
            return;
        }
        if record.usable.load(Ordering::Relaxed) != usable {
            // The end of an object at this address that is forgotten: it had no record and was reallocated in place,
            // or it was moved, and jemalloc tells of that after its memory was given to somebody else.
            counters.stale.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let index = link.load(Ordering::Relaxed);
        link.store(record.next.load(Ordering::Relaxed), Ordering::Relaxed);
        record.next.store(self.free.load(Ordering::Relaxed), Ordering::Relaxed);
        self.free.store(index, Ordering::Relaxed);
        self.live.fetch_sub(1, Ordering::Relaxed);
    }

    /// The record of an address, and the link that leads to it.
    fn find<'shard>(
        &'shard self,
        head: &'shard AtomicU32,
        pointer: usize,
    ) -> Option<(&'shard AtomicU32, &'shard Record)> {
        let mut link = head;
        while let Some(record) = self.record(link.load(Ordering::Relaxed)) {
            if record.pointer.load(Ordering::Relaxed) == pointer as u64 {
                return Some((link, record));
            }
            link = &record.next;
        }
        None
    }

    /// A record nobody uses, and its index plus one.
    fn take(&self) -> Option<(u32, &Record)> {
        let index = self.free.load(Ordering::Relaxed);
        if let Some(record) = self.record(index) {
            self.free.store(record.next.load(Ordering::Relaxed), Ordering::Relaxed);
            return Some((index, record));
        }
        let index = self.used.load(Ordering::Relaxed).wrapping_add(1);
        let record = self.record(index)?;
        self.used.store(index, Ordering::Relaxed);
        Some((index, record))
    }

    fn record(&self, index: u32) -> Option<&Record> {
        self.records.get((index as usize).checked_sub(1)?)
    }

    fn try_lock(&self) -> Option<Lock<'_>> {
        // Acquire: what the last holder wrote, released by the drop of `Lock`.
        let free = self.locked.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok();
        // Not `then_some`: it would make a Lock in any case, and dropping that unlocks what somebody else holds.
        free.then(|| Lock(&self.locked))
    }

    /// For readers only: hooks on other threads hold the lock for a microsecond, unless they are not running.
    fn wait(&self) -> Option<Lock<'_>> {
        for attempt in 0..PATIENCE {
            if let Some(lock) = self.try_lock() {
                return Some(lock);
            }
            match attempt {
                0..100 => hint::spin_loop(),
                100..500 => thread::yield_now(),
                _ => thread::sleep(std::time::Duration::from_millis(1)),
            }
        }
        None
    }
}

enum Copied {
    Whole,
    Part,
    Nothing,
}

struct Lock<'shard>(&'shard AtomicBool);

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release); // Acquire: `try_lock`
    }
}

impl Record {
    fn set(&self, live: &Live) {
        self.pointer.store(live.pointer as u64, Ordering::Relaxed);
        self.usable.store(live.usable, Ordering::Relaxed);
        self.born_ms.store(live.born_ms, Ordering::Relaxed);
        self.stack.store(live.stack.0, Ordering::Relaxed);
        self.tag.store(live.tag, Ordering::Relaxed);
        self.lg_rate.store(u32::from(live.lg_rate), Ordering::Relaxed);
    }

    fn live(&self) -> Live {
        Live {
            pointer: usize::try_from(self.pointer.load(Ordering::Relaxed)).unwrap_or(0),
            usable: self.usable.load(Ordering::Relaxed),
            born_ms: self.born_ms.load(Ordering::Relaxed),
            stack: StackId(self.stack.load(Ordering::Relaxed)),
            tag: self.tag.load(Ordering::Relaxed),
            lg_rate: u8::try_from(self.lg_rate.load(Ordering::Relaxed)).unwrap_or(u8::MAX),
        }
    }
}
