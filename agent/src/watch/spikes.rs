//! Which of the last windows had a spike in them, for faults that come and go: many short spikes are one fault, a single
//! one is none.

use std::collections::VecDeque;
use std::time::Duration;

/// Windows of equal length, and in which of the last of them there was a spike. At most one number a window is kept.
#[derive(Clone, Debug)]
pub(super) struct Spikes {
    last: u32,
    window: Duration,
    /// The windows with a spike, counted from the start, the oldest first.
    windows: VecDeque<u128>,
}

impl Spikes {
    /// Looks back over the `last` windows of length `window`, the one that is not over yet among them.
    pub(super) const fn over(last: u32, window: Duration) -> Self {
        Self { last, window, windows: VecDeque::new() }
    }

    /// Takes a reading made at `now`, and says in how many of the last windows there was a spike. Times must not go
    /// backwards.
    pub(super) fn count(&mut self, now: Duration, spike: bool) -> usize {
        let window = now.as_nanos() / self.window.as_nanos().max(1);
        if spike && self.windows.back() != Some(&window) {
            self.windows.push_back(window);
        }
        while self.windows.front().is_some_and(|oldest| oldest + u128::from(self.last) <= window) {
            self.windows.pop_front();
        }
        self.windows.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One reading a second against windows of two: a digit says in how many of the last three there was a spike (`^`).
    #[track_caller]
    fn check(readings: &str, expected: &str) {
        let mut spikes = Spikes::over(3, Duration::from_secs(2));
        let counts = (0..).zip(readings.chars()).map(|(second, reading)| {
            let count = spikes.count(Duration::from_secs(second), reading == '^');
            char::from_digit(u32::try_from(count).expect("few"), 10).expect("a digit")
        });
        assert_eq!(counts.collect::<String>(), expected);
    }

    #[test]
    fn a_window_counts_once_and_not_for_ever() {
        check("........", "00000000");
        check("^^......", "11111100");
        check(".^^.^.......", "012233221100");
        check("^^^^^^^^", "11223333");
    }
}
