//! Speaking early: when memory ends sooner than a window has passed, a guess now is worth more than certainty later.

use super::history::BORDERS;
use super::odds;
use super::rules::{Evidence, Rule, slots};
use super::settings::Settings;
use super::track::Track;

/// Memory that ends within so many minutes is urgent: the shortest window of the patient rules.
pub(super) const URGENT: f64 = 60.0;

/// The youngest border and half the shortest window.
const RULE: Rule = Rule { border: 0, window: 30 };

/// Chance that as many would outlive the border if as many died beyond it.
const BALANCE: f64 = 1e-4;

/// Survivors of at least two of three slices: what came in one go is a step.
const SLICES: usize = 3;
const LEAST_SLICES: usize = 2;
const MOST_OF_A_SLICE: f64 = 0.8;

/// The evidence, when `track` grows by more than chance. Neither hazard nor deceleration can be known this early.
pub(super) fn judge(track: &Track, settings: &Settings, least: f64) -> Option<Evidence> {
    let standing = track.tally.tenured(RULE.border);
    let slots = slots(RULE.window);
    if standing < least || standing < track.history.peak_before(RULE.border, slots) + settings.record {
        return None;
    }
    let spread = RULE.spread(track, SLICES);
    if spread.slices < LEAST_SLICES || spread.largest > MOST_OF_A_SLICE {
        return None;
    }
    let sum = track.history.sum(RULE.border, slots);
    if odds::at_least(sum.entered, sum.entered + sum.left, 0.5) >= BALANCE {
        return None;
    }
    let border = BORDERS.first()?;
    let minutes = track.covered(*border, RULE.window);
    let mean = standing / track.tally.older(*border).max(1) as f64;
    let evidence = Evidence::new(*border, RULE.window, (sum.entered, sum.left), minutes, mean);
    (f64::from(evidence.low) >= settings.least_rate).then_some(evidence)
}
