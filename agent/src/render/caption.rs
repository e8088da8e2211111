//! What a drawing says of itself beside its frames: of what it is, how much, how sure, since when, and what it lacks.

use std::time::UNIX_EPOCH;

use super::certainty::{self, Tally};
use super::folded;
use crate::Unit;
use crate::moment;
use crate::profile::Profile;

/// The parts of a caption, each for itself.
#[derive(Debug)]
pub(super) struct Caption {
    /// What is drawn, and its error: `158 MiB ±6%`.
    pub(super) amount: String,
    /// The stacks of a difference that shrank, which no drawing has room for.
    pub(super) shrank: Option<String>,
    /// When, and over how long.
    pub(super) window: String,
    /// What is missing.
    pub(super) losses: String,
}

impl Caption {
    pub(super) fn of(profile: &Profile, value: usize) -> Self {
        let total = Tally::total(profile, value);
        let unit = profile.values().get(value).map_or(Unit::Count, |value| value.unit());
        let omitted = folded::omitted(profile, value);
        let drawn = total.value.saturating_sub(omitted.value);
        let shrank = (omitted.stacks > 0).then(|| {
            let plural = if omitted.stacks == 1 { "" } else { "s" };
            format!(
                "not drawn: {} stack{plural} that shrank, {}",
                omitted.stacks,
                unit.show(omitted.value as f64)
            )
        });
        let error = certainty::show(total.error());
        let amount = [unit.show(drawn as f64), error, shrank.as_ref().map_or("", |_| "growth").to_owned()];
        Self {
            amount: amount.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(" "),
            shrank,
            window: window(profile),
            losses: format!("losses: {}", profile.losses.summary()),
        }
    }
}

/// When `profile` was taken, and over how long: `over 10 s from 2026-03-01T14:02:00Z`.
pub(super) fn window(profile: &Profile) -> String {
    if profile.began == UNIX_EPOCH {
        // Collapsed stacks, for one, have no time.
        return "at a time that is not told".to_owned();
    }
    let began = moment::readable(profile.began);
    match profile.lasted {
        Some(lasted) => format!("over {} from {began}", Unit::Nanoseconds.show(lasted.as_nanos() as f64)),
        None => format!("at {began}"),
    }
}
