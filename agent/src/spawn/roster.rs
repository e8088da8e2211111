//! Who lives of the tasks that others have spawned, by the number that tokio gave them. The runtime's hooks tell of a
//! spawn and of an end, on whichever thread it is, and keep nothing for us in between; this table does. Lock-free, because
//! a hook that waits holds up a worker.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use super::slab::{Row, State};

/// The most that are listed one by one. An entry has 32 bytes: 4 MB when there are as many or when as many have come and
/// gone, taken in chunks of 32 KB. Tasks beyond are counted by their line alone, and the count of them is shown.
pub(crate) const MAX_HOOKED: usize = 131_072;

const CHUNK: usize = 1_024;
const CHUNKS: usize = MAX_HOOKED / CHUNK;

/// Where a task may stand: in so many entries from its first one on. Four cache lines, and the first is nearly always
/// free, because numbers go round the whole table before they come back to it.
const WINDOW: usize = 8;

/// Ends that are remembered because nobody was found. A place is written over by a later such end; the time from a
/// task's end to the look into here is that of one spawn.
const EARLY: usize = 256;

const FREE: u64 = 0;

/// Somebody writes into the entry and is not done.
const TAKEN: u64 = u64::MAX;

/// The table. Numbers of tasks are never used twice.
#[derive(Debug)]
pub(super) struct Roster {
    chunks: [OnceLock<Box<[Entry]>>; CHUNKS],
    early: [AtomicU64; EARLY],
    /// Tasks alive that found no place.
    unlisted: AtomicU64,
}

/// One task.
#[derive(Debug, Default)]
#[repr(align(32))]
struct Entry {
    id: AtomicU64,
    /// The site in the upper half and the tag.
    place: AtomicU64,
    born_ms: AtomicU64,
}

impl Roster {
    pub(super) const fn new() -> Self {
        Self {
            chunks: [const { OnceLock::new() }; CHUNKS],
            early: [const { AtomicU64::new(0) }; EARLY],
            unlisted: AtomicU64::new(0),
        }
    }

    /// Puts a task onto the table. True when it is over already, which whoever ended it could not say: then it is off
    /// the table again, and its end is the caller's to count.
    #[inline]
    pub(super) fn enter(&self, id: u64, site: u32, tag: u32, now_ms: u64) -> bool {
        let entered = self.window(id).any(|index| {
            let Some(entry) = self.made(index) else { return false };
            entry.take(id, u64::from(site) << 32 | u64::from(tag), now_ms)
        });
        if !entered {
            self.unlisted.fetch_add(1, Ordering::SeqCst);
        }
        // SeqCst: with the store of the task above, and the other way around in `leave`, so that one of the two sees
        // what the other did.
        let over = self.early.get(early(id)).is_some_and(|place| place.load(Ordering::SeqCst) == id);
        over && if entered { self.remove(id) } else { self.take_unlisted() }
    }

    /// Takes a task off. False when it is not there: it found no place, or is not known yet, or is none of ours.
    #[inline]
    pub(super) fn remove(&self, id: u64) -> bool {
        self.window(id).filter_map(|index| self.entry(index)).any(|entry| entry.give(id))
    }

    /// One less of those that found no place, if there are any.
    pub(super) fn take_unlisted(&self) -> bool {
        let less = |unlisted: u64| unlisted.checked_sub(1);
        self.unlisted.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
    }

    /// Remembers the end of a task that is not on the table. True when it came onto it just now, and is off it again.
    pub(super) fn end_early(&self, id: u64) -> bool {
        if let Some(place) = self.early.get(early(id)) {
            // SeqCst: see `enter`.
            place.store(id, Ordering::SeqCst);
        }
        self.remove(id)
    }

    /// True when the task is on the table.
    pub(super) fn has(&self, id: u64) -> bool {
        let mut entries = self.window(id).filter_map(|index| self.entry(index));
        entries.any(|entry| entry.id.load(Ordering::Relaxed) == id)
    }

    /// Tasks alive that found no place.
    pub(super) fn unlisted(&self) -> u64 {
        self.unlisted.load(Ordering::Relaxed)
    }

    /// Every task on the table. Those that come or go meanwhile may be there or not; none is half another.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row> {
        self.chunks.iter().filter_map(OnceLock::get).flat_map(|chunk| chunk.iter()).filter_map(Entry::read)
    }

    /// The entries where `id` may stand. Consecutive numbers are eight entries apart, within blocks of 64: threads that
    /// spawn at the same time get such numbers, and would else write into one cache line.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the table has fewer entries")]
    fn window(&self, id: u64) -> impl Iterator<Item = usize> + use<> {
        let first = (id & !63 | (id & 7) << 3 | (id >> 3) & 7) as usize;
        (first..first + WINDOW).map(|index| index % MAX_HOOKED)
    }

    #[inline]
    fn entry(&self, index: usize) -> Option<&Entry> {
        self.chunks.get(index / CHUNK)?.get()?.get(index % CHUNK)
    }

    #[inline]
    fn made(&self, index: usize) -> Option<&Entry> {
        let chunk = self.chunks.get(index / CHUNK)?;
        chunk.get_or_init(|| std::iter::repeat_with(Entry::default).take(CHUNK).collect()).get(index % CHUNK)
    }
}

