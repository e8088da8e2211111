//! Decides which keys leak: stacks of a heap, places that spawn tasks, names of threads, kinds of descriptors. It asks
//! neither how much there is nor how fast that grows, but whether more outlive an age than die beyond it. Pure: once a
//! minute the caller shows it everything that lives, with its age.

mod big;
mod finding;
mod history;
mod level;
mod odds;
mod plateau;
mod rules;
mod settings;
mod tally;
mod track;
mod urgent;

pub use finding::{Change, Leak};
pub use level::{Cause, Level};
pub use plateau::{DEFAULT_PLATEAU_AGE, PLATEAU_MARGIN, Plateaus};
pub use settings::{
    DEFAULT_LEAST_BYTES, DEFAULT_LEAST_COUNT, DEFAULT_LEAST_COUNT_RATE, DEFAULT_LEAST_RATE,
    DEFAULT_LOOK_INTERVAL, DEFAULT_TRACKED_KEYS, Settings,
};

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::mem;
use std::time::Duration;

use history::{BORDERS, SLOT};
use level::Life;
use track::Track;

/// Follows keys from look to look. It keeps 1.5 KiB for each key of which something has lived for ten minutes, nothing
/// for each that lives, and at most [`Settings::at_most_keys`] keys.
#[derive(Clone, Debug)]
pub struct Detector {
    settings: Settings,
    #[allow(
        clippy::vec_box,
        reason = "a vector of tracks that grows would hold them twice, and half of it empty"
    )]
    tracks: Vec<Box<Track>>,
    index: HashMap<u64, usize>,
    /// Counts looks, begun or ended.
    looks: u32,
    /// When the last look ended that was not given up, in minutes.
    last: f64,
    untracked: u64,
    /// Keys that gave way to larger ones. Whoever is seen first would be back first.
    barred: HashSet<u64>,
}

/// A look under way. Dropping it gives it up, for those who could not see everything: no verdict changes, and the next
/// look covers its time too. Until then [`Detector::findings`] shows the amounts and ages that it has seen.
#[derive(Debug)]
#[must_use = "a look that is not ended tells nothing"]
pub struct Look<'a> {
    detector: &'a mut Detector,
    now: f64,
    gap: f64,
    untracked: u64,
}

/// What else is known when a look ends.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Context {
    /// The projected time until memory ends, if it is known and finite. When it is shorter than the shortest window
    /// (an hour), suspects are told early and marked `low_confidence`.
    pub limit_in: Option<Duration>,
}

impl Context {
    /// Memory is projected to end in `limit_in`.
    #[must_use]
    pub const fn limit_in(limit_in: Option<Duration>) -> Self {
        Self { limit_in }
    }
}

impl Detector {
    /// A detector that has seen nothing.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            tracks: Vec::new(),
            index: HashMap::new(),
            looks: 0,
            last: 0.0,
            untracked: 0,
            barred: HashSet::new(),
        }
    }

    /// Begins a look at `now`, counted from the start of the agent. A time before the last one counts as the last one.
    pub fn look(&mut self, now: Duration) -> Look<'_> {
        let now = self.settings.minutes(now).max(self.last);
        // Zero belongs to tracks that no look has touched.
        self.looks = self.looks.wrapping_add(1).max(1);
        let gap = now - self.last;
        Look { detector: self, now, gap, untracked: 0 }
    }

    /// What is suspected, confirmed, and was resolved since, the fastest first.
    #[must_use]
    pub fn findings(&self) -> Vec<Leak> {
        let mut found: Vec<Leak> = self.tracks.iter().filter_map(|track| self.leak(track)).collect();
        found.sort_by(|a, b| b.rate.total_cmp(&a.rate));
        found
    }

    /// The keys that have stood where they are for an hour or more, and how much that may be at the most, for
    /// [`Plateaus::remember`]. What is suspected is not among them.
    pub fn stable(&self) -> impl Iterator<Item = (u64, f64)> {
        let stable = self
            .tracks
            .iter()
            .filter(|track| track.tally.tenured(0) >= self.settings.least && track.is_stable(self.last));
        stable.map(|track| (track.key, track.tally.at_most(self.settings.big)))
    }

    /// How many keys are followed.
    #[must_use]
    pub fn tracked(&self) -> usize {
        self.tracks.len()
    }

    /// How many of those that lived at the last look and had tenure belong to keys for which there was no room.
    #[must_use]
    pub const fn untracked(&self) -> u64 {
        self.untracked
    }

    /// The memory it takes, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.tracks.len() * mem::size_of::<Track>()
            + self.tracks.capacity() * mem::size_of::<Box<Track>>()
            // The map keeps an eighth free, and a byte for each place.
            + self.index.capacity() * 8 / 7 * (mem::size_of::<(u64, usize)>() + 1)
            + self.barred.capacity() * 8 / 7 * (mem::size_of::<u64>() + 1)
    }

    /// What it is held to.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    fn leak(&self, track: &Track) -> Option<Leak> {
        Some(Leak::new(track, track.life.as_ref()?, &self.settings))
    }

    /// Forgets what has nothing of tenure any more, and makes room where keys were turned away.
    fn tidy(&mut self) {
        let (now, full) = (self.last, self.untracked > 0);
        let mut standing: Vec<f64> = Vec::new();
        if full {
            standing.extend(self.tracks.iter().map(|track| track.tally.tenured(0)));
        }
        let share = standing.len() / ROOM;
        let least = match standing.get_mut(..) {
            Some(all) if share > 0 => *all.select_nth_unstable_by(share, f64::total_cmp).1,
            _ => -1.0,
        };
        let before = self.tracks.len();
        if !full || self.barred.len() > self.settings.keys {
            self.barred.clear();
        }
        let barred = &mut self.barred;
        self.tracks.retain(|track| {
            let gives_way = full && track.life.is_none() && track.tally.tenured(0) <= least;
            if gives_way {
                barred.insert(track.key);
            }
            !gives_way && !track.is_forgotten(now)
        });
        if self.tracks.len() < before {
            self.index.clear();
            self.index.extend(self.tracks.iter().enumerate().map(|(place, track)| (track.key, place)));
        }
    }
}

