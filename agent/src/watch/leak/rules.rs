//! Whether one key leaks, by what outlives an age border within a window. Six conditions, A to F, that must all hold:
//! every kind of memory that is no leak breaks one of them.

use super::history::{BORDERS, SLOT_MINUTES};
use super::odds;
use super::settings::Settings;
use super::short;
use super::track::Track;

/// A, balance: chance that as many would outlive the border if as many died beyond it. One in a million, because some
/// thousand keys are judged again and again.
const BALANCE: f64 = 1e-6;

/// And the same for the last third of the window: a cache that has just become full was out of balance for most of it.
const LATE_BALANCE: f64 = 0.1;

/// B, immortality: certainty of the upper bound of the hazard, in standard deviations (95 %).
const HAZARD_DEVIATIONS: f64 = 1.645;

/// C, spread: of six slices of the window so many have survivors, and none has more than this share of them.
const SLICES: usize = 6;
const LEAST_SLICES: usize = 5;
const MOST_OF_A_SLICE: f64 = 0.5;

/// C too: nothing is told before the oldest is so many minutes younger than border and window together.
const SOONER: f64 = 13.0;

/// D, no deceleration: evidence at this level that the younger half is more than this ratio of the older half.
const RATIO: f64 = 0.6;
const DECELERATION: f64 = 0.2;

/// D for the youngest, the other way round, because there are few: evidence at this level that they are fewer.
const PAUSE: f64 = 0.02;

/// E, record high: this many times everything before the window's middle.
const RECORD: f64 = 1.08;

/// The same for what was seen to lose half of what it was at its highest: no two teeth of a saw are alike.
const RECORD_OF_A_SAW: f64 = 1.5;

/// The windows, in minutes.
pub(super) const WINDOWS: [usize; 3] = [60, 120, 240];

/// An age border and a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) border: usize,
    pub(super) window: usize,
}

/// Each of these makes a suspect.
pub(super) const SUSPECT: [Rule; 3] =
    [Rule { border: 0, window: 60 }, Rule { border: 1, window: 60 }, Rule { border: 2, window: 60 }];

/// Each of these confirms it.
pub(super) const CONFIRM: [Rule; 4] = [
    Rule { border: 1, window: 120 },
    Rule { border: 2, window: 120 },
    Rule { border: 1, window: 240 },
    Rule { border: 2, window: 240 },
];

/// The figures behind a verdict. Rates are a minute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Evidence {
    /// The rule's border and window, in minutes.
    pub(super) border: f32,
    pub(super) window: f32,
    /// How many have outlived the border, less those that died beyond it.
    pub(super) samples: u32,
    /// Those of a minute.
    pub(super) pace: f32,
    pub(super) rate: f32,
    pub(super) low: f32,
    pub(super) high: f32,
}

impl Rule {
    /// The evidence, when all six conditions hold. `least` is what must stand there at the least.
    pub(super) fn judge(self, track: &Track, settings: &Settings, least: f64) -> Option<Evidence> {
        let border = BORDERS.get(self.border)?;
        let slots = slots(self.window);
        let standing = track.tally.tenured(self.border);
        // The cheap ones first: most keys go no further.
        if standing < least {
            return None;
        }
        let before = track.history.peak_before(self.border, slots / 2);
        let record = if track.frees(self.border) { RECORD_OF_A_SAW } else { RECORD };
        if standing < (before * record).max(before + settings.record) {
            return None;
        }
        let spread = self.spread(track, SLICES);
        let old_enough = *border + self.window as f64 - SOONER;
        if track.tally.oldest() < old_enough {
            return None;
        }
        if spread.slices < LEAST_SLICES || spread.largest > MOST_OF_A_SLICE {
            return None;
        }
        let sum = track.history.sum(self.border, slots);
        if sum.entered <= sum.left {
            return None;
        }
        let hazard = odds::upper_mean(sum.died as f64, HAZARD_DEVIATIONS) / sum.exposure.max(1.0);
        if hazard >= 1.0 / self.window as f64 {
            return None;
        }
        let late = track.history.sum(self.border, slots / 3);
        if odds::at_least(sum.entered, sum.entered + sum.left, 0.5) >= BALANCE
            || odds::at_least(late.entered, late.entered + late.left, 0.5) >= LATE_BALANCE
        {
            return None;
        }
        // Nor in any longer window: the last of what saturates looks steady in the shortest.
        let longer = WINDOWS.into_iter().filter(|window| *window >= self.window);
        if !longer.into_iter().all(|window| Self { window, ..self }.goes_on(track)) {
            return None;
        }
        let minutes = track.covered(*border, self.window);
        let mean = standing / track.tally.older(*border).max(1) as f64;
        let evidence = Evidence::new(*border, self.window, (sum.entered, sum.left), minutes, mean);
        (f64::from(evidence.low) >= settings.least_rate).then_some(evidence)
    }

