//! How far a sampled number can be off. Every form prints it beside the number.

use crate::profile::{Profile, Stack};

/// A sum over stacks, and how sure it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// The sum itself.
    pub(super) value: i64,
    variance: f64,
    samples: u64,
}

impl Tally {
    /// The sum of the value at `index` over all stacks of `profile`.
    pub(super) fn total(profile: &Profile, index: usize) -> Self {
        let mut tally = Self::default();
        profile.iter().for_each(|stack| tally.add(&stack, index));
        tally
    }

    /// Adds the value at `index` of `stack`.
    pub(super) fn add(&mut self, stack: &Stack<'_>, index: usize) {
        self.value = self.value.saturating_add(stack.value(index));
        self.variance += stack.variance(index);
        self.samples = self.samples.saturating_add(stack.samples());
    }

    /// The relative standard error, 0.1 for ±10 %; `None` for what was counted, not sampled. In a delta the weights
    /// cancel and the errors do not: +1 MiB out of 100 MiB on either side is nothing but noise, and says so.
    pub(super) fn error(&self) -> Option<f64> {
        match (self.samples, self.value) {
            (0, _) => None,
            (_, 0) => Some(f64::INFINITY),
            (_, value) => Some(self.variance.sqrt() / (value as f64).abs()),
        }
    }

    /// How many samples are in it; 0 when it was counted.
    pub(super) const fn samples(&self) -> u64 {
        self.samples
    }
}

/// An error for people: `±3%`, `±>100%` where the number says nothing, and nothing for a counted number.
pub(super) fn show(error: Option<f64>) -> String {
    match error {
        None => String::new(),
        Some(error) if error > 1.0 => "±>100%".to_owned(),
        Some(error) if error < 0.01 => "±<1%".to_owned(),
        Some(error) => format!("±{:.0}%", error * 100.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unit;
    use crate::profile::{Frame, Function, ValueType};

    const EVERY: i64 = 524_288;

    fn heap(space: i64, samples: u64) -> Profile {
        let values =
            [ValueType::new("inuse_objects", Unit::Count), ValueType::new("inuse_space", Unit::Bytes)];
        let mut profile = Profile::new("heap", values);
        profile.period = Some((ValueType::new("space", Unit::Bytes), EVERY.unsigned_abs()));
        profile.add([Frame::named(Function::new("f", "", 0))], &[space / 100, space], samples);
        profile
    }

    #[track_caller]
    fn check(profile: &Profile, index: usize, expected: &str) {
        assert_eq!(show(Tally::total(profile, index).error()), expected);
    }

    #[test]
    fn a_hundred_samples_are_sure_to_a_tenth() {
        check(&heap(100 * EVERY, 100), 1, "±10%");
        check(&heap(100 * EVERY, 100), 0, "±10%");
        check(&heap(40_000 * EVERY, 40_000), 1, "±<1%");
        check(&heap(100, 0), 1, "");
    }

    #[test]
    fn a_small_difference_of_large_sums_is_noise() {
        let delta = heap(104 * EVERY, 104).since(&heap(100 * EVERY, 100));
        check(&delta, 1, "±>100%");
        check(&delta, 0, "±>100%");
        let grown = heap(400 * EVERY, 400).since(&heap(0, 0));
        check(&grown, 1, "±5%");
    }
}
