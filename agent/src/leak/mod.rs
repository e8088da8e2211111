//! What leaks, with its name: the findings of the detectors, put together by the place in the code that they share.
//! `ledger` shows the detectors what lives, `group` puts together what has been named; who is told is the loop's business.

mod group;
mod ledger;
mod words;

use std::sync::Arc;
use std::time::Duration;

use crate::Unit;
use crate::figure::Family;
pub(crate) use crate::watch::leak::{Cause, Level};

pub(crate) use group::{Name, Named, group};
pub(crate) use ledger::{Found, Ledger};

/// What leaks can be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// Memory of the heap.
    Heap,
    /// Tasks of `flamewatch::spawn`.
    Tasks,
    /// Threads of the operating system.
    Threads,
    /// Open files and sockets.
    Descriptors,
}

/// One leak: all that shares the nearest place of the user's own code. Amounts are bytes, or a count; times count from
/// the start of the agent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Leak {
    pub(crate) subject: Subject,
    pub(crate) level: Level,
    pub(crate) cause: Cause,
    /// Told early, on few data, because memory ends soon.
    pub(crate) low_confidence: bool,
    /// The function, the name of the threads, or what the descriptors are.
    pub(crate) name: String,
    /// `file:line`.
    pub(crate) place: Option<String>,
    /// The route it works for, where all of it works for one.
    pub(crate) route: Option<Arc<str>>,
    /// How fast it grows a minute: least, most likely, most (95 %).
    pub(crate) rate: (f64, f64, f64),
    /// How much has leaked so far, and the standard error of that.
    pub(crate) leaked: (f64, f64),
    /// What stands there in all and has tenure.
    pub(crate) standing: f64,
    /// The share of what it allocates that is never freed.
    pub(crate) immortal: Option<f64>,
    pub(crate) oldest: Duration,
    pub(crate) median: Duration,
    /// When something of it was first followed.
    pub(crate) first_seen: Duration,
    /// When it was first told.
    pub(crate) since: Duration,
    /// The stretch of time that decided, and the age it was decided by; none for a table that doubles.
    pub(crate) window: Duration,
    pub(crate) border: Duration,
    /// How many have outlived the border in that time, less those that died beyond it.
    pub(crate) samples: u32,
    /// What it is known to reach without leaking, when it is still below that.
    pub(crate) plateau: Option<f64>,
    /// What it consists of, the fastest first; empty when that is one.
    pub(crate) parts: Vec<Part>,
    /// The keys of the findings it is made of.
    pub(crate) keys: Vec<u64>,
}

/// One stack, or one route, of a leak.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    /// What allocates there: `alloc::vec::Vec::push`, or the route.
    pub(crate) name: String,
    /// The line of the place that it goes through.
    pub(crate) place: Option<String>,
    pub(crate) level: Level,
    pub(crate) rate: f64,
    pub(crate) leaked: f64,
}

/// What is known of leaks at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Report {
    /// Those that leak, the surest and fastest first, then those that did.
    pub(crate) leaks: Vec<Leak>,
    /// What is followed.
    pub(crate) followed: Vec<Followed>,
    /// When everything that lives was last looked at; `None` before the first time.
    pub(crate) looked: Option<Duration>,
    /// How many times as fast as by default everything is judged.
    pub(crate) timescale: f64,
    /// What the memory as a whole does, and how long it lasts.
    pub(crate) memory: Vec<String>,
    /// What could not be looked at or named.
    pub(crate) remarks: Vec<String>,
}

/// How much a detector has to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Followed {
    pub(crate) subject: Subject,
    /// How many lived at the last look.
    pub(crate) living: u64,
    /// How many keys are followed.
    pub(crate) keys: usize,
    /// How many belong to keys for which there was no room, or were not looked at.
    pub(crate) left_out: u64,
    /// The memory that takes.
    pub(crate) bytes: usize,
}