/// When there is no room, the keys of which least stands give way, one in so many.
const ROOM: usize = 16;

impl Look<'_> {
    /// Shows one that lives: of `key`, `age` old, of `amount` (estimated bytes, so size times weight; 1.0 for what is
    /// counted), and the number of objects it stands for, its `weight`. Takes no memory but for the first of a key.
    pub fn see(&mut self, key: u64, age: Duration, amount: f64, weight: f64) {
        let (looks, gap) = (self.detector.looks, self.gap);
        let age = self.detector.settings.minutes(age);
        let tenured = BORDERS.first().is_some_and(|border| age >= *border);
        let big =
            self.detector.settings.big && tally::is_big(weight) && amount >= self.detector.settings.least;
        if let Some(track) = self.track(key, tenured || big) {
            track.tally_of(looks).add(age, amount, weight, gap);
        }
    }

    /// Tells how many of `key` were ever allocated, sampled as those that are seen, after all of them were seen. Only
    /// for [`Leak::immortal`]; may be left out.
    pub fn allocated(&mut self, key: u64, count: u64) {
        let looks = self.detector.looks;
        if let Some(place) = self.detector.index.get(&key)
            && let Some(track) = self.detector.tracks.get_mut(*place)
        {
            track.allocated(looks, count);
        }
    }

    /// Ends the look, judges every key and gives back whose level has changed. `plateau` is asked for what a key is
    /// known to reach without leaking, see [`Plateaus::quiet_below`], when it would be told for the first time.
    pub fn end(self, context: &Context, plateau: impl Fn(u64) -> f64) -> Vec<Change> {
        let Self { detector, now, gap, untracked } = self;
        let Detector { settings, tracks, looks, .. } = detector;
        let urgent = context.limit_in.is_some_and(|left| settings.minutes(left) < urgent::URGENT);
        let slot = slot_of(now);
        let mut changes = Vec::new();
        for track in tracks {
            track.close(*looks, now, gap, slot);
            let from = track.life.map(|life: Life| life.level);
            if track.judge(settings, now, urgent, &plateau)
                && let Some(life) = &track.life
            {
                changes.push(Change { from, leak: Leak::new(track, life, settings) });
            }
        }
        detector.last = now;
        detector.untracked = untracked;
        detector.tidy();
        changes
    }

    /// The track of `key`, made when that is worth it.
    fn track(&mut self, key: u64, worth: bool) -> Option<&mut Track> {
        let Detector { tracks, index, settings, barred, .. } = &mut *self.detector;
        let room = tracks.len() < settings.keys && !barred.contains(&key);
        let place = match index.entry(key) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(_) if !worth => return None,
            Entry::Vacant(entry) if room => {
                tracks.push(Box::new(Track::new(key, self.now, slot_of(self.now))));
                *entry.insert(tracks.len() - 1)
            }
            Entry::Vacant(_) => {
                self.untracked = self.untracked.saturating_add(1);
                return None;
            }
        };
        tracks.get_mut(place).map(|track| &mut **track)
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn slot_of(minutes: f64) -> u32 {
    (minutes / SLOT) as u32
}

/// Half the bytes, for what is kept of every key: seven digits are more than samples can tell, and minutes of a year are
/// right to two seconds.
#[allow(clippy::cast_possible_truncation, reason = "fewer digits are the purpose, and too large is infinite")]
const fn short(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests;
