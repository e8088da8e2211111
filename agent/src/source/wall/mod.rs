//! Where time goes, on a processor or off it: the `wall` profile, and what of it is waiting: `block` and `mutex`.

mod lock;
mod sweep;

use std::time::Duration;

use super::{Labels, Source, Window, every_one};
use crate::profile::{Frame, Profile, Unit, ValueType};
use crate::{Error, ErrorKind};
use sweep::{Doing, Recording, Stretch};

/// All threads, whatever they do, looked at 20 times a second. One that has not run since the last look is counted where
/// it was, at the price of reading its clock; one that sleeps is not touched.
#[derive(Clone, Copy, Debug)]
pub struct Wall {
    labels: Labels,
    shows: Shows,
}

/// Which part of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    /// `wall`: all of it.
    Everything,
    /// `block`: waiting for others.
    Waits,
    /// `mutex`: waiting for a lock.
    Locks,
}

impl Wall {
    /// How often threads are looked at.
    pub const DEFAULT_HZ: u32 = 20;

    /// The most looks a second.
    pub const MAX_HZ: u32 = 99;

    /// All the time of all threads.
    #[must_use]
    pub fn new() -> Self {
        Self { labels: |_| Vec::new(), shows: Shows::Everything }
    }

    /// The time that threads wait for others: the profile `block`.
    #[must_use]
    pub fn blocked() -> Self {
        Self { shows: Shows::Waits, ..Self::new() }
    }

    /// The time that threads wait for locks: the profile `mutex`.
    #[must_use]
    pub fn locked() -> Self {
        Self { shows: Shows::Locks, ..Self::new() }
    }

    /// The same, with what `labels` gives for the tag of a thread that runs.
    #[must_use]
    pub(crate) fn labeled(self, labels: Labels) -> Self {
        Self { labels, ..self }
    }
}

impl Default for Wall {
    fn default() -> Self {
        Self::new()
    }
}

impl Source for Wall {
    fn name(&self) -> &'static str {
        match self.shows {
            Shows::Everything => "wall",
            Shows::Waits => "block",
            Shows::Locks => "mutex",
        }
    }

    fn about(&self) -> &'static str {
        match self.shows {
            Shows::Everything => {
                "Time by stack, on a processor or not, of every thread, over ?seconds=. Costs 0.3 % of a core for 100 threads."
            }
            Shows::Waits => {
                "Time that native threads wait, in futex, poll, sleep, read, over ?seconds=. Async tasks that wait are in awaits."
            }
            Shows::Locks => {
                "Time that native threads wait for std's, parking_lot's and pthread's locks, over ?seconds=: who waits, not who holds."
            }
        }
    }

    fn count(&self) -> Option<u64> {
        None
    }

    fn windowed(&self) -> bool {
        true
    }

    fn default_length(&self) -> Duration {
        // Scrapers ask for these two without saying how long, and expect an answer at once.
        Duration::from_secs(if self.shows == Shows::Everything { 30 } else { 1 })
    }

    fn collect(&self, window: &Window) -> Result<Profile, Error> {
        let hertz = window.hertz().unwrap_or(Self::DEFAULT_HZ);
        if !(1..=Self::MAX_HZ).contains(&hertz) {
            let context = format!(
                "cannot look at the threads {hertz} times a second, only 1 to {} times",
                Self::MAX_HZ
            );
            return Err(Error::new(ErrorKind::Invalid, context));
        }
        let keep = self.shows;
        let recording = sweep::record(hertz, window, |doing| match (keep, doing) {
            (Shows::Everything, _) => true,
            (_, Doing::Running) => false,
            (Shows::Waits, Doing::Waiting(call)) => call.is_some_and(super::thread::wait::is_wait),
            (Shows::Locks, Doing::Waiting(call)) => call.is_some_and(super::thread::wait::is_futex),
        })?;
        Ok(self.profile(recording))
    }

    fn refine(&self, named: Profile) -> Profile {
        if self.shows == Shows::Locks { lock::only_locks(&named) } else { named }
    }
}

impl Wall {
    fn profile(self, recording: Recording) -> Profile {
        let (counted, timed) = match self.shows {
            Shows::Everything => ("samples", "wall"),
            Shows::Waits | Shows::Locks => ("contentions", "delay"),
        };
        let time = ValueType::new(timed, Unit::Nanoseconds);
        let mut profile = Profile::new(self.name(), [ValueType::new(counted, Unit::Count), time.clone()]);
        profile.began = recording.began;
        profile.lasted = Some(recording.lasted);
        // Go counts contentions one by one, and Pyroscope makes the name of a profile of this.
        profile.period = match self.shows {
            Shows::Everything => Some((time, u64::try_from(recording.period.as_nanos()).unwrap_or(u64::MAX))),
            Shows::Waits | Shows::Locks => every_one(&profile),
        };
        profile.losses = recording.losses;
        profile.comments = recording.comments;
        let hertz = 1.0 / recording.period.as_secs_f64().max(f64::MIN_POSITIVE);
        profile.comments.push(match self.shows {
            Shows::Everything => format!("every thread looked at {hertz:.0} times a second"),
            Shows::Waits | Shows::Locks => format!(
                "native threads seen waiting {hertz:.0} times a second: who waits, not who is to blame; waits between two looks are missed"
            ),
        });
        for stretch in recording.stretches {
            self.add(&mut profile, stretch);
        }
        profile
    }

    fn add(self, profile: &mut Profile, stretch: Stretch) {
        let Stretch { thread, doing, tag, frames, looks, waits, time } = stretch;
        let (state, call) = match doing {
            Doing::Running => ("running", None),
            Doing::Waiting(call) => ("waiting", call),
        };
        let call = call.map(|call| {
            let name = super::thread::wait::call_name(call);
            Frame::label("in", name.map_or_else(|| format!("system call {call}"), str::to_owned))
        });
        let labels = (self.labels)(tag).into_iter().map(|(key, value)| Frame::label(key, value));
        let frames = super::addresses(&frames).map(Frame::Address).collect::<Vec<_>>();
        let labels = labels.chain(call).chain([Frame::label("state", state), Frame::label("thread", thread)]);
        let count = if self.shows == Shows::Everything { looks } else { waits };
        let values =
            [i64::try_from(count).unwrap_or(i64::MAX), i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)];
        profile.add(frames.into_iter().chain(labels), &values, looks);
    }
}
