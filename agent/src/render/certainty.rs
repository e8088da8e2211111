//! How far a sampled number can be off. Every form prints it beside the number.

use crate::profile::{Profile, Stack};

/// What is known of the sampling of a profile: which value is sampled in proportion, and every how much of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Certainty {
    weighed: usize,
    period: f64,
}

/// A sum over stacks, with what its error follows from.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// The sum itself.
    pub(super) value: i64,
    weighed: i64,
    samples: u64,
}

impl Certainty {
    /// The rules for the value at `index` of `profile`. Objects are counted by the samples that weigh their bytes:
    /// `inuse_objects` is as sure as `inuse_space`.
    pub(super) fn of(profile: &Profile, index: usize) -> Self {
        let unit = profile.period.as_ref().map(|(value, _)| value.unit());
        let family = |name: &str| name.split('_').next().map(str::to_owned);
        let own = profile.values().get(index).and_then(|value| family(value.name()));
        let sibling = profile
            .values()
            .iter()
            .position(|value| Some(value.unit()) == unit && family(value.name()) == own);
        let weighed = match profile.values().get(index) {
            Some(value) if Some(value.unit()) == unit => index,
            _ => sibling.unwrap_or(index),
        };
        let same_unit = profile.values().get(weighed).map(crate::profile::ValueType::unit) == unit;
        let period = profile.period.as_ref().filter(|_| same_unit).map_or(0.0, |(_, every)| *every as f64);
        Self { weighed, period }
    }

    /// The relative standard error of `tally`, 0.1 for ±10 %; `None` for what was counted, not sampled.
    ///
    /// The error of a sum of n samples is √n of one sample's weight. A sample weighs at least the period, also in a
    /// delta where the weights cancel: +1 MiB out of 100 MiB on either side is nothing but noise, and says so.
    pub(super) fn error(self, tally: &Tally) -> Option<f64> {
        if tally.samples == 0 {
            return None;
        }
        let samples = tally.samples as f64;
        let weighed = (tally.weighed as f64).abs();
        let sample = (weighed / samples).max(self.period);
        Some(if weighed == 0.0 { f64::INFINITY } else { samples.sqrt() * sample / weighed })
    }

    /// Adds `stack` to `tally`.
    pub(super) fn add(self, tally: &mut Tally, stack: &Stack<'_>, index: usize) {
        tally.value = tally.value.saturating_add(stack.value(index));
        tally.weighed = tally.weighed.saturating_add(stack.value(self.weighed));
        tally.samples = tally.samples.saturating_add(stack.samples());
    }

    /// The sum of the value at `index` over all stacks of `profile`.
    pub(super) fn total(self, profile: &Profile, index: usize) -> Tally {
        let mut tally = Tally::default();
        profile.iter().for_each(|stack| self.add(&mut tally, &stack, index));
        tally
    }
}

impl Tally {
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
        let certainty = Certainty::of(profile, index);
        assert_eq!(show(certainty.error(&certainty.total(profile, index))), expected);
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
