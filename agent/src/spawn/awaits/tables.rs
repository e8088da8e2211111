//! What tasks have told so far, counted while they tell. Every task that was asked writes here on its own thread, so
//! there is no lock; bounded, and freed when the round is over.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::super::slab::Row;
use super::{Awaits, Place, Wait};
use crate::intern::{Interner, hash};
use crate::sys::teller::Told;
use crate::sys::unwinder::End;

/// The most different stacks of a round. 4,096 stacks of 40 addresses are 1.3 MB, their index is 32 KB.
const MAX_STACKS: usize = 4_096;

/// The most different groups of tasks that wait in the same place: 48 bytes each, the index is 128 KB.
const MAX_GROUPS: usize = 16_384;

/// The stack number of tasks that told none.
const NOWHERE: u32 = 0;

#[derive(Debug)]
pub(super) struct Tables {
    stacks: Interner<Box<[u64]>>,
    groups: Interner<Group>,
    told: AtomicU64,
    ended: AtomicU64,
    dropped: AtomicU64,
    truncated: AtomicU64,
    incomplete: AtomicU64,
}

#[derive(Debug)]
struct Group {
    key: [u32; 4],
    tasks: AtomicU64,
}

/// The tables of the round that is under way.
static CURRENT: RwLock<Option<Arc<Tables>>> = RwLock::new(None);

/// Takes tables out of sight at the end of their round.
#[derive(Debug)]
pub(super) struct Shown(Arc<Tables>);

impl Tables {
    fn new() -> Self {
        Self {
            stacks: Interner::new(MAX_STACKS),
            groups: Interner::new(MAX_GROUPS),
            told: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            truncated: AtomicU64::new(0),
            incomplete: AtomicU64::new(0),
        }
    }

    /// The tables to tell to. `None` when nobody is asking any more, or just begins or ends: a task does not wait.
    pub(super) fn current() -> Option<Arc<Self>> {
        CURRENT.try_read().ok()?.clone()
    }

    /// New tables, which tasks find until this is dropped.
    pub(super) fn show() -> Shown {
        let tables = Arc::new(Self::new());
        *CURRENT.write().unwrap_or_else(PoisonError::into_inner) = Some(tables.clone());
        Shown(tables)
    }

    /// One task has told where it waits: nowhere, or in one place or several.
    pub(super) fn add(&self, row: &Row, told: Vec<Told>) {
        self.told.fetch_add(1, Ordering::Relaxed);
        if told.is_empty() {
            self.count(row, NOWHERE);
        }
        for Told { frames, end } in told {
            match end {
                End::Root => {}
                End::Full => add_one(&self.truncated),
                End::Lost => add_one(&self.incomplete),
                End::Busy => {
                    add_one(&self.dropped);
                    continue;
                }
            }
            let hash = hash::words(&frames);
            match self.stacks.intern(hash, MAX_STACKS, |other| *other == frames, || frames.clone()) {
                Some(stack) => self.count(row, stack),
                None => add_one(&self.dropped),
            }
        }
    }

    /// One task had something to do instead, and is done.
    pub(super) fn ended(&self) {
        add_one(&self.ended);
    }

    fn count(&self, row: &Row, stack: u32) {
        let key = [stack, row.site, row.tag, row.name];
        let make = || Group { key, tasks: AtomicU64::new(0) };
        let number = self.groups.intern(hash::set(key), MAX_GROUPS, |other| other.key == key, make);
        match number.and_then(|number| self.groups.get(number)) {
            Some(group) => add_one(&group.tasks),
            None => add_one(&self.dropped),
        }
    }

    fn read(&self) -> Awaits {
        let [told, ended, dropped, truncated, incomplete] =
            [&self.told, &self.ended, &self.dropped, &self.truncated, &self.incomplete]
                .map(|count| count.load(Ordering::Relaxed));
        let waits = (1..=self.groups.len()).filter_map(|number| self.wait(number)).collect();
        Awaits { waits, told, ended, dropped, truncated, incomplete, ..Awaits::default() }
    }

    fn wait(&self, number: u32) -> Option<Wait> {
        let group = self.groups.get(number)?;
        let [stack, site, tag, name] = group.key;
        let place = match stack {
            NOWHERE => Place::Nowhere,
            stack => Place::At(self.stacks.get(stack)?.clone()),
        };
        let tasks = group.tasks.load(Ordering::Relaxed);
        (tasks > 0).then_some(Wait { site, tag, name, place, tasks })
    }
}

impl Shown {
    /// What was told so far.
    pub(super) fn read(&self) -> Awaits {
        self.0.read()
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        *CURRENT.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn add_one(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}
