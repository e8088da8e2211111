//! The way of samples out of signal handlers: a bounded ring of words that many write and one reads. No lock, no
//! allocation, no waiting; what finds no room is counted.
//!
//! A record is a header word, which says how long it is, and what follows. A writer takes its words by moving `head`,
//! fills them and writes the header last; the reader takes a record when it sees its header, makes its words zero
//! again and moves `tail`. So a word that is not zero where a record begins is a finished record. The file speaks of
//! atomics through its parent, so that the model checker in `tests/model` can put its own there.

use super::atomic::{AtomicU64, Ordering};

/// The longest record in words, header included: 4 KiB.
pub(crate) const MAX_WORDS: usize = 512;

/// Tells a header from zero, which an empty record's length would be.
const FINISHED: u64 = 1 << 63;

/// A ring over words that somebody else holds.
#[derive(Debug)]
pub(crate) struct Ring<'words> {
    words: &'words [AtomicU64],
    head: AtomicU64,
    tail: AtomicU64,
    turned_away: AtomicU64,
}

impl<'words> Ring<'words> {
    /// A ring over `words`, all zero, as many as a power of two. (Otherwise nothing has room.)
    pub(crate) fn new(words: &'words [AtomicU64]) -> Self {
        let words = if words.len().is_power_of_two() { words } else { &[] };
        Self { words, head: AtomicU64::new(0), tail: AtomicU64::new(0), turned_away: AtomicU64::new(0) }
    }

    /// Adds the record `head` + `rest`; false, and counted, when there is no room. Async-signal-safe.
    pub(crate) fn push(&self, head: &[u64], rest: &[u64]) -> bool {
        let length = 1 + head.len() + rest.len();
        let Some(start) = self.take(length) else {
            self.turned_away.fetch_add(1, Ordering::Relaxed);
            return false;
        };
        for (place, value) in self.from(start + 1).zip(head.iter().chain(rest)) {
            place.store(*value, Ordering::Relaxed);
        }
        // Release: pairs with the Acquire in `pop`, so that who sees the header sees the words behind it.
        if let Some(header) = self.from(start).next() {
            header.store(FINISHED | length as u64, Ordering::Release);
        }
        true
    }

    /// Takes the oldest record into `record`, which has room for [`MAX_WORDS`], and gives back its words without the
    /// header. `None` when there is none that is finished. One reader at a time.
    pub(crate) fn pop<'record>(&self, record: &'record mut [u64; MAX_WORDS]) -> Option<&'record [u64]> {
        let tail = self.tail.load(Ordering::Relaxed);
        // Acquire: pairs with the Release in `push`.
        let header = self.from(tail).next()?.load(Ordering::Acquire);
        if header == 0 {
            return None;
        }
        let length = usize::try_from(header & !FINISHED).unwrap_or(0).clamp(1, MAX_WORDS);
        for (value, place) in record.iter_mut().zip(self.from(tail)).take(length) {
            *value = place.load(Ordering::Relaxed);
            place.store(0, Ordering::Relaxed);
        }
        // Release: pairs with the Acquire in `take`, so that whoever gets these words next finds them zero.
        self.tail.store(tail.wrapping_add(length as u64), Ordering::Release);
        record.get(1..length)
    }

    /// Runs `clear`, which makes every word zero, while all of them are taken and nobody writes; false, and nothing done,
    /// when a record is there or under way. The reader alone may call it.
    pub(crate) fn clear(&self, clear: impl FnOnce()) -> bool {
        let tail = self.tail.load(Ordering::Relaxed);
        // Positions count modulo the size, so those behind the ring are those of the ring.
        let after = tail.wrapping_add(self.words.len() as u64);
        // Acquire: what earlier writers wrote is there before it is cleared; with `head` at `tail` each has been read.
        if self.head.compare_exchange(tail, after, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return false;
        }
        clear();
        // Release: pairs with the Acquire in `take`.
        self.tail.store(after, Ordering::Release);
        true
    }

    /// How many records found no room.
    pub(crate) fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }

    /// Takes `length` words and says where they begin.
    fn take(&self, length: usize) -> Option<u64> {
        if length > MAX_WORDS {
            return None;
        }
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // Acquire: pairs with the Release in `pop`.
            let used = head.wrapping_sub(self.tail.load(Ordering::Acquire));
            if used > u64::MAX / 2 {
                // `head` is from before `tail`: whoever moved that had seen a later one, and now so do we.
                head = self.head.load(Ordering::Relaxed);
                continue;
            }
            // Where `tail` is from before `head` there may be more room than we see: then the record is turned away
            // rather than the handler kept waiting.
            if used + length as u64 > self.words.len() as u64 {
                return None;
            }
            let after = head.wrapping_add(length as u64);
            match self.head.compare_exchange_weak(head, after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(head),
                Err(now) => head = now,
            }
        }
    }

    /// The words from a position on, once round.
    fn from(&self, position: u64) -> impl Iterator<Item = &'words AtomicU64> + use<'words> {
        // With no words at all the mask is all ones, and the index past the end is brought back to it.
        let mask = (self.words.len() as u64).wrapping_sub(1);
        let index = usize::try_from(position & mask).unwrap_or(0).min(self.words.len());
        let (before, after) = self.words.split_at(index);
        after.iter().chain(before)
    }
}
