//! How many in the last minute, without a list of them: counts by stretches of five seconds, of which the latest twelve
//! are kept. Time is an argument.

use std::sync::atomic::{AtomicU64, Ordering};

/// How long one stretch is.
const STRETCH_MS: u64 = 5_000;

/// A minute of them.
const STRETCHES: u32 = 12;

/// The count of a stretch in the lower half, and which stretch it is, plus one, in the upper.
#[derive(Debug, Default)]
pub(super) struct Recent([AtomicU64; STRETCHES as usize]);

impl Recent {
    /// One more.
    pub(super) fn count(&self, now_ms: u64) {
        let stretch = stretch_of(now_ms);
        let place = self.0.get(usize::try_from(stretch % u64::from(STRETCHES)).unwrap_or(0));
        let more = |old: u64| Some(if old >> 32 == stretch { old + 1 } else { stretch << 32 | 1 });
        if let Some(place) = place {
            let _always_some = place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        }
    }

    /// How many there were in the last minute, give or take a stretch.
    pub(super) fn last_minute(&self, now_ms: u64) -> u64 {
        let now = stretch_of(now_ms);
        let counts = self.0.iter().map(|place| place.load(Ordering::Relaxed));
        let recent = counts.filter(|count| now < (count >> 32) + u64::from(STRETCHES));
        recent.map(|count| count & u64::from(u32::MAX)).sum()
    }
}

/// From 1 on, so that 0 is none. Half of a word lasts for six centuries.
const fn stretch_of(now_ms: u64) -> u64 {
    (now_ms / STRETCH_MS + 1) & u32::MAX as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_passes() {
        let recent = Recent::default();
        let seconds = |second: u64| second * 1_000;
        (0..30).for_each(|second| recent.count(seconds(second)));
        let at = |second| recent.last_minute(seconds(second));
        assert_eq!([29, 59, 60, 64, 65, 84, 85, 1_000].map(at), [30, 30, 25, 25, 20, 5, 0, 0]);
        recent.count(seconds(1_000));
        assert_eq!(at(1_000), 1);
    }
}
