//! Whether one key leaks, by what outlives an age border within a window. Six conditions, A to F, that must all hold:
//! every kind of memory that is no leak breaks one of them.

use super::history::{BORDERS, SLOT};
use super::odds;
use super::settings::Settings;
use super::track::Track;

/// A, balance: chance that as many would outlive the border if as many died beyond it. One in a million, because some
/// thousand keys are judged again and again.
const BALANCE: f64 = 1e-6;

/// B, immortality: certainty of the upper bound of the hazard, in standard deviations (95 %).
const HAZARD_DEVIATIONS: f64 = 1.645;

/// C, spread: of six slices of the window so many have survivors, and none has more than this share of them.
const SLICES: usize = 6;
const LEAST_SLICES: usize = 5;
const MOST_OF_A_SLICE: f64 = 0.5;

/// D, no deceleration: evidence at this level that the younger half is more than this ratio of the older half.
const RATIO: f64 = 0.6;
const DECELERATION: f64 = 0.1;

/// E, record high: this many times everything before the window's middle.
const RECORD: f64 = 1.08;

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
        if standing < (before * RECORD).max(before + settings.record) {
            return None;
        }
        let spread = self.spread(track, SLICES);
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
        if odds::at_least(sum.entered, sum.entered + sum.left, 0.5) >= BALANCE {
            return None;
        }
        // Nor in any longer window: the last of what saturates looks steady in the shortest.
        let longer = WINDOWS.into_iter().filter(|window| *window >= self.window);
        if !longer.into_iter().all(|window| Self { window, ..self }.goes_on(track)) {
            return None;
        }
        let minutes = self.window as f64 * spread.slices as f64 / SLICES as f64;
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

    /// D: there is evidence that it has not slowed down.
    fn goes_on(self, track: &Track) -> bool {
        let first = self.first_bin();
        let half = slots(self.window) / 2;
        let younger = track.tally.between(first, first + half);
        let older = track.tally.between(first + half, first + 2 * half);
        odds::at_least(younger, younger + older, RATIO / (1.0 + RATIO)) < DECELERATION
    }

    fn first_bin(self) -> usize {
        slots([10, 30, 90].get(self.border).copied().unwrap_or(0))
    }
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
        let rate = |net: f64| (net.max(0.0) * mean / minutes) as f32;
        Self {
            border: border as f32,
            window: window as f32,
            samples: net as u32,
            pace: (net / minutes) as f32,
            rate: rate(net),
            low: rate(net - error),
            high: rate(net + error),
        }
    }
}

/// The number of slots, or of bins, in so many minutes.
pub(super) const fn slots(minutes: usize) -> usize {
    minutes / SLOT as usize
}
