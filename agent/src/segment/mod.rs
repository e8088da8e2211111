//! Operations on other systems, as a table: how many, how fast, how long. The service says where one begins and ends.

mod recent;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::intern::{Interner, hash};
use crate::sys::clock;
use recent::Recent;

/// The most operations kept apart; later ones count as `(other)`. 1,024 of 0.5 KB at the most are 0.5 MB.
const MAX_OPERATIONS: usize = 1_024;

/// The longest name kept of each of the three, in bytes.
const MAX_NAME: usize = 96;

/// An operation in progress; its end is when this is dropped.
#[derive(Debug)]
#[must_use = "the segment ends when this is dropped; keep it in a variable"]
pub struct Segment {
    operation: &'static Operation,
    began: Instant,
}

/// Counts and times one operation, from here until the returned [`Segment`] is dropped: `product` is the system asked
/// (`mysql`), `operation` what it is asked for (`findBooking`), `collection` of what (`bookings`). The debug port shows
/// calls, calls a minute, the average, the shortest, the longest, and how many are in flight.
///
/// 1,024 operations are kept apart, the rest count together as `(other)`: a name is a kind of operation, not its
/// arguments. Costs about 150 ns. May be held across an `.await`, also one that is canceled: it ends then.
///
/// ```
/// # async fn find(_id: u64) {}
/// # async fn booking(id: u64) {
/// let segment = flamewatch::segment("mysql", "findBooking", "bookings");
/// find(id).await;
/// drop(segment);
/// # }
/// ```
pub fn segment(product: &str, operation: &str, collection: &str) -> Segment {
    let operation = TABLE.operation([product, operation, collection]);
    operation.in_flight.fetch_add(1, Ordering::Relaxed);
    Segment { operation, began: Instant::now() }
}

/// What one operation has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SegmentStats {
    pub(crate) product: String,
    pub(crate) operation: String,
    pub(crate) collection: String,
    /// Those that have ended.
    pub(crate) calls: u64,
    /// Those that ended in the last minute.
    pub(crate) last_minute: u64,
    pub(crate) in_flight: u64,
    pub(crate) total: Duration,
    pub(crate) shortest: Duration,
    pub(crate) longest: Duration,
}

/// Every operation there was, by product, operation and collection.
pub(crate) fn snapshot() -> Vec<SegmentStats> {
    TABLE.snapshot(clock::coarse_ms())
}

static TABLE: LazyLock<Table> = LazyLock::new(Table::default);

#[derive(Debug)]
struct Table {
    operations: Interner<Operation>,
    other: Operation,
}

#[derive(Debug)]
struct Operation {
    names: [Box<str>; 3],
    calls: AtomicU64,
    in_flight: AtomicU64,
    total_ns: AtomicU64,
    shortest_ns: AtomicU64,
    longest_ns: AtomicU64,
    recent: Recent,
}

impl Drop for Segment {
    fn drop(&mut self) {
        self.operation.ended(self.began.elapsed(), clock::coarse_ms());
    }
}

impl SegmentStats {
    /// How long one took on average.
    pub(crate) fn average(&self) -> Duration {
        let calls = u32::try_from(self.calls).unwrap_or(u32::MAX);
        self.total.checked_div(calls).unwrap_or_default()
    }
}

impl Default for Table {
    fn default() -> Self {
        Self { operations: Interner::new(MAX_OPERATIONS), other: Operation::new(["(other)", "", ""]) }
    }
}

impl Table {
    fn operation(&self, names: [&str; 3]) -> &Operation {
        let names = names.map(cut);
        let is =
            |operation: &Operation| operation.names.iter().zip(names).all(|(ours, name)| **ours == *name);
        let make = || Operation::new(names);
        let number = self.operations.intern(hash::texts(&names), MAX_OPERATIONS, is, make);
        number.and_then(|number| self.operations.get(number)).unwrap_or(&self.other)
    }

    fn snapshot(&self, now_ms: u64) -> Vec<SegmentStats> {
        let kept = (1..=self.operations.len()).filter_map(|number| self.operations.get(number));
        let all = kept.chain([&self.other]).map(|operation| operation.stats(now_ms));
        let mut all: Vec<_> = all.filter(|stats| stats.calls + stats.in_flight > 0).collect();
        all.sort_by(|a, b| a.names().cmp(&b.names()));
        // Should the service call one `(other)` too: a name stands once.
        all.dedup_by(|more, kept| more.names() == kept.names() && kept.absorb(more));
        all
    }
}

