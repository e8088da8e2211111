//! One key's living as one look sees them: by age, and who has passed an age border since the last look.

use super::history::{BORDERS, SLOT};
use super::short;

/// Ages in bins of ten minutes; the last holds all that is older than the oldest border and the longest window.
pub(super) const BINS: usize = 34;

/// From this weight on a sample stands for itself alone: its size is four times the sampling rate or more.
const BIG: f64 = 1.02;

/// What a look has seen of one key so far.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    bins: [u32; BINS],
    /// Passed each border, and twice each border, since the last look.
    entered: [u32; 6],
    /// Amounts younger than the first border, than the second, than the third, and older.
    amounts: [f64; 4],
    /// The largest single big object.
    largest: f32,
    /// The oldest age.
    oldest: f32,
}

impl Tally {
    pub(super) const EMPTY: Self =
        Self { bins: [0; BINS], entered: [0; 6], amounts: [0.0; 4], largest: 0.0, oldest: 0.0 };

    /// Counts one that lives, `age` minutes old, when the last look was `gap` minutes ago.
    pub(super) fn add(&mut self, age: f64, amount: f64, weight: f64, gap: f64) {
        let bin = bin_of(age);
        if let Some(count) = self.bins.get_mut(bin) {
            *count += 1;
        }
        if let Some(sum) = self.amounts.get_mut(BORDERS.iter().filter(|border| age >= **border).count()) {
            *sum += amount;
        }
        // Most are far from any border: only those near the lower edge of a bin are looked at closely.
        if age - bin as f64 * SLOT < gap {
            let borders = BORDERS.iter().flat_map(|border| [*border, border * 2.0]);
            for (border, count) in borders.zip(&mut self.entered) {
                *count += u32::from(age >= border && age - gap < border);
            }
        }
        if is_big(weight) {
            self.largest = self.largest.max(short(amount));
        }
        self.oldest = self.oldest.max(short(age));
    }

    /// How many are in the bins from `from` up to but not `to`.
    pub(super) fn between(&self, from: usize, to: usize) -> u64 {
        self.bins.get(from..to.min(BINS)).unwrap_or_default().iter().map(|count| u64::from(*count)).sum()
    }

    /// How many are at least `age` minutes old, a multiple of ten.
    pub(super) fn older(&self, age: f64) -> u64 {
        self.between(bin_of(age), BINS)
    }

    /// The amount older than `border`.
    pub(super) fn tenured(&self, border: usize) -> f64 {
        self.amounts.iter().skip(border + 1).sum()
    }

    /// The amount that has tenure, or two standard errors more where it is estimated from samples.
    pub(super) fn at_most(&self, sampled: bool) -> f64 {
        let standing = self.tenured(0);
        let mean = standing / self.older(SLOT).max(1) as f64;
        if sampled { 2.0f64.mul_add((standing * mean).sqrt(), standing) } else { standing }
    }

    /// How many have passed `border`, and twice `border`, since the last look.
    pub(super) fn entered(&self, border: usize) -> [u32; 2] {
        [border * 2, border * 2 + 1].map(|index| self.entered.get(index).copied().unwrap_or(0))
    }

    pub(super) const fn largest(&self) -> f64 {
        self.largest as f64
    }

    pub(super) const fn oldest(&self) -> f64 {
        self.oldest as f64
    }

    /// The age that half of the living exceed, to the middle of its bin.
    pub(super) fn median(&self) -> f64 {
        let half = self.between(0, BINS).div_ceil(2);
        let found = (0..BINS).find(|bin| self.between(0, bin + 1) >= half).unwrap_or(0);
        (found as f64 + 0.5) * SLOT
    }
}

/// Whether a sample of this weight is a single big object.
pub(super) fn is_big(weight: f64) -> bool {
    weight < BIG
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn bin_of(age: f64) -> usize {
    ((age / SLOT) as usize).min(BINS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(age: f64, gap: f64, expected: [u32; 6]) {
        let mut tally = Tally::EMPTY;
        tally.add(age, 1.0, 2.0, gap);
        assert_eq!(tally.entered, expected);
    }

    #[test]
    fn a_border_is_passed_once() {
        check(9.99, 1.0, [0; 6]);
        check(10.0, 1.0, [1, 0, 0, 0, 0, 0]);
        check(10.99, 1.0, [1, 0, 0, 0, 0, 0]);
        check(11.0, 1.0, [0; 6]);
        check(20.5, 1.0, [0, 1, 0, 0, 0, 0]);
        check(40.0, 1.0, [0; 6]);
        check(180.0, 1.0, [0, 0, 0, 0, 0, 1]);
        check(35.0, 20.0, [0, 1, 1, 0, 0, 0]);
    }

    #[test]
    fn the_living_are_told_by_age() {
        let mut tally = Tally::EMPTY;
        for age in [1.0, 15.0, 40.0, 100.0, 5_000.0] {
            tally.add(age, age, 1.0, 1.0);
        }
        assert_eq!([0, 1, 2].map(|border| tally.tenured(border)), [5_155.0, 5_140.0, 5_100.0]);
        assert_eq!([10.0, 90.0, 180.0].map(|age| tally.older(age)), [4, 2, 1]);
        assert_eq!((tally.median(), tally.oldest(), tally.largest()), (45.0, 5_000.0, 5_000.0));
    }
}
