//! What a place holds at each snapshot, and by how much a difference between two of them can be off. Pure.
//!
//! An object is sampled when it is born or never, so what lies in both snapshots is the same samples and cancels. The
//! error of a difference is that of the objects that came and went, of which allocation counts give a bound; without
//! them, everything may have been replaced.

use std::ops::AddAssign;

/// The sums over some stacks at one snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sums {
    /// Bytes in use.
    pub(super) held: f64,
    /// Bytes ever allocated; 0 where nobody counts them.
    pub(super) allocated: f64,
    /// The square of the standard error of `held`, in bytes².
    pub(super) variance: f64,
    /// About how many samples are behind `held`.
    pub(super) samples: f64,
}

/// A place over all snapshots: one row of sums for each way in which it allocates.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    /// When the snapshots were taken, in minutes, rising.
    pub(super) minutes: Vec<f64>,
    pub(super) rows: Vec<Vec<Sums>>,
    /// Whether the snapshots count what was allocated.
    pub(super) counts_allocated: bool,
}

/// A difference, and its standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Change {
    pub(super) by: f64,
    pub(super) error: f64,
}

impl Sums {
    /// The sums of `bytes` in `objects` of a profile with one sample in so many bytes as `period`. Each object of size
    /// s was sampled with the chance p = 1 - exp(-s/period) and counts 1/p: the variance of their sum is that of a
    /// binomial. Many small objects come to bytes × period, and what is much larger than the period is exact.
    pub(super) fn of(bytes: f64, objects: Option<f64>, period: f64) -> Self {
        let size = objects.filter(|objects| *objects > 0.0).map_or(0.0, |objects| bytes / objects);
        if period <= 1.0 {
            return Self { held: bytes, samples: objects.unwrap_or(bytes), ..Self::default() };
        }
        let ratio = size / period;
        // For small objects s / (exp(s/period) - 1) is the period, and p is s/period.
        let (grain, samples) = if ratio < 1e-9 {
            (period, bytes / period)
        } else {
            (size / ratio.exp_m1(), bytes / size * -(-ratio).exp_m1())
        };
        Self { held: bytes, variance: bytes * grain, samples, ..Self::default() }
    }
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.held += other.held;
        self.allocated += other.allocated;
        self.variance += other.variance;
        self.samples += other.samples;
    }
}

impl Series {
    /// All rows at one snapshot.
    pub(super) fn at(&self, index: usize) -> Sums {
        let mut sums = Sums::default();
        self.rows.iter().filter_map(|row| row.get(index)).for_each(|row| sums += *row);
        sums
    }

    /// One row by itself.
    pub(super) fn row(&self, index: usize) -> Self {
        let rows = self.rows.get(index).cloned().into_iter().collect();
        Self { minutes: self.minutes.clone(), rows, counts_allocated: self.counts_allocated }
    }

    /// How many snapshots there are.
    pub(super) fn len(&self) -> usize {
        self.minutes.len()
    }

    /// The last snapshot.
    pub(super) fn last(&self) -> usize {
        self.len().saturating_sub(1)
    }

    /// The minutes between two snapshots.
    pub(super) fn minutes_between(&self, from: usize, to: usize) -> f64 {
        let at = |index: usize| self.minutes.get(index).copied().unwrap_or(0.0);
        at(to) - at(from)
    }

    /// What came to be held between two snapshots.
    pub(super) fn change(&self, from: usize, to: usize) -> Change {
        let mut variance = 0.0;
        let mut by = 0.0;
        for row in &self.rows {
            let (before, after) = (sums(row, from), sums(row, to));
            by += after.held - before.held;
            variance += self.variance(before, after);
        }
        Change { by, error: variance.sqrt() }
    }

    /// What was allocated between two snapshots; `None` where nobody counts it.
    pub(super) fn allocated(&self, from: usize, to: usize) -> Option<f64> {
        let allocated: f64 =
            self.rows.iter().map(|row| sums(row, to).allocated - sums(row, from).allocated).sum();
        self.counts_allocated.then_some(allocated.max(0.0))
    }

    /// What was allocated between two snapshots and is surely still held: as much as more is held. What went
    /// meanwhile was older, or it was allocated meanwhile and has gone again.
    pub(super) fn kept(&self, from: usize, to: usize) -> Option<f64> {
        let allocated = self.allocated(from, to).filter(|allocated| *allocated > 0.0)?;
        Some((self.change(from, to).by / allocated).clamp(0.0, 1.0))
    }

