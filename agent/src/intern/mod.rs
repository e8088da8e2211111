//! A table that only grows: equal values get one number, for good. Lock-free for who looks up and for who adds, because
//! both happen while a task is polled. It knows nothing of what the values mean.

pub(crate) mod hash;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Entries come in chunks, so that a service with ten labels does not pay for thousands.
const CHUNK: usize = 256;

/// The most places looked at for one value, so that values that collide cost little however many there are. At half
/// full, which is the most, a run this long does not come up by chance.
const PROBES: usize = 128;

/// Values of one type, numbered from 1.
#[derive(Debug)]
pub(crate) struct Interner<T> {
    /// Numbers by hash, 0 where there is none yet. Twice as many places as there can be values.
    index: Box<[AtomicU32]>,
    chunks: Box<[OnceLock<Chunk<T>>]>,
    taken: AtomicU32,
}

type Chunk<T> = Box<[OnceLock<T>]>;

impl<T> Interner<T> {
    /// A table for up to `most` values, a power of two.
    pub(crate) fn new(most: usize) -> Self {
        let most = most.next_power_of_two();
        Self {
            index: std::iter::repeat_with(AtomicU32::default).take(most * 2).collect(),
            chunks: std::iter::repeat_with(OnceLock::new).take(most.div_ceil(CHUNK)).collect(),
            taken: AtomicU32::new(0),
        }
    }

    /// The value with this number.
    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        let index = (number as usize).checked_sub(1)?;
        self.chunks.get(index / CHUNK)?.get()?.get(index % CHUNK)?.get()
    }

    /// How many values there are. Two threads that add the same value at once use up two.
    pub(crate) fn len(&self) -> u32 {
        self.taken.load(Ordering::Relaxed)
    }

    /// The number of the value with this `hash` that `is` the one, else that of the one that `make` makes. `None` when
    /// it would be a new one and there are `limit` already.
    #[inline]
    pub(crate) fn intern(
        &self,
        hash: u64,
        limit: usize,
        is: impl Fn(&T) -> bool,
        make: impl FnOnce() -> T,
    ) -> Option<u32> {
        let start = self.start_of(hash);
        for probe in 0..PROBES {
            let place = self.place(start + probe)?;
            // Acquire: pairs with the Release of who put the number here, after filling the entry.
            let number = place.load(Ordering::Acquire);
            if number == 0 {
                return self.add(start, probe, limit, is, make);
            }
            if self.get(number).is_some_and(&is) {
                return Some(number);
            }
        }
        None
    }

    #[cold]
    fn add(
        &self,
        start: usize,
        probe: usize,
        limit: usize,
        is: impl Fn(&T) -> bool,
        make: impl FnOnce() -> T,
    ) -> Option<u32> {
        let ours = self.fill(limit, make)?;
        for probe in probe..PROBES {
            let place = self.place(start + probe)?;
            // Release: the entry is filled before its number can be read. Acquire: theirs was, too.
            let theirs = match place.compare_exchange(0, ours, Ordering::Release, Ordering::Acquire) {
                Ok(_) => return Some(ours),
                Err(theirs) => theirs,
            };
            if self.get(theirs).is_some_and(&is) {
                return Some(theirs);
            }
        }
        None
    }

    /// Puts what `make` makes into a free entry.
    fn fill(&self, limit: usize, make: impl FnOnce() -> T) -> Option<u32> {
        let more = |taken: u32| ((taken as usize) < limit).then_some(taken + 1);
        let index = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()? as usize;
        let chunk = self.chunks.get(index / CHUNK)?;
        let chunk = chunk.get_or_init(|| std::iter::repeat_with(OnceLock::new).take(CHUNK).collect());
        chunk.get(index % CHUNK)?.set(make()).ok()?;
        u32::try_from(index + 1).ok()
    }

    /// The upper bits, which a multiplication mixes best.
    fn start_of(&self, hash: u64) -> usize {
        let bits = self.index.len().ilog2();
        usize::try_from(hash >> (u64::BITS - bits)).unwrap_or(0)
    }

    fn place(&self, index: usize) -> Option<&AtomicU32> {
        self.index.get(index & (self.index.len() - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intern(table: &Interner<u64>, value: u64, limit: usize) -> Option<u32> {
        table.intern(value.wrapping_mul(0x9e37_79b9_7f4a_7c15), limit, |other| *other == value, || value)
    }

    #[test]
    fn equal_values_get_one_number() {
        let table = Interner::new(1_024);
        let numbers: Vec<_> = (0..1_000).map(|value| intern(&table, value, 1_024).expect("room")).collect();
        assert_eq!(numbers, (1..=1_000).collect::<Vec<_>>());
        for (value, number) in numbers.iter().enumerate() {
            assert_eq!(intern(&table, value as u64, 1_024), Some(*number));
            assert_eq!(table.get(*number), Some(&(value as u64)));
        }
        assert_eq!((table.get(0), table.get(1_001), table.get(u32::MAX)), (None, None, None));
    }

    #[test]
    fn past_the_limit_only_what_is_known_has_a_number() {
        let table = Interner::new(8);
        assert_eq!([5, 6, 7].map(|value| intern(&table, value, 2)), [Some(1), Some(2), None]);
        assert_eq!(intern(&table, 7, 8), Some(3), "others may have more");
        assert_eq!((intern(&table, 7, 2), table.len()), (Some(3), 3));
        let same_hash = |value: u64| table.intern(7, 8, |other| *other == value, || value);
        assert_eq!([100, 101].map(same_hash), [Some(4), Some(5)]);
    }

    #[test]
    fn threads_that_add_the_same_agree() {
        let table = Interner::new(4_096);
        let all: Vec<Vec<_>> = std::thread::scope(|scope| {
            let work = || (0..500).map(|value| intern(&table, value, 4_096)).collect();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().expect("a thread")).collect()
        });
        assert!(all.iter().all(|numbers| *numbers == all[0]));
        for (value, number) in all[0].iter().enumerate() {
            assert_eq!(table.get(number.expect("room")), Some(&(value as u64)));
        }
    }
}
