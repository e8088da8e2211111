//! Asks the tasks, a few hundred at a time, so that the service's own work comes between. Runs on a thread of the agent.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::super::census::Group;
use super::super::magazine::SLAB;
use super::super::slab::{Row, Slot};
use super::tables::{Shown, Tables};
use super::{Awaits, Place, Wait};
use crate::sys::unwinder::Pool;
use crate::sys::waker::Asked;

/// The most tasks asked in one round; each costs its worker one poll more and about 1.5 µs.
pub(crate) const MAX_ASKED: u64 = 100_000;

/// The most tasks that are asked and have not answered yet. A worker that finds them all in its queue is done with them
/// within half a millisecond.
const MAX_OPEN: usize = 256;

/// How long one task may take to answer. What is in a poll for that long is running, on a blocked worker or waiting for
/// one.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long the whole round may take: with workers that are blocked for good, every few hundred tasks wait in vain.
const DEADLINE: Duration = Duration::from_secs(3);

/// Between two looks for answers.
const PAUSE: Duration = Duration::from_micros(50);

/// One round at a time: a question knows nothing of who asked it.
static ASKING: AtomicBool = AtomicBool::new(false);

/// Asks every task of [`spawn`](crate::spawn()) where it waits, until `canceled`. `None` while somebody else is at it.
pub(crate) fn awaits(canceled: impl Fn() -> bool) -> Option<Awaits> {
    // Acquire: pairs with the Release of `Claim::drop`.
    ASKING.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).ok()?;
    let _claim = Claim;
    let _user = Pool::global().used();
    let mut round = Round::new();
    for slot in SLAB.slots() {
        if !round.is_over() && !canceled() {
            round.make_room();
            round.ask(slot);
        } else if slot.read().is_some() {
            round.left_out += 1;
        }
    }
    Some(round.end())
}

struct Claim;

impl Drop for Claim {
    fn drop(&mut self) {
        ASKING.store(false, Ordering::Release);
    }
}

struct Round {
    shown: Shown,
    began: Instant,
    asked: u64,
    left_out: u64,
    /// Who has not answered, the longest asked first.
    open: Vec<(&'static Slot, Instant)>,
    /// Who has not answered in time.
    late: Vec<&'static Slot>,
    /// Tasks that were not asked or have not answered.
    unknown: HashMap<Group, u64>,
}

impl Round {
    fn new() -> Self {
        Self {
            shown: Tables::show(),
            began: Instant::now(),
            asked: 0,
            left_out: 0,
            open: Vec::with_capacity(MAX_OPEN),
            late: Vec::new(),
            unknown: HashMap::new(),
        }
    }

    fn is_over(&self) -> bool {
        self.asked >= MAX_ASKED || self.began.elapsed() > DEADLINE
    }

    fn ask(&mut self, slot: &'static Slot) {
        match slot.waker().ask() {
            Asked::Yes => {
                self.asked += 1;
                self.open.push((slot, Instant::now()));
            }
            Asked::Left => SLAB.give(std::iter::once(slot)),
            // Not polled yet, or for the first time; or it is no task, but something within one.
            Asked::Nobody => self.count(slot.read()),
        }
    }

    /// Waits until another task may be asked.
    fn make_room(&mut self) {
        if self.open.len() < MAX_OPEN {
            return;
        }
        loop {
            self.look();
            if self.open.len() < MAX_OPEN {
                return;
            }
            thread::sleep(PAUSE);
        }
    }

    /// Who has answered, and who takes too long.
    fn look(&mut self) {
        let now = Instant::now();
        let late = &mut self.late;
        self.open.retain(|(slot, since)| {
            if slot.waker().has_answered() {
                return false;
            }
            let in_time = now.saturating_duration_since(*since) < PATIENCE;
            if !in_time {
                late.push(slot);
            }
            in_time
        });
    }

    fn end(mut self) -> Awaits {
        while !self.open.is_empty() {
            self.look();
            thread::sleep(PAUSE);
        }
        for slot in std::mem::take(&mut self.late) {
            if !slot.waker().has_answered() {
                slot.waker().answered();
                self.count(slot.read());
            }
        }
        let mut awaits = self.shown.read();
        (awaits.asked, awaits.left_out) = (self.asked, self.left_out);
        awaits.waits.extend(self.unknown.into_iter().map(|(group, tasks)| {
            let Group { site, tag, name, state } = group;
            Wait { site, tag, name, place: Place::Unknown(state), tasks }
        }));
        awaits
    }

    fn count(&mut self, row: Option<Row>) {
        if let Some(Row { site, tag, name, state, .. }) = row {
            *self.unknown.entry(Group { site, tag, name, state }).or_default() += 1;
        }
    }
}
