//! The life of one finding: suspect, confirmed, resolved. It ends on evidence that the growth has stopped, and not when
//! the evidence for it has become thinner.

use super::big::Doubling;
use super::history::{BORDERS, SLOT};
use super::odds;
use super::rules::{Evidence, WINDOWS, slots};
use super::short;
use super::track::Track;

/// A growth has stopped when its pace is surely below this share of what it was.
const STOPPED: f64 = 0.6;

/// How sure, in standard deviations (95 %).
const DEVIATIONS: f64 = 1.645;

/// Nothing is confirmed before it was a suspect for so many minutes: of a thousand keys that are judged every minute, some
/// look like a leak for one.
const PATIENCE: f64 = 20.0;

/// So many minutes without a record high end it too, if it should have grown by so many samples meanwhile.
const RECORDLESS: usize = 120;
const EXPECTED: f64 = 12.0;

/// Below this share of its peak, what had leaked was freed.
const FREED: f64 = 0.5;

/// A suspect that no rule has spoken of for so many minutes, and that was never confirmed, is let go.
const STALE: f64 = 240.0;

/// What is resolved is shown for so many minutes: a day.
const PAST: f64 = 1_440.0;

/// How sure the detector is of a leak, the surest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// It was one of the two below, and has stopped growing or is freed.
    Resolved,
    /// It has grown like a leak for about an hour. For a page that somebody looks at.
    Suspect,
    /// It has grown like a leak for two hours or more, and was a suspect before. For an alert.
    Confirmed,
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
    /// The beginning of the window that first told of it.
    began: f32,
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
                life.peak = life.peak.max(short(standing));
                let over = life.level != Level::Resolved && life.is_over(track, standing, now);
                if over {
                    (life.level, life.changed) = (Level::Resolved, short(now));
                }
                (Some(life), over)
            }
            (Some(mut life), Some(judged)) if life.level != Level::Resolved => {
                let patient = now - f64::from(life.since) >= PATIENCE;
                let rises = judged.level > life.level && patient;
                if rises {
                    (life.level, life.changed) = (judged.level, short(now));
                }
                // The longer window knows better, so a suspect's figures do not replace those of a confirmed one, nor what
                // is said in haste what was said in time.
                let hasty = judged.cause == Cause::Urgent && life.cause != Cause::Urgent;
                if judged.level >= life.level && !hasty {
                    (life.cause, life.evidence) = (judged.cause, judged.evidence);
                    life.pace = judged.evidence.pace;
                }
                life.held = short(now);
                life.peak = life.peak.max(short(standing));
                (Some(life), rises)
            }
            (_, Some(judged)) => (Some(Self::new(judged, standing, now)), true),
        }
    }

    fn new(judged: Judged, standing: f64, now: f64) -> Self {
        let Judged { cause, evidence, .. } = judged;
        let grown = evidence.rate * evidence.window;
        let now = short(now);
        Self {
            level: Level::Suspect,
            cause,
            evidence,
            since: now,
            changed: now,
            base: (short(standing) - grown).max(0.0),
            held: now,
            began: now - evidence.window,
            pace: evidence.pace,
            peak: short(standing),
        }
    }

    /// Whether it was resolved so long ago that nobody needs to see it.
    pub(super) fn is_past(&self, now: f64) -> bool {
        self.level == Level::Resolved && now - f64::from(self.changed) > PAST
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
        // A window that reaches back before it began would dilute what grows.
        let since = now - f64::from(self.began);
        // What came in bursts for hours may pause for one.
        let least = if self.level == Level::Confirmed { 120 } else { 60 };
        let windows = WINDOWS.into_iter().filter(|window| *window >= least && *window as f64 <= since + 0.5);
        // What no longer comes past a younger border will not come past that which decided.
        let stopped = |border| {
            self.has_no_record(track, border, since)
                || windows.clone().any(|window| self.has_stopped(track, border, window))
        };
        stale || (0..=self.border()).any(stopped)
    }

    /// Whether nothing came on top for two hours in which surely something should have.
    fn has_no_record(&self, track: &Track, border: usize, since: f64) -> bool {
        let before = track.history.peak_before(border, slots(RECORDLESS));
        let expected = f64::from(self.pace) * RECORDLESS as f64;
        since >= 2.0 * RECORDLESS as f64 && expected >= EXPECTED && track.tally.tenured(border) <= before
    }

    /// The number of the border that decided.
    pub(super) fn border(&self) -> usize {
        BORDERS.iter().filter(|border| **border < f64::from(self.evidence.border)).count()
    }

    /// Whether the last `window` minutes say so: the net pace is surely less than a share of what it was.
    fn has_stopped(&self, track: &Track, border: usize, window: usize) -> bool {
        let slots = slots(window);
        if slots > track.history.kept(border) {
            return false;
        }
        let sum = track.history.sum(border, slots);
        let (entered, left) = (sum.entered as f64, sum.left as f64);
        // The mean that as many are expected of, which is not zero where none were counted.
        let error = odds::upper_mean(entered + left, 0.0);
        let net = DEVIATIONS.mul_add(error.sqrt(), entered - left);
        // The slot under way may have only begun, so that it is the shorter time that must be empty.
        net < STOPPED * f64::from(self.pace) * (window as f64 - SLOT)
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
        let rate = short(track.big.record() * 0.75 / span);
        let evidence = Evidence {
            border: 0.0,
            window: short(span),
            samples: 3,
            pace: short(3.0 / span),
            rate,
            low: rate / 2.0,
            high: rate * 2.0,
        };
        Some(Self { level, cause: Cause::Doubling, evidence })
    }
}