impl Report {
    /// How many are confirmed, suspected and resolved.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let of = |wanted| self.leaks.iter().filter(|leak| leak.level == wanted).count();
        (of(Level::Confirmed), of(Level::Suspect), of(Level::Resolved))
    }

    /// One line for the index page.
    pub(crate) fn summary(&self) -> String {
        let worst = self.leaks.first().filter(|leak| leak.level != Level::Resolved);
        match (self.looked, self.counts()) {
            (None, _) => "not looked for yet".to_owned(),
            (Some(_), (0, 0, _)) => "none known".to_owned(),
            (Some(_), (sure, suspects, _)) => {
                let worst = worst.map(|leak| format!(": {}", leak.title())).unwrap_or_default();
                format!("{sure} confirmed, {suspects} suspected{worst}")
            }
        }
    }

    /// What a scraper is told.
    pub(crate) fn figures(&self) -> Vec<Family> {
        let mut known =
            Family::gauge("flamewatch_leaks", "Leaks that are known, by what leaks and how sure that is.");
        let mut rate =
            Family::gauge("flamewatch_leak_per_minute", "What leaks in a minute: bytes, or a count.");
        let mut left_out =
            Family::gauge("flamewatch_leak_left_out", "What lives and is not judged for want of room.");
        for followed in &self.followed {
            let subject = followed.subject;
            let leaks = || self.leaks.iter().filter(|leak| leak.subject == subject);
            for wanted in [Level::Confirmed, Level::Suspect] {
                let labels = [("of", subject.as_str()), ("level", level(wanted))];
                let found = || leaks().filter(|leak| leak.level == wanted);
                known = known.with(labels, found().count() as f64);
                rate = rate.with(labels, found().map(|leak| leak.rate.1).sum());
            }
            left_out = left_out.with([("of", subject.as_str())], followed.left_out as f64);
        }
        vec![known, rate, left_out]
    }
}

impl Subject {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Heap => "heap",
            Self::Tasks => "tasks",
            Self::Threads => "threads",
            Self::Descriptors => "fds",
        }
    }

    /// What amounts of it are in.
    pub(crate) const fn unit(self) -> Unit {
        match self {
            Self::Heap => Unit::Bytes,
            Self::Tasks | Self::Threads | Self::Descriptors => Unit::Count,
        }
    }

    /// An amount of it in words: `4.2 MiB`, `7 tasks`.
    pub(crate) fn show(self, amount: f64) -> String {
        match self {
            Self::Heap => self.unit().show(amount),
            Self::Tasks | Self::Threads | Self::Descriptors => {
                let what = if self == Self::Descriptors { "descriptors" } else { self.as_str() };
                format!("{} {what}", self.unit().show(amount))
            }
        }
    }
}

impl Leak {
    /// Whether this and `other`, of another report, are the same leak.
    pub(crate) fn is(&self, other: &Self) -> bool {
        (self.subject, &self.name) == (other.subject, &other.name) && file(&self.place) == file(&other.place)
    }
}

/// A place without its line, which may be another of the same function.
pub(crate) fn file(place: &Option<String>) -> Option<&str> {
    let place = place.as_deref()?;
    Some(place.rsplit_once(':').map_or(place, |(file, _)| file))
}

/// `level` as pages and programs have it.
pub(crate) const fn level(level: Level) -> &'static str {
    match level {
        Level::Confirmed => "confirmed",
        Level::Resolved => "resolved",
        _ => "suspect",
    }
}

/// For tests: a finding of `key` that grows by `rate` a minute, as the detector tells it.
#[cfg(test)]
pub(crate) fn finding(key: u64, level: Level, rate: f64) -> crate::watch::leak::Leak {
    let minute = Duration::from_secs(60);
    crate::watch::leak::Leak {
        key,
        level,
        cause: Cause::Balance,
        low_confidence: false,
        rate,
        rate_low: rate * 0.7,
        rate_high: rate * 1.3,
        standing: rate * 120.0,
        leaked: rate * 100.0,
        leaked_error: rate * 3.0,
        immortal: Some(0.9),
        oldest: 180 * minute,
        median: 55 * minute,
        first_seen: 10 * minute,
        since: 70 * minute,
        changed: 130 * minute,
        window: 120 * minute,
        border: 30 * minute,
        samples: 40,
    }
}
