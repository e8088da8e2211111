//! How much the profile behind an alert may cost a service that is in trouble already. Pure: the time and the readings are
//! arguments.

use std::collections::VecDeque;
use std::time::Duration;

use crate::Unit;

/// The most profiles that alerts take in an hour. Posts are limited too, but a rule of the service's own may fire at
/// whatever it likes.
const AN_HOUR: usize = 12;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// With less room to the memory limit nothing is named: reading debug info and drawing what was found take about 10 MiB,
/// and the leak goes on meanwhile.
const LEAST_ROOM: u64 = 32 << 20;

/// How to look for the cause of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Care {
    /// With a profile, named and drawn.
    Full,
    /// With a profile as it is collected, which takes a millisecond and is named when it is opened; and why.
    Raw(String),
    /// Without any, and why.
    Bare(&'static str),
}

/// Decides that for each alert.
#[derive(Debug)]
pub(super) struct Restraint {
    /// The share of the CPU time there is above which nothing is named; `None` for no such share.
    ceiling: Option<f64>,
    taken: VecDeque<Duration>,
    counts: Counts,
}

/// How often less was done than could have been.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Profiles left without names.
    pub(super) raw: u64,
    /// Alerts without a profile.
    pub(super) bare: u64,
}

impl Restraint {
    pub(super) fn new(ceiling: Option<f64>) -> Self {
        Self { ceiling, taken: VecDeque::new(), counts: Counts::default() }
    }

    /// How to look at `now`, with `room` bytes to the memory limit and `cpu` of the CPU time in use, where they are known.
    /// `has_place` is false when too many alerts are being written.
    pub(super) fn care(
        &mut self,
        now: Duration,
        has_place: bool,
        room: Option<u64>,
        cpu: Option<f64>,
    ) -> Care {
        while self.taken.front().is_some_and(|then| now.saturating_sub(*then) >= HOUR) {
            self.taken.pop_front();
        }
        let care = if !has_place {
            // Late news is worse than bare news.
            Care::Bare("too many alerts are being written")
        } else if self.taken.len() >= AN_HOUR {
            Care::Bare("there were 12 in the last hour")
        } else if let Some(room) = room.filter(|room| *room < LEAST_ROOM) {
            Care::Raw(format!("only {} are left to the memory limit", Unit::Bytes.show(room as f64)))
        } else if let Some(cpu) = cpu.filter(|cpu| self.ceiling.is_some_and(|ceiling| *cpu > ceiling)) {
            Care::Raw(format!("the CPU is at {} of what there is", Unit::Ratio.show(cpu)))
        } else {
            Care::Full
        };
        match care {
            Care::Full => {}
            Care::Raw(_) => self.counts.raw += 1,
            Care::Bare(_) => self.counts.bare += 1,
        }
        if !matches!(care, Care::Bare(_)) {
            self.taken.push_back(now);
        }
        care
    }

    /// How often less was done than could have been.
    pub(super) const fn counts(&self) -> Counts {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(count: u64) -> Duration {
        Duration::from_secs(60 * count)
    }

    #[test]
    fn what_is_scarce_is_spared() {
        let mut restraint = Restraint::new(Some(0.95));
        assert_eq!(restraint.care(minutes(1), true, Some(LEAST_ROOM), Some(0.95)), Care::Full);
        assert_eq!(restraint.care(minutes(1), true, None, None), Care::Full);
        let scarce = restraint.care(minutes(1), true, Some(LEAST_ROOM - 1), Some(1.0));
        assert_eq!(scarce, Care::Raw("only 32.0 MiB are left to the memory limit".to_owned()));
        let busy = restraint.care(minutes(1), true, Some(1 << 40), Some(0.99));
        assert_eq!(busy, Care::Raw("the CPU is at 99 % of what there is".to_owned()));
        assert!(matches!(restraint.care(minutes(1), false, None, None), Care::Bare(_)));
        assert_eq!(restraint.counts(), Counts { raw: 2, bare: 1 });
        assert_eq!(Restraint::new(None).care(minutes(1), true, None, Some(1.0)), Care::Full, "no ceiling");
    }

    #[test]
    fn an_hour_has_its_budget() {
        let mut restraint = Restraint::new(None);
        for minute in 0..20 {
            let full = restraint.care(minutes(minute), true, None, None) == Care::Full;
            assert_eq!(full, minute < 12, "{minute}");
        }
        assert_eq!(
            restraint.care(minutes(59), true, None, None),
            Care::Bare("there were 12 in the last hour")
        );
        assert_eq!(restraint.care(minutes(60), true, None, None), Care::Full, "the first is an hour ago");
        assert_eq!(restraint.counts().bare, 9);
    }
}