impl Entry {
    /// True when the entry was free and is the task's now.
    #[inline]
    fn take(&self, id: u64, place: u64, now_ms: u64) -> bool {
        if self.id.load(Ordering::Relaxed) != FREE
            || self.id.compare_exchange(FREE, TAKEN, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return false;
        }
        // Release: pairs with the Acquire fence in `read`. Who sees any of what follows sees the task before it gone.
        fence(Ordering::Release);
        self.place.store(place, Ordering::Relaxed);
        self.born_ms.store(now_ms, Ordering::Relaxed);
        // SeqCst, which is a Release too: pairs with the Acquire in `read`; for the rest see `Roster::enter`.
        self.id.store(id, Ordering::SeqCst);
        true
    }

    /// True when the task had the entry.
    #[inline]
    fn give(&self, id: u64) -> bool {
        // SeqCst: see `Roster::enter`. Who spawned the task and who ends it may both be here.
        self.id.load(Ordering::SeqCst) == id
            && self.id.compare_exchange(id, FREE, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn read(&self) -> Option<Row> {
        // Acquire: pairs with the store at the end of `take`.
        let id = self.id.load(Ordering::Acquire);
        if matches!(id, FREE | TAKEN) {
            return None;
        }
        let place = self.place.load(Ordering::Relaxed);
        let born_ms = self.born_ms.load(Ordering::Relaxed);
        // Acquire: pairs with the Release fence in `take`.
        fence(Ordering::Acquire);
        let [a, b, c, d, e, f, g, h] = place.to_be_bytes();
        (self.id.load(Ordering::Relaxed) == id).then_some(Row {
            site: u32::from_be_bytes([a, b, c, d]),
            tag: u32::from_be_bytes([e, f, g, h]),
            name: 0,
            state: State::Alive,
            born_ms,
            since_ms: born_ms,
            polls: 0,
            busy_ns: 0,
        })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "there are fewer places")]
const fn early(id: u64) -> usize {
    id as usize % EARLY
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    fn roster() -> &'static Roster {
        Box::leak(Box::new(Roster::new()))
    }

    #[test]
    fn a_task_is_listed_until_it_is_taken_off() {
        let roster = roster();
        assert!(!roster.enter(1, 7, 3, 99) && !roster.enter(2, 8, 0, 100));
        let mut rows: Vec<_> = roster.rows().map(|row| (row.site, row.tag, row.born_ms)).collect();
        rows.sort_unstable();
        assert_eq!(rows, [(7, 3, 99), (8, 0, 100)]);
        assert!(roster.has(1) && roster.remove(1) && !roster.has(1) && !roster.remove(1));
        assert_eq!(roster.rows().count(), 1);
        assert!(!roster.remove(1 + MAX_HOOKED as u64), "another task of the same entry");
    }

    #[test]
    fn an_end_that_is_told_before_the_spawn_is_not_lost() {
        let roster = roster();
        assert!(!roster.end_early(5));
        assert!(roster.enter(5, 1, 0, 0), "over already");
        assert!(!roster.enter(5 + EARLY as u64, 1, 0, 0), "another one is not");
        assert_eq!(roster.rows().count(), 1);
    }

    #[test]
    fn tasks_past_the_bound_are_counted() {
        let roster = roster();
        let all = MAX_HOOKED as u64 + 1_000;
        (1..=all).for_each(|id| assert!(!roster.enter(id, 1, 0, 0)));
        assert_eq!((roster.rows().count(), roster.unlisted()), (MAX_HOOKED, 1_000));
        let removed = (1..=all).filter(|id| roster.remove(*id)).count();
        assert_eq!((removed, roster.rows().count()), (MAX_HOOKED, 0));
        assert!((0..1_000).all(|_| roster.take_unlisted()) && !roster.take_unlisted());
    }

    /// Each task is entered by one thread and ended by another, at the same time: one of the two counts the end.
    #[test]
    fn spawns_and_ends_that_race_leave_nobody() {
        const TASKS: u32 = 200_000;
        let roster = roster();
        let (next, over) = (AtomicU64::new(0), AtomicBool::new(false));
        let ends = AtomicU64::new(0);
        let count = |ended: bool| ends.fetch_add(u64::from(ended), Ordering::Relaxed);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 1..=TASKS {
                    let id = u64::from(number);
                    next.store(id, Ordering::Relaxed);
                    count(roster.enter(id, number, number, id));
                }
            });
            scope.spawn(|| {
                for id in 1..=u64::from(TASKS) {
                    while next.load(Ordering::Relaxed) < id {
                        std::thread::yield_now();
                    }
                    count(roster.remove(id) || roster.end_early(id));
                }
                over.store(true, Ordering::Relaxed);
            });
            while !over.load(Ordering::Relaxed) {
                for row in roster.rows() {
                    assert_eq!((u64::from(row.site), u64::from(row.tag)), (row.born_ms, row.born_ms));
                }
            }
        });
        assert_eq!((roster.rows().count(), ends.into_inner()), (0, u64::from(TASKS)));
    }
}
