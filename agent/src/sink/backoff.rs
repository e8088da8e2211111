//! How long to wait after a failed delivery. Pure: failures and dice in, a duration out.

use std::time::Duration;

/// The longest rest that another side is granted, whatever it asks for.
pub(super) const MAX_ASKED: Duration = Duration::from_secs(600);

/// No wait is longer, whatever the options say; it also keeps the arithmetic below from overflowing.
const MAX_WAIT: Duration = Duration::from_secs(86_400);

/// Doubling waits with jitter, so that a fleet that lost Slack together does not come back together.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    pub(super) const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// Forgets past failures.
    pub(super) const fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after one more failure: between half and all of the doubled wait, and no less than `asked`.
    /// `dice` is any random number.
    pub(super) fn next(&mut self, asked: Option<Duration>, dice: u64) -> Duration {
        let doubled =
            self.first.saturating_mul(2_u32.saturating_pow(self.failures)).min(self.longest).min(MAX_WAIT);
        self.failures = self.failures.saturating_add(1);
        let luck = f64::from(u32::try_from(dice >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        let jittered = doubled.mul_f64(0.5 + luck / 2.0);
        // What was asked for is a floor: a tenth on top spreads those who were all told the same.
        let floor = asked.map(|asked| asked.min(MAX_ASKED).mul_f64(1.0 + luck / 10.0));
        jittered.max(floor.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(backoff: &mut Backoff, dice: u64, count: usize) -> Vec<f64> {
        (0..count).map(|_| backoff.next(None, dice).as_secs_f64()).collect()
    }

    #[test]
    fn doubles_up_to_the_longest() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(300));
        assert_eq!(
            seconds(&mut backoff, u64::MAX, 11),
            [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0, 300.0]
        );
        backoff.reset();
        assert_eq!(seconds(&mut backoff, 0, 3), [0.5, 1.0, 2.0]);
    }

    #[test]
    fn years_of_failures_do_not_overflow() {
        let mut backoff =
            Backoff { failures: u32::MAX, ..Backoff::new(Duration::from_secs(1), Duration::from_secs(300)) };
        assert_eq!(backoff.next(None, u64::MAX), Duration::from_secs(300));
    }

    #[test]
    fn absurd_options_do_not_overflow() {
        let mut backoff = Backoff::new(Duration::MAX, Duration::MAX);
        assert_eq!(backoff.next(Some(Duration::MAX), u64::MAX), MAX_WAIT);
    }

    #[test]
    fn a_wish_is_a_floor_with_a_ceiling() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(300));
        assert_eq!(backoff.next(Some(Duration::from_secs(20)), 0), Duration::from_secs(20));
        assert_eq!(backoff.next(Some(Duration::MAX), 0), Duration::from_secs(600));
        assert_eq!(backoff.next(Some(Duration::ZERO), u64::MAX), Duration::from_secs(4));
    }
}
