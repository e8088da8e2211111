//! Counts equal stacks while a window lasts. Bounded in stacks; what is beyond is counted.

use std::collections::HashMap;

use crate::profile::MAX_STACKS;

/// What was counted on equal stacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    /// How often the stack was taken.
    pub(super) taken: u64,
    /// The time these stand for, in nanoseconds.
    pub(super) ns: u64,
}

/// Stacks of raw addresses by who was on them, and in what state.
#[derive(Debug, Default)]
pub(super) struct Tally {
    stacks: HashMap<Box<[u64]>, Weight>,
    key: Vec<u64>,
    dropped: u64,
}

/// Whose a stack is: a thread, what it was working on, and a word that only the source understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) thread: u32,
    pub(super) tag: u32,
    pub(super) state: u64,
}

impl Tally {
    /// Adds to what is known of `frames`; false when there is no room. Allocates for a stack's first time alone.
    pub(super) fn add(&mut self, who: Who, frames: &[u64], weight: Weight) -> bool {
        self.key.clear();
        self.key.push(u64::from(who.tag) << 32 | u64::from(who.thread));
        self.key.push(who.state);
        self.key.extend_from_slice(frames);
        if let Some(known) = self.stacks.get_mut(self.key.as_slice()) {
            known.add(weight);
        } else if self.stacks.len() < MAX_STACKS {
            self.stacks.insert(self.key.as_slice().into(), weight);
        } else {
            self.dropped = self.dropped.saturating_add(weight.taken);
            return false;
        }
        true
    }

    /// How many times a stack was taken for which there was no room.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// All stacks, each with whose it is.
    pub(super) fn into_stacks(self) -> impl Iterator<Item = (Who, Box<[u64]>, Weight)> {
        self.stacks.into_iter().filter_map(|(key, weight)| {
            let (&[who, state], frames) = key.split_first_chunk()?;
            let (thread, tag) =
                (u32::try_from(who & u64::from(u32::MAX)).ok()?, u32::try_from(who >> 32).ok()?);
            Some((Who { thread, tag, state }, frames.into(), weight))
        })
    }
}

impl Weight {
    pub(super) fn add(&mut self, other: Self) {
        self.taken = self.taken.saturating_add(other.taken);
        self.ns = self.ns.saturating_add(other.ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_stacks_of_one_thread_add_up() {
        let mut tally = Tally::default();
        let weight = Weight { taken: 1, ns: 10 };
        let who = Who { thread: 7, tag: 3, state: 1 };
        tally.add(who, &[1, 2], weight);
        tally.add(who, &[1, 2], weight);
        tally.add(Who { thread: 8, ..who }, &[1, 2], weight);
        let mut stacks: Vec<_> = tally.into_stacks().collect();
        stacks.sort_by_key(|(who, ..)| who.thread);
        assert_eq!(stacks[0], (who, Box::from([1, 2]), Weight { taken: 2, ns: 20 }));
        assert_eq!((stacks.len(), stacks[1].0.thread), (2, 8));
    }

    #[test]
    fn a_stack_past_the_bound_is_counted() {
        let mut tally = Tally::default();
        let who = Who { thread: 1, tag: 0, state: 0 };
        for frame in 0..MAX_STACKS as u64 + 2 {
            tally.add(who, &[frame], Weight { taken: 1, ns: 1 });
        }
        tally.add(who, &[0], Weight { taken: 1, ns: 1 });
        assert_eq!(tally.dropped(), 2);
        assert_eq!(tally.into_stacks().count(), MAX_STACKS);
    }
}
