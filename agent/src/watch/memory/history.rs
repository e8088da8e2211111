//! The recent past of the memory: what is held against the limit as two series, and whole readings now and then.
//! Bounded: two series of 5.8 KB, and 13 readings of about 250 bytes.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Heap, MIN_GROWTH, Memory, Stacks, Verdict};
use crate::watch::{Growth, Series, TimeLeft};

/// So many whole readings a window; the oldest kept is one window old.
const READINGS: u32 = 12;

/// The short series covers this part of the window, for a growth that has only just begun.
const SHORT: u32 = 3;

/// And so many ticks at least: nine points are needed, and some may fail.
const MIN_TICKS: u32 = 15;

/// What was read of the memory, over one growth window.
#[derive(Clone, Debug)]
pub(crate) struct History {
    every: Duration,
    readings: VecDeque<(Duration, Memory)>,
    latest: Option<(Duration, Memory)>,
    long: Series,
    short: Series,
    /// What a thread's stack takes, as it was measured last.
    stack: Option<f64>,
}

/// The memory with what can be said of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Account {
    pub(crate) memory: Memory,
    pub(crate) verdict: Verdict,
    /// The growth of what is held against the limit, if it is steady.
    pub(crate) growth: Option<Growth>,
    /// `None` when no limit is known, or nothing grows towards it.
    pub(crate) time_left: Option<TimeLeft>,
}

impl History {
    /// For growth over `window`, with a reading every `tick`.
    pub(crate) fn over(window: Duration, tick: Duration) -> Self {
        let short = (window / SHORT).max(tick.saturating_mul(MIN_TICKS)).min(window);
        Self {
            every: window / READINGS,
            readings: VecDeque::new(),
            latest: None,
            long: Series::spanning(window),
            short: Series::spanning(short),
            stack: None,
        }
    }

    /// Takes a reading made at `now`. Times must not go backwards.
    pub(crate) fn push(&mut self, now: Duration, memory: Memory) {
        if let Some(level) = memory.level {
            self.long.push(now, level.usage as f64);
            self.short.push(now, level.usage as f64);
        }
        if self.readings.back().is_none_or(|(at, _)| now.saturating_sub(*at) >= self.every) {
            self.readings.push_back((now, memory.clone()));
            while self.readings.len() > READINGS as usize + 1 {
                self.readings.pop_front();
            }
        }
        self.latest = Some((now, memory));
    }

    /// Takes what all `threads` stacks take, measured now.
    pub(crate) fn measured(&mut self, stacks: Stacks, threads: u64) {
        self.stack = Some(stacks.bytes as f64 / threads.max(1) as f64);
    }

    /// True when what lies beside the heap has grown since the stacks were measured, so that measuring them would tell
    /// something.
    pub(crate) fn wants_stacks(&self) -> bool {
        let (Some((_, oldest)), Some((_, latest))) = (self.readings.front(), &self.latest) else {
            return false;
        };
        self.stack.is_none()
            && latest.threads > oldest.threads
            && beside(latest).saturating_sub(beside(oldest)) >= MIN_GROWTH
    }

    /// What can be said of the newest reading; `None` before the first.
    pub(crate) fn newest(&self) -> Option<Account> {
        self.latest.as_ref().map(|(at, memory)| self.account(*at, memory.clone()))
    }

    /// What can be said of `memory`, read at `now`. Where its stacks were not measured, they are estimated by those that
    /// were; and so are those of earlier readings.
    pub(crate) fn account(&self, now: Duration, mut memory: Memory) -> Account {
        let stack =
            memory.stacks.map(|stacks| stacks.bytes as f64 / memory.threads.max(1) as f64).or(self.stack);
        memory.stacks = memory.stacks.or_else(|| estimated(stack, &memory));
        let verdict = match self.readings.front() {
            Some((at, before)) => {
                let before = Memory { stacks: estimated(stack, before), ..before.clone() };
                Verdict::of(&before, &memory, now.saturating_sub(*at))
            }
            None => Verdict::at_rest(&memory),
        };
        // What is not enough to be explained is not enough to foretell anything from, and for what the kernel can take back
        // it kills nobody.
        let growth = self.growth().filter(|_| verdict.is_lasting());
        let time_left =
            memory.level.zip(growth).and_then(|(level, growth)| TimeLeft::of(level.room as f64, &growth));
        Account { memory, verdict, growth, time_left }
    }

