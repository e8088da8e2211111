//! What the hooks cost, measured on every 17th call. Runs inside malloc.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::sys::clock;

/// A prime, so that a thread whose hooks come in twos (unwind, sample) or threes has each kind measured in turn.
const EVERY: u8 = 17;

/// A call longer than this was interrupted by the scheduler, which is not our cost.
const LONGEST_NS: u64 = 50_000;

/// A thread that has not called yet. Were its first call always measured, threads that live for one or two samples
/// would count for seventeen each.
const FRESH: u8 = u8::MAX;

thread_local! {
    /// How many calls until the next is measured.
    static CALLS: Cell<u8> = const { Cell::new(FRESH) };
}

/// Adds up the time spent in the hooks of all threads.
#[derive(Debug, Default)]
pub(super) struct Meter {
    total_ns: AtomicU64,
}

impl Meter {
    /// Runs `work`, and measures it if it is its turn.
    pub(super) fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        let calls = match CALLS.get() {
            FRESH => u8::try_from(clock::monotonic_ns() % u64::from(EVERY)).unwrap_or(0),
            calls => calls,
        };
        if calls == 0 {
            CALLS.set(EVERY - 1);
            let start = clock::monotonic_ns();
            let result = work();
            let taken = clock::monotonic_ns().saturating_sub(start).min(LONGEST_NS);
            self.add(taken.saturating_mul(u64::from(EVERY)));
            return result;
        }
        CALLS.set(calls - 1);
        work()
    }

    /// Adds time that cannot be measured, because it is spent elsewhere.
    pub(super) fn add(&self, nanos: u64) {
        self.total_ns.fetch_add(nanos, Ordering::Relaxed);
    }

    /// The estimated time in all calls so far.
    pub(super) fn total(&self) -> Duration {
        Duration::from_nanos(self.total_ns.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_in_seventeen_stands_for_all() {
        let meter = Meter::default();
        let busy = || {
            let end = clock::monotonic_ns() + 20_000;
            while clock::monotonic_ns() < end {
                std::hint::spin_loop();
            }
        };
        for _ in 0..17 * 4 {
            meter.run(busy);
        }
        let expected = Duration::from_micros(20 * 17 * 4);
        assert!(meter.total() >= expected, "{:?} is less than what was spent", meter.total());
        assert!(meter.total() < expected * 3, "{:?}", meter.total());
    }
}