    /// The same, less what the few samples behind it leave open: two standard errors, or where none of n samples has
    /// gone, the 3/n of which as many as one in twenty could still be unlucky.
    pub(super) fn kept_at_least(&self, from: usize, to: usize) -> Option<f64> {
        let kept = self.kept(from, to)?;
        let last = self.at(to);
        let grain = if last.held > 0.0 { last.variance / last.held } else { 0.0 };
        let samples = self.allocated(from, to)? / grain;
        Some((kept - (2.0 * (kept * (1.0 - kept) / samples).sqrt()).max(3.0 / samples)).max(0.0))
    }

    fn variance(&self, before: Sums, after: Sums) -> f64 {
        let both = before.held + after.held;
        if both <= 0.0 {
            return 0.0;
        }
        let grain = (before.variance + after.variance) / both;
        let by = after.held - before.held;
        let born = if self.counts_allocated {
            after.held.min((after.allocated - before.allocated).max(0.0))
        } else {
            after.held
        };
        // Born and still there, and gone: the one less the other is the difference.
        grain * (2.0 * born - by).clamp(by.abs(), both)
    }
}

impl Change {
    /// How many standard errors it is; without any, it is beyond doubt.
    pub(super) fn sigmas(self) -> f64 {
        if self.by == 0.0 { 0.0 } else { self.by / self.error }
    }
}

fn sums(row: &[Sums], index: usize) -> Sums {
    row.get(index).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: f64 = 524_288.0;

    /// The relative error of a sum, in percent, and its samples.
    #[track_caller]
    fn check(bytes: f64, objects: Option<f64>, period: f64, expected: (f64, f64)) {
        let sums = Sums::of(bytes, objects, period);
        let error = (100.0 * sums.variance.sqrt() / bytes).round();
        assert_eq!((error, sums.samples.round()), expected, "{sums:?}");
    }

    #[test]
    fn the_error_is_that_of_the_samples() {
        check(100.0 * PERIOD, Some(1e6), PERIOD, (10.0, 100.0));
        check(100.0 * PERIOD, None, PERIOD, (10.0, 100.0));
        check(10_007.0, Some(10.0), 1.0, (0.0, 10.0));
        // 100 objects of the period's size: 63 sampled; all of 10 MiB each.
        check(100.0 * PERIOD, Some(100.0), PERIOD, (8.0, 63.0));
        check(1000.0 * PERIOD, Some(50.0), PERIOD, (0.0, 50.0));
    }

    fn two(before: (f64, f64), after: (f64, f64), counts_allocated: bool) -> Series {
        let at = |(held, allocated): (f64, f64)| Sums {
            allocated: allocated * PERIOD,
            ..Sums::of(held * PERIOD, None, PERIOD)
        };
        Series { minutes: vec![0.0, 1.0], rows: vec![vec![at(before), at(after)]], counts_allocated }
    }

    #[test]
    fn what_lies_in_both_snapshots_cancels() {
        let error = |series: Series| (series.change(0, 1).error / PERIOD).round();
        // 10,000 samples stay, 100 come. Without counts all of them may have been replaced.
        assert_eq!(error(two((1e4, 1e4), (10_100.0, 10_100.0), true)), 10.0);
        assert_eq!(error(two((1e4, 1e4), (10_100.0, 1e6), true)), 142.0);
        assert_eq!(error(two((1e4, 0.0), (10_100.0, 0.0), false)), 142.0);
        assert_eq!(error(two((0.0, 0.0), (0.0, 50.0), true)), 0.0);
    }

    #[test]
    fn what_is_kept_of_what_was_allocated() {
        assert_eq!(two((10.0, 10.0), (107.0, 110.0), true).kept(0, 1), Some(0.97));
        assert_eq!(two((10.0, 10.0), (5.0, 110.0), true).kept(0, 1), Some(0.0));
        assert_eq!(two((10.0, 10.0), (5.0, 10.0), true).kept(0, 1), None);
        assert_eq!(two((10.0, 10.0), (20.0, 20.0), false).kept(0, 1), None);
        let least = |series: Series| series.kept_at_least(0, 1).map(|kept| (kept * 100.0).round());
        assert_eq!(least(two((0.0, 0.0), (100.0, 100.0), true)), Some(97.0));
        assert_eq!(least(two((0.0, 0.0), (50.0, 100.0), true)), Some(40.0));
        assert_eq!(least(two((0.0, 0.0), (1.0, 1.0), true)), Some(0.0));
    }
}