    /// The growth over the window; over its last part alone where that is steady and surely another, or where the whole
    /// is not steady: a leak may have begun, or ended, on the way.
    fn growth(&self) -> Option<Growth> {
        let (long, short) = (Growth::of_drifting(&self.long), Growth::of_drifting(&self.short));
        match (long.filter(|growth| growth.steady), short) {
            (Some(long), Some(short)) if differ(&long, &short) => Some(short).filter(|growth| growth.steady),
            (Some(long), _) => Some(long),
            (None, short) => short.filter(|growth| growth.steady),
        }
    }
}

/// Whether their bands do not touch.
fn differ(left: &Growth, right: &Growth) -> bool {
    left.at_least() > right.at_most() || right.at_least() > left.at_most()
}

/// What the stacks of `memory` take if each takes what one took when they were measured. Other threads had other stacks, so
/// never more than there is beside the heap.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float cast saturates")]
fn estimated(stack: Option<f64>, memory: &Memory) -> Option<Stacks> {
    let bytes = (stack? * memory.threads as f64) as u64;
    Some(Stacks { bytes: bytes.min(beside(memory)), estimated: true })
}

/// What is anonymous and surely not jemalloc's.
fn beside(memory: &Memory) -> u64 {
    memory.anonymous.saturating_sub(memory.heap.map_or(0, Heap::at_most))
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    const MIB: u64 = 1 << 20;
    const WINDOW: Duration = Duration::from_secs(600);
    const TICK: Duration = Duration::from_secs(5);

    fn memory(usage: u64, threads: u64) -> Memory {
        let heap = Heap { allocated: usage, active: usage, resident: usage, ..Heap::default() };
        let level = Level { usage, limit: 1000 * MIB, room: (1000 * MIB).saturating_sub(usage), whose: "" };
        Memory { anonymous: usage, threads, heap: Some(heap), level: Some(level), ..Memory::default() }
    }

    fn history(seconds: u64, usage: impl Fn(u64) -> u64) -> History {
        let mut history = History::over(WINDOW, TICK);
        for second in (0..=seconds).step_by(5) {
            history.push(Duration::from_secs(second), memory(usage(second), 10));
        }
        history
    }

    /// The expected time left after so many seconds, in whole seconds.
    #[track_caller]
    fn check(seconds: u64, usage: impl Fn(u64) -> u64, expected: Option<u64>) {
        let account = history(seconds, usage).newest().expect("a reading");
        assert_eq!(account.time_left.map(|left| left.expected.as_secs()), expected, "{:?}", account.growth);
    }

    #[test]
    fn the_time_left_follows_the_growth_of_now() {
        let mib = |number: u64| number * MIB;
        check(600, |_| mib(500), None);
        check(600, |second| mib(100) + second * MIB / 2, Some(1_200));
        check(60, |second| mib(100) + second * MIB / 2, None);
        // The window is not full, but its last third is: a leak of 2 MiB a second leaves no time to wait for more.
        check(205, |second| mib(100) + second * 2 * MIB, Some(245));
        // It began five minutes ago: by the whole window it would be slower.
        check(600, |second| mib(100) + second.saturating_sub(300) * MIB, Some(600));
        // It ended five minutes ago.
        check(600, |second| mib(100) + second.min(300) * MIB, None);
        // A step is no growth, wherever it falls.
        for edge in (0..600).step_by(20) {
            check(600, |second| if second < edge { mib(100) } else { mib(800) }, None);
        }
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_reading_is_a_window_old() {
        let history = history(7_200, |_| MIB);
        assert_eq!(history.readings.len(), 13);
        let verdict = history.newest().expect("a reading").verdict;
        assert!(verdict.over >= WINDOW * 11 / 12 && verdict.over <= WINDOW * 14 / 12, "{verdict:?}");
    }

    #[test]
    fn stacks_of_before_are_estimated_by_those_of_now() {
        let mut history = History::over(WINDOW, TICK);
        history.push(Duration::ZERO, memory(10 * MIB, 10));
        let mut later = memory(10 * MIB, 110);
        later.anonymous = 60 * MIB;
        history.push(TICK, later.clone());
        assert!(history.wants_stacks());
        let stacks = Stacks { bytes: 55 * MIB, estimated: false };
        let account = history.account(TICK, Memory { stacks: Some(stacks), ..later });
        assert_eq!(account.verdict.name(), "stacks", "{account:?}");
        history.measured(stacks, 110);
        let newest = history.newest().expect("a reading");
        assert_eq!(newest.memory.stacks, Some(Stacks { bytes: 50 * MIB, estimated: true }));
        assert!(newest.verdict.name() == "stacks" && !history.wants_stacks());
    }
}