impl SegmentStats {
    fn names(&self) -> [&str; 3] {
        [&self.product, &self.operation, &self.collection]
    }

    /// Adds what `other` has counted. True, so that it is then left out.
    fn absorb(&mut self, other: &Self) -> bool {
        let shortest =
            [&*self, other].into_iter().filter(|stats| stats.calls > 0).map(|stats| stats.shortest).min();
        self.shortest = shortest.unwrap_or_default();
        self.longest = self.longest.max(other.longest);
        self.calls += other.calls;
        self.last_minute += other.last_minute;
        self.in_flight += other.in_flight;
        self.total += other.total;
        true
    }
}

impl Operation {
    fn new(names: [&str; 3]) -> Self {
        Self {
            names: names.map(Box::from),
            calls: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            total_ns: AtomicU64::new(0),
            shortest_ns: AtomicU64::new(u64::MAX),
            longest_ns: AtomicU64::new(0),
            recent: Recent::default(),
        }
    }

    fn ended(&self, took: Duration, now_ms: u64) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.total_ns.fetch_add(took, Ordering::Relaxed);
        self.shortest_ns.fetch_min(took, Ordering::Relaxed);
        self.longest_ns.fetch_max(took, Ordering::Relaxed);
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.recent.count(now_ms);
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    fn stats(&self, now_ms: u64) -> SegmentStats {
        let nanos = |counter: &AtomicU64| Duration::from_nanos(counter.load(Ordering::Relaxed));
        let [product, operation, collection] = self.names.clone().map(String::from);
        let calls = self.calls.load(Ordering::Relaxed);
        SegmentStats {
            product,
            operation,
            collection,
            calls,
            last_minute: self.recent.last_minute(now_ms),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            total: nanos(&self.total_ns),
            shortest: if calls == 0 { Duration::ZERO } else { nanos(&self.shortest_ns) },
            longest: nanos(&self.longest_ns),
        }
    }
}

/// As much of a name as is kept.
fn cut(name: &str) -> &str {
    if name.len() <= MAX_NAME {
        return name;
    }
    let end = (0..=MAX_NAME).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
    name.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(product: &str) -> Vec<SegmentStats> {
        snapshot().into_iter().filter(|stats| stats.product == product).collect()
    }

    #[test]
    fn an_operation_is_in_flight_until_it_is_dropped() {
        let first = segment("flight", "get", "a");
        let second = segment("flight", "get", "a");
        assert_eq!(stats("flight").iter().map(|it| (it.calls, it.in_flight)).collect::<Vec<_>>(), [(0, 2)]);
        drop(first);
        assert_eq!(stats("flight").iter().map(|it| (it.calls, it.in_flight)).collect::<Vec<_>>(), [(1, 1)]);
        drop(second);
        let found = stats("flight");
        assert_eq!((found[0].calls, found[0].in_flight, found[0].last_minute), (2, 0, 2));
        assert!(found[0].shortest <= found[0].average() && found[0].average() <= found[0].longest);
    }

    #[test]
    fn times_add_up() {
        let table = Table::default();
        let operation = table.operation(["mysql", "find", "bookings"]);
        for (ms, at) in [(30, 0), (10, 59_000), (20, 61_000)] {
            operation.in_flight.fetch_add(1, Ordering::Relaxed);
            operation.ended(Duration::from_millis(ms), at);
        }
        let found = table.snapshot(61_000);
        assert_eq!(found.len(), 1);
        let ms = [found[0].shortest, found[0].average(), found[0].longest, found[0].total];
        assert_eq!(ms.map(|time| time.as_millis()), [10, 20, 30, 60]);
        assert_eq!((found[0].calls, found[0].last_minute), (3, 2));
    }

    #[test]
    fn operations_past_the_bound_count_together() {
        let table = Table::default();
        for index in 0..MAX_OPERATIONS + 5 {
            let operation = table.operation(["mysql", &index.to_string(), ""]);
            operation.in_flight.fetch_add(1, Ordering::Relaxed);
        }
        let found = table.snapshot(0);
        assert_eq!((found.len(), &*found[0].product, found[0].in_flight), (MAX_OPERATIONS + 1, "(other)", 5));
        let long = "é".repeat(MAX_NAME);
        assert_eq!(cut(&long).len(), MAX_NAME);
    }
}
