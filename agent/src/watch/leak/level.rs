//! The life of one finding: suspect, confirmed, resolved. It ends on evidence that the growth has stopped, and not when
//! the evidence for it has become thinner.

use super::big::Doubling;
use super::history::BORDERS;
use super::odds;
use super::rules::{Evidence, WINDOWS, slots};
use super::track::Track;

/// A growth has stopped when its pace is surely below this share of what it was.
const STOPPED: f64 = 0.25;

/// How sure, in standard deviations (95 %).
const DEVIATIONS: f64 = 1.645;

/// Below this share of its peak, what had leaked was freed.
const FREED: f64 = 0.5;

/// A suspect that no rule has spoken of for so many minutes, and that was never confirmed, is let go.
const STALE: f64 = 240.0;

/// How sure the detector is of a leak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// It has grown like a leak for about an hour. For a page that somebody looks at.
    Suspect,
    /// It has grown like a leak for two hours or more. For an alert.
    Confirmed,
    /// It was one of the two, and has stopped growing or is freed.
    Resolved,
}

/// What told of a leak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// More outlive an age border than die beyond it.
    Balance,
    /// One big object is replaced by a larger one again and again: the table of a `Vec` or a `HashMap`.
    Doubling,
    /// As [`Cause::Balance`], with few data, because memory ends soon.
    Urgent,
}

/// The finding of one key. Minutes since the start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    pub(super) level: Level,
    pub(super) cause: Cause,
    pub(super) evidence: Evidence,
    pub(super) since: f32,
    pub(super) changed: f32,
    /// What stood there before it grew.
    pub(super) base: f32,
    held: f32,
    pace: f32,
    peak: f32,
}

/// What the rules say of one key at one look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judged {
    pub(super) level: Level,
    pub(super) cause: Cause,
    pub(super) evidence: Evidence,
}

impl Life {
    /// The finding after `judged`, and whether its level has changed.
    pub(super) fn step(
        life: Option<Self>,
        judged: Option<Judged>,
        track: &Track,
        now: f64,
    ) -> (Option<Self>, bool) {
        let standing = track.tally.tenured(0).max(track.tally.largest());
        match (life, judged) {
            (None, None) => (None, false),
            (Some(mut life), None) => {
                life.peak = life.peak.max(standing as f32);
                let over = life.level != Level::Resolved && life.is_over(track, standing, now);
                if over {
                    (life.level, life.changed) = (Level::Resolved, now as f32);
                }
                (Some(life), over)
            }
            (Some(mut life), Some(judged)) if life.level != Level::Resolved => {
                let rises = judged.level > life.level;
                if rises {
                    (life.level, life.changed) = (judged.level, now as f32);
                }
                // The longer window knows better, so a suspect's figures do not replace those of a confirmed one.
                if judged.level >= life.level {
                    (life.cause, life.evidence) = (judged.cause, judged.evidence);
                }
                life.held = now as f32;
                life.pace = life.pace.max(judged.evidence.pace);
                life.peak = life.peak.max(standing as f32);
                (Some(life), rises)
            }
            (_, Some(judged)) => (Some(Self::new(judged, standing, now)), true),
        }
    }

    fn new(judged: Judged, standing: f64, now: f64) -> Self {
        let Judged { level, cause, evidence } = judged;
        let grown = evidence.rate * evidence.window;
        let now = now as f32;
        Self {
            level,
            cause,
            evidence,
            since: now,
            changed: now,
            base: (standing as f32 - grown).max(0.0),
            held: now,
            pace: evidence.pace,
            peak: standing as f32,
        }
    }

    /// Whether it has stopped, on positive evidence.
    fn is_over(&self, track: &Track, standing: f64, now: f64) -> bool {
        if standing < FREED * f64::from(self.peak) {
            return true;
        }
        if self.cause == Cause::Doubling {
            return track.big.is_overdue(now);
        }
        let stale = self.level == Level::Suspect && now - f64::from(self.held) > STALE;
        stale || WINDOWS.into_iter().any(|window| self.has_stopped(track, window))
    }

    /// Whether the last `window` minutes say so: the net pace is surely less than a share of what it was.
    fn has_stopped(&self, track: &Track, window: usize) -> bool {
        let border = BORDERS.iter().filter(|border| **border < f64::from(self.evidence.border)).count();
        let slots = slots(window);
        if slots > track.history.kept(border) {
            return false;
        }
        let sum = track.history.sum(border, slots);
        let (entered, left) = (sum.entered as f64, sum.left as f64);
        let error = odds::upper_mean(entered + left, 0.0);
        let net = DEVIATIONS.mul_add(error.sqrt(), entered - left);
        // The slot under way may have only begun, so that it is the shorter time that must be empty.
        net < STOPPED * f64::from(self.pace) * (window as f64 - super::history::SLOT)
    }
}

impl Judged {
    pub(super) fn doubling(track: &Track, now: f64) -> Option<Self> {
        let level = match track.big.judge(now) {
            Doubling::No => return None,
            Doubling::Suspect => Level::Suspect,
            Doubling::Confirmed => Level::Confirmed,
        };
        let span = track.big.span().max(1.0);
        // Between its record highs it has at least doubled twice over; the table as such is known exactly.
        let rate = (track.big.record() * 0.75 / span) as f32;
        let evidence = Evidence {
            border: 0.0,
            window: span as f32,
            samples: 3,
            pace: (3.0 / span) as f32,
            rate,
            low: rate / 2.0,
            high: rate * 2.0,
        };
        Some(Self { level, cause: Cause::Doubling, evidence })
    }
}
