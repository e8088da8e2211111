//! What a finding tells a reader.

use std::time::Duration;

use super::level::{Cause, Level, Life};
use super::settings::Settings;
use super::track::Track;

/// One key that leaks, or did. Amounts are bytes, or a count; times count from the start of the agent.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Leak {
    /// The key: a stack's number, or whatever the caller looks by.
    pub key: u64,
    /// How sure it is.
    pub level: Level,
    /// What told of it.
    pub cause: Cause,
    /// True when it was told early, on few data, because memory ends soon.
    pub low_confidence: bool,
    /// How fast it grows, a minute.
    pub rate: f64,
    /// Its lower bound: with 95 % certainty it is more.
    pub rate_low: f64,
    /// Its upper bound, likewise. Both know of chance alone: the rate of what leaks by day and night is another at night.
    pub rate_high: f64,
    /// What lives of the key now and has tenure.
    pub standing: f64,
    /// How much of it has leaked so far.
    pub leaked: f64,
    /// The standard error of that; 0 for what is counted.
    pub leaked_error: f64,
    /// The share of the key's allocations that never die, where [`Look::allocated`](super::Look::allocated) is told.
    pub immortal: Option<f64>,
    /// The age of the oldest that lives.
    pub oldest: Duration,
    /// The age that half of the living exceed, to five minutes.
    pub median: Duration,
    /// When the key was first followed.
    pub first_seen: Duration,
    /// When it was first told.
    pub since: Duration,
    /// When the level last changed.
    pub changed: Duration,
    /// The window that decided.
    pub window: Duration,
    /// The age border that decided; zero for a table that doubles.
    pub border: Duration,
    /// How many samples have outlived the border in the window, less those that died beyond it.
    pub samples: u32,
}

/// A level that has changed at a look.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Change {
    /// What it was before, if anything.
    pub from: Option<Level>,
    /// What it is now.
    pub leak: Leak,
}

impl Leak {
    pub(super) fn new(track: &Track, life: &Life, settings: &Settings) -> Self {
        let standing = match life.cause {
            Cause::Doubling => track.tally.largest(),
            Cause::Balance | Cause::Urgent => track.tally.tenured(life.border()),
        };
        let living = track.tally.older(0.0).max(1) as f64;
        let leaked = (standing - f64::from(life.base)).max(0.0);
        let mean = standing / living;
        let exact = !settings.big || life.cause == Cause::Doubling;
        let age = |minutes: f64| settings.duration(minutes);
        let rate = |a_minute: f32| f64::from(a_minute) * settings.timescale;
        Self {
            key: track.key,
            level: life.level,
            cause: life.cause,
            low_confidence: life.cause == Cause::Urgent,
            rate: rate(life.evidence.rate),
            rate_low: rate(life.evidence.low),
            rate_high: rate(life.evidence.high),
            standing,
            leaked,
            // Each sample stands for its mean amount, give or take as much.
            leaked_error: if exact { 0.0 } else { (leaked * mean).sqrt() },
            immortal: track.immortal(),
            oldest: age(track.tally.oldest()),
            median: age(track.tally.median()),
            first_seen: age(track.first()),
            since: age(f64::from(life.since)),
            changed: age(f64::from(life.changed)),
            window: age(f64::from(life.evidence.window)),
            border: age(f64::from(life.evidence.border)),
            samples: life.evidence.samples,
        }
    }
}
