//! Tasks that nobody told us of, by the type of their future, as they are read from memory. Their ages are known from their
//! numbers: tokio counts its tasks, so that one above all that lived a minute ago is younger than that.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::hash;
use crate::profile::Frame;
use crate::source::tasks::{future_frames, shown_type};
use crate::source::walk::{Reading, Task, TypeId, Whose};
use crate::spawn;

/// Marks the keys of this list among those of [`Tasks`](super::Tasks).
const MARK: u64 = 1 << 63;

/// How many looks are remembered; those of eight hours by default.
const MAX_MARKS: usize = 512;

/// The most types of which an example is kept.
const MAX_TYPES: usize = 2_048;

/// Looking may take one part in so many of the time.
const SHARE: u32 = 200;

/// The tasks of the service's runtimes, but those of [`spawn`](crate::spawn()).
#[derive(Debug, Default)]
pub(crate) struct Walked {
    reading: Option<(Arc<Reading>, Option<Handle>)>,
    clock: IdClock,
    /// The oldest task of each type.
    examples: HashMap<u64, Task>,
    names: HashMap<u64, String>,
    not_before: Option<Instant>,
}

/// When which number was the highest.
#[derive(Debug, Default)]
struct IdClock(Vec<(Duration, u64)>);

impl Walked {
    /// Those that `reading` can read, of `runtime` and all runtimes that were told of.
    pub(crate) fn new(reading: Arc<Reading>, runtime: Option<Handle>) -> Self {
        Self { reading: Some((reading, runtime)), ..Self::default() }
    }

    /// Hands the key and the age of each to `each`. False when not all could be looked at, or it is too early to look again
    /// because looking took long: then those that are missing have not died.
    pub(crate) fn visit(&mut self, now: Duration, mut each: impl FnMut(u64, Duration) + Send) -> bool {
        let Self { reading, clock, examples, names, not_before } = self;
        let Some((reading, runtime)) = reading.as_ref().filter(|_| spawn::hooks_are_set() != Some(true))
        else {
            return true;
        };
        let begun = Instant::now();
        if not_before.is_some_and(|time| begun < time) {
            return false;
        }
        examples.clear();
        let mut keys: HashMap<(u64, Option<TypeId>), u64> = HashMap::new();
        let mut newest = 0;
        let account = reading.list(&spawn::runtimes(runtime.as_ref()), |told| {
            let seen = told.seen;
            newest = seen.task.id.max(newest);
            // Without a name a type is not known to be none of ours, and there is nothing to say of it.
            let Some(name) = seen.name.filter(|_| seen.whose == Whose::Others) else { return };
            let key = *keys.entry((seen.task.vtable, seen.of_type)).or_insert_with(|| {
                let key = hash(name) | MARK;
                if names.len() < MAX_TYPES {
                    names.entry(key).or_insert_with(|| name.to_owned());
                }
                key
            });
            if examples.len() < MAX_TYPES || examples.contains_key(&key) {
                let oldest = examples.entry(key).or_insert(seen.task);
                if seen.task.id < oldest.id {
                    *oldest = seen.task;
                }
            }
            each(key, clock.age(seen.task.id, now));
        });
        clock.tick(now, newest);
        *not_before = Some(begun + begun.elapsed() * SHARE);
        account.is_ok_and(|account| account.course.given_up == 0 && !account.is_cut)
    }

    /// The next look may come at once: in a test no minute passes.
    #[cfg(test)]
    pub(crate) const fn hurry(&mut self) {
        self.not_before = None;
    }

    /// True for a key of this list.
    pub(crate) const fn knows(key: u64) -> bool {
        key & MARK != 0
    }

    /// What the oldest task of `key` waits for, and its type.
    pub(crate) fn frames(&self, key: u64) -> Vec<Frame> {
        let chain = self.examples.get(&key).zip(self.reading.as_ref()).and_then(|(task, (reading, _))| {
            let (plan, of_type, chain) = reading.chain(task)?;
            Some(future_frames(&plan, of_type, &chain))
        });
        let name = || self.names.get(&key).map_or("(more types than are kept)", String::as_str);
        chain.unwrap_or_else(|| vec![Frame::named(shown_type(name()))])
    }
}

impl IdClock {
    /// Up to `newest` tasks have been numbered at `now`.
    fn tick(&mut self, now: Duration, newest: u64) {
        if self.0.len() >= MAX_MARKS {
            // Every second one of the older half: the older a task, the less a minute matters.
            let half = MAX_MARKS / 2;
            let mut place = 0;
            self.0.retain(|_| {
                place += 1;
                place > half || place % 2 == 0
            });
        }
        self.0.push((now, newest));
    }

    /// How old the task with this number is at least.
    fn age(&self, id: u64, now: Duration) -> Duration {
        let after = self.0.partition_point(|(_, newest)| *newest < id);
        self.0.get(after).map_or(Duration::ZERO, |(time, _)| now.saturating_sub(*time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_task_is_as_old_as_the_first_look_that_saw_it() {
        let mut clock = IdClock::default();
        assert_eq!(clock.age(7, MINUTE), Duration::ZERO);
        for minute in 1..=2_000 {
            clock.tick(MINUTE * minute, u64::from(minute) * 10);
        }
        let now = MINUTE * 2_000;
        assert_eq!(clock.age(20_000, now), Duration::ZERO);
        assert_eq!(clock.age(20_001, now), Duration::ZERO);
        assert_eq!(clock.age(19_990, now), MINUTE);
        assert_eq!(clock.age(19_985, now), MINUTE);
        assert!(clock.0.len() <= MAX_MARKS);
        // Of long ago less is remembered, and nobody is made older than they are.
        for id in [1, 5_000, 12_345] {
            let truth = now - MINUTE * u32::try_from(id / 10 + 1).expect("small");
            assert!(clock.age(id, now) <= truth + MINUTE, "{id}");
        }
        assert!(clock.age(15_000, now) > MINUTE * 400);
    }
}