    /// How those who live and were born in the window are spread over its slices.
    pub(super) fn spread(self, track: &Track, slices: usize) -> Spread {
        let first = self.first_bin();
        let width = slots(self.window) / slices.max(1);
        let mut spread = Spread { slices: 0, largest: 0.0 };
        let all = track.tally.between(first, first + slots(self.window));
        for slice in 0..slices {
            let count = track.tally.between(first + slice * width, first + (slice + 1) * width);
            spread.slices += usize::from(count > 0);
            spread.largest = spread.largest.max(count as f64 / all.max(1) as f64);
        }
        spread
    }

    /// D: there is evidence that it has not slowed down, neither among those of tenure nor with the younger ones.
    fn goes_on(self, track: &Track) -> bool {
        let (first, end) = (self.first_bin(), self.first_bin() + slots(self.window));
        // Halves of the time since the first survivor of the window was born: where it began within the window, the
        // whole older half would hold less of it, and what saturates would look steady.
        let Some(began) = (first..end).rev().find(|bin| track.tally.between(*bin, bin + 1) > 0) else {
            return false;
        };
        steady(track, first, began) && steady(track, 0, began) && !pauses(track, began)
    }

    /// The bin of ages that begins with the border.
    fn first_bin(self) -> usize {
        [1, 3, 9].get(self.border).copied().unwrap_or(0)
    }
}

/// Whether the younger half of the bins from `first` to `began` has not less than the older half, in proportion.
fn steady(track: &Track, first: usize, began: usize) -> bool {
    let middle = first + (began + 1 - first) / 2;
    let younger = track.tally.between(first, middle);
    let older = track.tally.between(middle, began + 1);
    // It began somewhere in its oldest bin: in its middle, on average.
    let (young, old) = (RATIO * (middle - first) as f64, (began + 1 - middle) as f64 - 0.5);
    odds::at_least(younger, younger + older, young / (young + old)) < DECELERATION
}

/// Whether surely fewer are born in the last ten minutes than before, back to the bin `began`. They have no tenure yet,
/// but a cache that is full takes in less at once.
fn pauses(track: &Track, began: usize) -> bool {
    let (young, older) = (track.tally.between(0, 1), track.tally.between(1, began + 1));
    let share = 1.0 / (began as f64 + 0.5);
    1.0 - odds::at_least(young + 1, young + older, share) < PAUSE
}

/// See [`Rule::spread`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    pub(super) slices: usize,
    pub(super) largest: f64,
}

impl Evidence {
    /// From those who `entered` and `left` in so many `minutes`, each of the `mean` amount.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
    pub(super) fn new(
        border: f64,
        window: usize,
        (entered, left): (u64, u64),
        minutes: f64,
        mean: f64,
    ) -> Self {
        let net = entered as f64 - left as f64;
        let error = HAZARD_DEVIATIONS * ((entered + left) as f64).sqrt();
        let rate = |net: f64| short(net.max(0.0) * mean / minutes);
        Self {
            border: short(border),
            window: short(window as f64),
            samples: net as u32,
            pace: short(net / minutes),
            rate: rate(net),
            low: rate(net - error),
            high: rate(net + error),
        }
    }
}

/// The number of slots, or of bins, in so many minutes.
pub(super) const fn slots(minutes: usize) -> usize {
    minutes / SLOT_MINUTES
}
