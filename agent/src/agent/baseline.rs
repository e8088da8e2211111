//! What the profiles looked like a while ago: the raw snapshots that growth is measured against.
//! Bounded: three profiles a kind, each bounded by its source. Not named, a stack of 40 frames takes about 250 bytes:
//! with 5,000 stacks, as a busy service has, three take 4 MB.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::profile::Profile;

/// How many snapshots of a kind are kept. Taken every half growth window, the oldest is one to one and a half
/// windows old.
const KEPT: usize = 3;

/// Raw profiles of one kind, the oldest first, each with when it was taken (since the start of the agent).
#[derive(Clone, Debug)]
pub(super) struct Baseline {
    pub(super) kind: &'static str,
    every: Duration,
    taken: VecDeque<(Duration, Arc<Profile>)>,
}

impl Baseline {
    /// Snapshots of `kind` to compare with, for growth over `window`.
    pub(super) fn new(kind: &'static str, window: Duration) -> Self {
        Self { kind, every: window / 2, taken: VecDeque::new() }
    }

    /// True when it is time for another one.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        self.taken.back().is_none_or(|(at, _)| now.saturating_sub(*at) >= self.every)
    }

    /// Keeps `profile`, taken at `now`.
    pub(super) fn add(&mut self, now: Duration, profile: Profile) {
        self.taken.push_back((now, Arc::new(profile)));
        while self.taken.len() > KEPT {
            self.taken.pop_front();
        }
    }

    /// The oldest one kept, and when it was taken.
    pub(super) fn oldest(&self) -> Option<(Duration, Arc<Profile>)> {
        self.taken.front().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_one_to_one_and_a_half_windows_old() {
        let window = Duration::from_secs(60);
        let mut baseline = Baseline::new("heap", window);
        for second in 0..600 {
            let now = Duration::from_secs(second);
            if baseline.is_due(now) {
                baseline.add(now, Profile::new("heap", []));
            }
            let age = now - baseline.oldest().expect("one").0;
            assert!(second < 90 || (window..=window * 3 / 2).contains(&age), "{age:?} at {second}");
        }
    }
}
