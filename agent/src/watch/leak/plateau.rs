//! What is known to fill up to a level and stay there, across restarts: a cache that fills after each deploy looks like
//! a leak for as long as it fills.

use std::collections::BTreeMap;
use std::time::Duration;

/// What a stack once reached may be exceeded by so much before it is told.
pub const PLATEAU_MARGIN: f64 = 1.2;

/// A plateau that nobody has confirmed for this long is forgotten: code changes.
pub const DEFAULT_PLATEAU_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// No more plateaus are kept, at 24 bytes each and what the map takes: about 200 KiB.
const MOST: usize = 4_096;

/// Plateaus by the fingerprint of a stack, which is the same in every run of a build. Times count from any moment that
/// the caller keeps to across restarts, such as 1970.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "__agent", derive(serde::Serialize, serde::Deserialize))]
pub struct Plateaus {
    /// By fingerprint: the amount, and the second it was last seen at.
    known: BTreeMap<u64, (f64, u64)>,
}

impl Plateaus {
    /// Remembers that what `fingerprint` stands for stood at `amount` at `now` without leaking.
    /// The highest counts.
    pub fn remember(&mut self, fingerprint: u64, amount: f64, now: Duration) {
        if !(amount.is_finite() && amount > 0.0) {
            return;
        }
        let (known, seen) = self.known.entry(fingerprint).or_insert((amount, 0));
        *known = known.max(amount);
        *seen = (*seen).max(now.as_secs());
        if self.known.len() > MOST
            && let Some(smallest) = self.smallest()
        {
            self.known.remove(&smallest);
        }
    }

    /// Below this amount the stack is silent; 0 for one that is not known.
    #[must_use]
    pub fn quiet_below(&self, fingerprint: u64) -> f64 {
        self.known.get(&fingerprint).map_or(0.0, |(amount, _)| amount * PLATEAU_MARGIN)
    }

    /// Forgets what is older than `age` at `now`.
    pub fn forget(&mut self, now: Duration, age: Duration) {
        let limit = now.saturating_sub(age).as_secs();
        self.known.retain(|_, (_, seen)| *seen >= limit);
    }

    /// How many are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    fn smallest(&self) -> Option<u64> {
        self.known.iter().min_by(|a, b| a.1.0.total_cmp(&b.1.0)).map(|(fingerprint, _)| *fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[track_caller]
    fn check(seen: &[(u32, f64)], expected: f64) {
        let mut plateaus = Plateaus::default();
        for (day, amount) in seen {
            plateaus.remember(7, *amount, DAY * *day);
            plateaus.forget(DAY * *day, DEFAULT_PLATEAU_AGE);
        }
        plateaus.forget(DAY * 40, DEFAULT_PLATEAU_AGE);
        assert!((plateaus.quiet_below(7) - expected).abs() < 1e-6, "{plateaus:?}");
        assert!(plateaus.quiet_below(8).abs() < 1e-6);
    }

    #[test]
    fn the_highest_counts_and_ages_out() {
        check(&[], 0.0);
        check(&[(39, 100.0)], 120.0);
        check(&[(38, 100.0), (39, 50.0)], 120.0);
        check(&[(38, 100.0), (39, 110.0)], 132.0);

        check(&[(9, 100.0)], 0.0);
        check(&[(39, f64::NAN), (39, -1.0)], 0.0);
    }

    #[test]
    fn there_is_a_bound() {
        let mut plateaus = Plateaus::default();
        for fingerprint in 0..MOST as u64 + 10 {
            plateaus.remember(fingerprint, fingerprint as f64 + 1.0, DAY);
        }
        assert_eq!((plateaus.len(), plateaus.quiet_below(3) > 0.0), (MOST, false));
        assert!(plateaus.quiet_below(MOST as u64) > 0.0);
    }

    #[cfg(feature = "__agent")]
    #[test]
    fn a_plateau_outlives_the_process() {
        let mut plateaus = Plateaus::default();
        plateaus.remember(u64::MAX, 1.5e8, DAY);
        let text = serde_json::to_string(&plateaus).expect("numbers");
        assert_eq!(serde_json::from_str::<Plateaus>(&text).expect("what was written"), plateaus);
    }
}
