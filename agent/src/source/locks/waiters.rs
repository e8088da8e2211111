//! Who waits at which address right now, so that whoever ends the wait can be charged with it. A bounded table without locks:
//! each wait has a slot of its own, in which every nanosecond is taken out once, by an exchange.
//! Runs in any thread and in signal handlers: no allocation, no lock, safe code over atomics.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::ticket::{HISTORY, History, Ticket};
use crate::sys::reserve::{self, zeroable};

/// Waits are found by their address, in one of so many buckets.
const BUCKETS: usize = 256;

/// Slots of a bucket, one for each bit of its word. All buckets together are 2.1 MiB when every page has been used.
const SLOTS: usize = 64;

/// A wait that finds its bucket full goes to one of the next; past these it is counted and charged to nobody. So a thousand
/// threads that wait at one address are told, which is twice what tokio's blocking pool lets idle.
const NEXT: usize = 16;

zeroable! {
    struct Bucket {
        /// A bit for each slot that is taken.
        taken: AtomicU64,
        /// How many waits that belong here are in one of the next.
        spilled: AtomicU64,
    }
}

zeroable! {
    struct Slot {
        /// 0 while nobody is in it.
        address: AtomicU64,
        /// Up to when the wait has been charged to somebody; its beginning at first.
        since: AtomicU64,
        ticket: AtomicU64,
        /// 1 when who waits here does so at an address of its own, whatever the lock.
        own: AtomicU64,
        moments: [AtomicU64; HISTORY],
        tickets: [AtomicU64; HISTORY],
    }
}

/// All waits under way.
pub(super) struct Waiters {
    buckets: &'static [Bucket],
    slots: &'static [Slot],
    turned_away: AtomicU64,
}

/// What was in a slot when its wait was over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Left {
    /// Up to when it has been charged.
    pub(super) since: u64,
    /// Whoever woke somebody at this address last.
    pub(super) ticket: Ticket,
    /// And before whom it had waited itself.
    pub(super) history: History,
}

impl Waiters {
    pub(super) fn new() -> io::Result<Self> {
        let (buckets, slots) = (reserve::zeroed(BUCKETS)?, reserve::zeroed(BUCKETS * SLOTS)?);
        Ok(Self { buckets, slots, turned_away: AtomicU64::new(0) })
    }

    /// Writes down a wait at `address` that begins at `now`. `None`, and counted, where there is no room.
    pub(super) fn enter(&self, address: usize, own: bool, now: u64) -> Option<u32> {
        let home = home(address);
        let found = (0..NEXT).find_map(|step| Some((step, self.take(home + step)?)));
        let Some((step, place)) = found else {
            self.turned_away.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        if step > 0 {
            self.bucket(home)?.spilled.fetch_add(1, Ordering::Relaxed);
        }
        let slot = self.slots.get(place)?;
        slot.since.store(now, Ordering::Relaxed);
        slot.ticket.store(Ticket::NONE.word(), Ordering::Relaxed);
        slot.own.store(u64::from(own), Ordering::Relaxed);
        // Release: pairs with the Acquire of `each_at`, which believes the rest of a slot whose address is right.
        slot.address.store(address as u64, Ordering::Release);
        u32::try_from(place).ok()
    }

    /// Takes the wait in `place` out again.
    pub(super) fn leave(&self, place: u32) -> Option<Left> {
        let place = place as usize;
        let slot = self.slots.get(place)?;
        let address = slot.address.swap(0, Ordering::Relaxed);
        // Acquire: pairs with the Release of `Waiting::mark`, behind which its history is.
        let ticket = Ticket::of_word(slot.ticket.load(Ordering::Acquire));
        let left = Left { since: slot.since.load(Ordering::Relaxed), ticket, history: slot.history(ticket) };
        if place / SLOTS != home(usize::try_from(address).ok()?) {
            self.bucket(home(usize::try_from(address).ok()?))?.spilled.fetch_sub(1, Ordering::Relaxed);
        }
        // Release: the next owner, whose exchange acquires it, writes after our reads.
        self.bucket(place / SLOTS)?.taken.fetch_and(!(1 << (place % SLOTS)), Ordering::Release);
        Some(left)
    }

    /// Hands every wait at `address` to `each`.
    pub(super) fn each_at(&self, address: usize, mut each: impl FnMut(&Waiting<'_>)) {
        let home = home(address);
        let Some(first) = self.bucket(home) else { return };
        let buckets = if first.spilled.load(Ordering::Relaxed) == 0 { 1 } else { NEXT };
        for index in (home..home + buckets).map(|index| index % BUCKETS) {
            let Some(bucket) = self.buckets.get(index) else { return };
            let mut taken = bucket.taken.load(Ordering::Relaxed);
            while taken != 0 {
                let bit = taken.trailing_zeros() as usize;
                taken &= taken - 1;
                match self.slots.get(index * SLOTS + bit) {
                    Some(slot) if slot.address.load(Ordering::Acquire) == address as u64 => {
                        each(&Waiting(slot));
                    }
                    _ => {}
                }
            }
        }
    }

    /// How many waits found no room.
    pub(super) fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }

    /// A free slot of one bucket, taken.
    fn take(&self, bucket: usize) -> Option<usize> {
        let index = bucket % BUCKETS;
        let taken = &self.buckets.get(index)?.taken;
        let mut seen = taken.load(Ordering::Relaxed);
        while seen != u64::MAX {
            let bit = (!seen).trailing_zeros() as usize;
            // Acquire: pairs with the Release of `leave`.
            match taken.compare_exchange_weak(seen, seen | 1 << bit, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Some(index * SLOTS + bit),
                Err(now) => seen = now,
            }
        }
        None
    }

    fn bucket(&self, index: usize) -> Option<&Bucket> {
        self.buckets.get(index % BUCKETS)
    }
}

/// One wait, as whoever ends it sees it. It may have ended meanwhile, and its slot belong to another: then a few
/// microseconds are charged to the wrong one of two, and none twice.
pub(super) struct Waiting<'table>(&'table Slot);

