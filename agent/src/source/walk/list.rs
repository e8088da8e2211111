//! One runtime's lists: found in its insides by their shape, and proved by a task that is spawned to be found in them.

use std::future::pending;
use std::ops::Range;

use tokio::runtime::Handle;

use super::layout::{INSIDES, Layout};
use super::probe::{handle_words, number_of};
use super::refusal::Refusal;
use super::view::Memory;

/// How many tasks of a list may be newer than the one that proves it: those that were spawned in between.
const NEWER: usize = 10_000;

/// How often a proof is tried; a list that changes at that moment fails it.
const TRIES: usize = 5;

/// How many lists a runtime may have: tokio makes four for each worker, and 65,536 at most.
const SHARDS: Range<u64> = 1..65_537;

/// Where the lists of one runtime are, for as long as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lists {
    pub(super) array: u64,
    pub(super) shards: u64,
    pub(super) owner: u64,
    /// The tasks that were spawned to find them: in a runtime that nobody drives they stay.
    probes: [u64; TRIES],
}

impl Lists {
    /// Finds them. Spawns a task that waits and is aborted at once; it need not be polled, so that this works while all
    /// workers are blocked.
    pub(super) fn find(memory: &impl Memory, layout: &Layout, handle: &Handle) -> Result<Self, Refusal> {
        let mut found = 0;
        let mut probes = [0; TRIES];
        for number in &mut probes {
            let probe = handle.spawn(pending::<()>());
            let id = number_of(&probe);
            *number = id;
            let mut lists = candidates(memory, layout, handle);
            lists.dedup();
            lists.retain(|lists| lists.has(memory, layout, id));
            probe.abort();
            if let [lists] = lists.as_slice() {
                return Ok(Self { probes, ..*lists });
            }
            found = lists.len();
        }
        Err(Refusal::List { found })
    }

    /// True for a task of ours, which is nobody's.
    pub(super) fn is_probe(&self, id: u64) -> bool {
        self.probes.contains(&id)
    }

    /// Where the address of the newest task of list `shard` is.
    pub(super) fn newest(&self, layout: &Layout, shard: u64) -> u64 {
        self.array.wrapping_add(shard * layout.list.size + layout.list.newest)
    }

    /// Where the address of the oldest one is.
    pub(super) fn oldest(&self, layout: &Layout, shard: u64) -> u64 {
        self.array.wrapping_add(shard * layout.list.size + layout.list.oldest)
    }

    /// True when the task with this id is among the newest of the list where it belongs.
    fn has(&self, memory: &impl Memory, layout: &Layout, id: u64) -> bool {
        let mut at = memory.word(self.newest(layout, id % self.shards)).unwrap_or(0);
        for _ in 0..NEWER {
            let Some((of_task, older)) = (at != 0).then(|| self.task(memory, layout, at)).flatten() else {
                return false;
            };
            if of_task == id {
                return true;
            }
            at = older;
        }
        false
    }

    /// The id of the task at `at`, and where the next older one is.
    fn task(&self, memory: &impl Memory, layout: &Layout, at: u64) -> Option<(u64, u64)> {
        let word = |offset: u64| memory.word(at.wrapping_add(offset));
        let vtable = word(layout.vtable as u64)?;
        let of_list = word(layout.owner as u64)? == self.owner;
        let id = word(memory.word(vtable.wrapping_add(layout.id as u64))?)?;
        let older =
            word(memory.word(vtable.wrapping_add(layout.trailer as u64))?.wrapping_add(layout.older as u64))?;
        of_list.then_some((id, older))
    }
}

/// Whatever in the runtime's insides looks like its lists.
fn candidates(memory: &impl Memory, layout: &Layout, handle: &Handle) -> Vec<Lists> {
    let insides = handle_words(memory, handle).into_iter().filter(|word| word % 8 == 0 && *word > 4_096);
    let mut all: Vec<Lists> =
        insides.flat_map(|inside| in_words(&memory.words_from(inside, INSIDES), layout)).collect();
    all.sort_unstable_by_key(|lists| (lists.array, lists.shards, lists.owner));
    all
}

fn in_words(words: &[u64], layout: &Layout) -> Vec<Lists> {
    let lists = words.windows(2).enumerate().filter_map(|(at, pair)| {
        let [array, shards] = *pair else { return None };
        let owner = *words.get(at.checked_add_signed(layout.list.owner)?)?;
        let fits = array % 8 == 0
            && array > 4_096
            && SHARDS.contains(&shards)
            && shards.is_power_of_two()
            && owner > 0;
        fits.then_some(Lists { array, shards, owner, probes: [0; TRIES] })
    });
    lists.collect()
}