impl Waiting<'_> {
    /// Takes out what has not been charged up to `now`: from when on.
    pub(super) fn charge(&self, now: u64) -> u64 {
        self.0.since.fetch_max(now, Ordering::Relaxed).min(now)
    }

    /// Whether it waits at an address of its own, which does not tell the lock.
    pub(super) fn has_own_address(&self) -> bool {
        self.0.own.load(Ordering::Relaxed) == 1
    }

    /// Leaves word of who has woken, and before whom that one had waited.
    pub(super) fn mark(&self, ticket: Ticket, history: &History) {
        if self.has_own_address() {
            let words = self.0.moments.iter().zip(&self.0.tickets);
            for ((moment, ticket), (at, by)) in words.zip(history.all()) {
                moment.store(at, Ordering::Relaxed);
                ticket.store(by.word(), Ordering::Relaxed);
            }
        }
        self.0.ticket.store(ticket.word(), Ordering::Release); // Acquire: `leave`
    }
}

impl Slot {
    fn history(&self, ticket: Ticket) -> History {
        if ticket == Ticket::NONE || self.own.load(Ordering::Relaxed) == 0 {
            return History::EMPTY;
        }
        let words = self.moments.iter().zip(&self.tickets);
        History::of(words.map(|(moment, ticket)| {
            (moment.load(Ordering::Relaxed), Ticket::of_word(ticket.load(Ordering::Relaxed)))
        }))
    }
}

/// The bucket of an address. Locks lie 4 bytes apart at least, and next to each other as a rule.
fn home(address: usize) -> usize {
    let mixed = (address as u64 >> 2).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(mixed >> 56).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(waiters: &Waiters, address: usize) -> usize {
        let mut count = 0;
        waiters.each_at(address, |_| count += 1);
        count
    }

    #[test]
    fn every_nanosecond_is_charged_once() {
        let waiters = Waiters::new().expect("memory");
        let place = waiters.enter(4_096, false, 100).expect("room");
        let mut charged = Vec::new();
        for now in [150, 150, 140, 180] {
            waiters.each_at(4_096, |waiting| charged.push(now - waiting.charge(now)));
        }
        assert_eq!(charged, [50, 0, 0, 30]);
        waiters.each_at(4_096, |waiting| waiting.mark(Ticket::UNSEEN, &History::EMPTY));
        let left = waiters.leave(place).expect("it was there");
        assert_eq!((left.since, left.ticket), (180, Ticket::UNSEEN));
        assert_eq!(at(&waiters, 4_096), 0);
        assert_eq!(waiters.enter(4_096, false, 0), Some(place), "the slot is free again");
    }

    #[test]
    fn a_crowd_at_one_address_spills_over_and_comes_back() {
        let waiters = Waiters::new().expect("memory");
        let places: Vec<u32> = (0..NEXT * SLOTS).filter_map(|_| waiters.enter(64, false, 1)).collect();
        assert_eq!((places.len(), at(&waiters, 64), waiters.turned_away()), (NEXT * SLOTS, NEXT * SLOTS, 0));
        assert_eq!((waiters.enter(64, false, 1), waiters.turned_away()), (None, 1));
        for place in places {
            assert!(waiters.leave(place).is_some());
        }
        assert_eq!(at(&waiters, 64), 0);
        assert!(waiters.buckets.iter().all(|bucket| bucket.spilled.load(Ordering::Relaxed) == 0));
    }

    #[test]
    fn threads_that_come_and_go_leave_nothing_behind() {
        let waiters = Waiters::new().expect("memory");
        let charged = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let (waiters, charged) = (&waiters, &charged);
                scope.spawn(move || {
                    for turn in 1..20_000_u64 {
                        let address = 4 * (usize::try_from(turn % 8).expect("small") + 1);
                        let place = waiters.enter(address, thread == 0, turn).expect("room");
                        waiters.each_at(address, |waiting| {
                            charged.fetch_add((turn + 1) - waiting.charge(turn + 1), Ordering::Relaxed);
                            waiting.mark(Ticket::UNSEEN, &History::EMPTY);
                        });
                        assert!(waiters.leave(place).is_some());
                    }
                });
            }
        });
        assert!(charged.into_inner() > 0);
        assert!(waiters.buckets.iter().all(|bucket| bucket.taken.load(Ordering::Relaxed) == 0));
    }
}
