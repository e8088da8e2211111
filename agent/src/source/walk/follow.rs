//! What tasks wait for, those of one step of a walk together, so that many are read in one system call: first what is behind
//! the pointers that lead there, then all of it once more. What was the same both times, while the task stood still, is told.

use std::cell::Cell;

use super::awaits::{Placed, Step};
use super::layout::{Layout, Vtable};
use super::state::{Doing, State};
use super::view::{Memory, take, word_at};
use super::visit::{Look, Task};
use super::{Future, TypeId, to_length};
use crate::sys::memory::{PAGE, Piece, Reader};

/// How much of a task is read in one piece when a walk has not read it for its size.
const LARGE: usize = 8_192;

/// How much is read at once of what a pointer leads to: it costs what eight bytes cost.
const STRETCH: usize = 256;

/// The most stretches of one task.
const MAX_STRETCHES: usize = 48;

/// Less than this before the end of a page is not worth a stretch.
const LEAST: u64 = 64;

/// How often a task is followed that changes meanwhile.
const TRIES: usize = 2;

/// What the tag of a task says that has its future still.
const HAS_FUTURE: u8 = 0;

/// Tasks that are followed, with room for their bytes, kept for the next.
#[derive(Debug, Default)]
pub(super) struct Follower {
    tasks: Vec<Followed>,
    begun: usize,
}

/// One task.
#[derive(Debug, Default)]
struct Followed {
    header: u64,
    id: u64,
    table: Option<Vtable>,
    doing: Option<Doing>,
    of_type: TypeId,
    /// Where the tag and the future are.
    tag: u64,
    at: u64,
    front: Bytes,
    /// What was read behind pointers: the first `stretched` of these, whose room is kept.
    stretches: Vec<Bytes>,
    stretched: usize,
    chain: Vec<Step>,
    again: Vec<Step>,
    end: End,
}

/// Bytes that were read twice.
#[derive(Debug, Default)]
struct Bytes {
    at: u64,
    first: Vec<u8>,
    second: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum End {
    /// Not followed to its end yet.
    #[default]
    Open,
    /// There is no more to tell than its type.
    Alone,
    /// Followed to its end once.
    Held,
    /// And twice.
    Whole,
    Torn,
}

impl Follower {
    /// Forgets all tasks.
    pub(super) fn clear(&mut self) {
        self.begun = 0;
    }

    /// One more task, whose future is this one.
    pub(super) fn add(&mut self, look: &Look<'_>, future: Option<Future>) {
        if self.begun == self.tasks.len() {
            self.tasks.push(Followed::default());
        }
        if let Some(task) = self.tasks.get_mut(self.begun) {
            task.begin(look, future);
            self.begun += 1;
        }
    }

    /// Follows all that were added.
    pub(super) fn follow(&mut self, memory: &Reader, layout: &Layout, placed: &Placed) {
        let tasks = self.tasks.get_mut(..self.begun).unwrap_or_default();
        large(memory, tasks);
        for _ in 0..TRIES {
            for _ in 0..=MAX_STRETCHES {
                tasks.iter_mut().filter(|task| task.end == End::Open).for_each(|task| task.go_on(placed));
                if tasks.iter().all(|task| task.end != End::Open) {
                    break;
                }
                farther(memory, tasks);
            }
            once_more(memory, tasks);
            for task in tasks.iter_mut().filter(|task| task.end == End::Held) {
                task.end = task.judge(layout, placed);
            }
        }
    }

    /// What the task that was added as this one waits for, its future first; `alone` when there is no more to tell than its
    /// type. `None` when it changed meanwhile, or has become another.
    pub(super) fn told<'f>(&'f self, place: usize, alone: &'f [Step]) -> Option<&'f [Step]> {
        match self.tasks.get(place) {
            Some(Followed { end: End::Whole, chain, .. }) => Some(chain),
            Some(Followed { end: End::Alone, .. }) | None => Some(alone),
            Some(_) => None,
        }
    }
}

impl Followed {
    fn begin(&mut self, look: &Look<'_>, future: Option<Future>) {
        let Task { header, id, state, .. } = look.task;
        let doing = state.doing();
        let settled = matches!(doing, Doing::Idle | Doing::Scheduled);
        let places = future.and_then(|future| future.tag.zip(future.at)).filter(|_| settled);
        (self.header, self.id, self.table, self.doing) = (header, id, Some(look.table), Some(doing));
        (self.tag, self.at) = places.unwrap_or_default();
        self.of_type = future.map_or(0, |future| future.of_type);
        self.end = if places.is_some() { End::Open } else { End::Alone };
        self.front.at = header;
        self.front.first.clear();
        self.front.first.extend_from_slice(look.bytes);
        self.stretched = 0;
    }

    /// One more stretch, from `at` on.
    fn stretch(&mut self, at: u64) {
        if self.stretched == self.stretches.len() {
            self.stretches.push(Bytes::default());
        }
        if let Some(stretch) = self.stretches.get_mut(self.stretched) {
            stretch.begin(at);
            self.stretched += 1;
        }
    }

    /// Goes on as far as the bytes that were read lead. What has to be read next becomes one more stretch.
    fn go_on(&mut self, placed: &Placed) {
        let mut chain = std::mem::take(&mut self.chain);
        let seen = Seen::new(self, |bytes| &bytes.first);
        let whole = placed.chain(&seen, self.header.wrapping_add(self.at), self.of_type, &mut chain);
        let missing = seen.missing.get();
        self.chain = chain;
        match missing {
            Some(at) if self.stretched < MAX_STRETCHES => self.stretch(at),
            Some(_) => self.end = End::Torn,
            None => self.end = if whole { End::Held } else { End::Torn },
        }
    }

    /// What the second look says of the first. A task that went on and stands still again is to be followed once more.
    fn judge(&mut self, layout: &Layout, placed: &Placed) -> End {
        let (first, second) = (self.front.first.as_slice(), self.front.second.as_slice());
        let Some(table) = self.table.filter(|_| first.len() == second.len()) else { return End::Torn };
        let inside = to_length(self.tag)..;
        // From the tag on: a task whose future is over has its output there, also when its memory was given back.
        let has_future =
            |bytes: &[u8]| bytes.get(inside.clone()).and_then(<[u8]>::first) == Some(&HAS_FUTURE);
        let doing = State::new(word_at(second, layout.state)).doing();
        let is_there = word_at(second, to_length(table.id)) == self.id && Some(doing) == self.doing;
        if !(is_there && has_future(first) && has_future(second)) {
            return End::Torn;
        }
        let is_alike = first.get(inside.clone()) == second.get(inside)
            && self.stretches.iter().take(self.stretched).all(|stretch| stretch.first == stretch.second);
        if is_alike || self.leads_there_again(placed) {
            return End::Whole;
        }
        std::mem::swap(&mut self.front.first, &mut self.front.second);
        self.stretched = 0;
        End::Open
    }

    /// Somebody else's bytes may have changed, or who waits beside it: what counts is where it leads.
    fn leads_there_again(&mut self, placed: &Placed) -> bool {
        let mut again = std::mem::take(&mut self.again);
        let seen = Seen::new(self, |bytes| &bytes.second);
        let whole = placed.chain(&seen, self.header.wrapping_add(self.at), self.of_type, &mut again);
        self.again = again;
        whole && self.chain == self.again
    }
}

impl Bytes {
    /// To be what begins at `at`, to the end of its page when that is near.
    fn begin(&mut self, at: u64) {
        let left = PAGE - at % PAGE;
        let length = if left < LEAST { STRETCH } else { STRETCH.min(to_length(left)) };
        self.at = at;
        self.first.resize(length, 0);
    }
}

/// The bytes of one task as they were at one of the two looks, and nothing else.
struct Seen<'t> {
    task: &'t Followed,
    of: fn(&Bytes) -> &Vec<u8>,
    missing: Cell<Option<u64>>,
}

impl<'t> Seen<'t> {
    const fn new(task: &'t Followed, of: fn(&Bytes) -> &Vec<u8>) -> Self {
        Self { task, of, missing: Cell::new(None) }
    }
}

impl Memory for Seen<'_> {
    fn read(&self, pieces: &mut [Piece<'_>]) {
        let Followed { front, stretches, stretched, .. } = self.task;
        for piece in pieces {
            // The last stretch is the one that is most likely asked for.
            let mut all = std::iter::once(front).chain(stretches.iter().take(*stretched).rev());
            let found = all.any(|bytes| take(piece, bytes.at, (self.of)(bytes)));
            if !found && self.missing.get().is_none() {
                self.missing.set(Some(piece.at));
            }
        }
    }
}

/// Reads the tasks that the walk has not read for their size.
fn large(memory: &Reader, tasks: &mut [Followed]) {
    let mut asked = Vec::new();
    for (place, task) in tasks.iter_mut().enumerate() {
        if task.end == End::Open && task.front.first.is_empty() {
            let length = task.table.map_or(0, |table| to_length(table.trailer)).min(LARGE);
            task.front.first.resize(length, 0);
            asked.push((place, Piece::new(task.front.at, &mut task.front.first)));
        }
    }
    let torn = unread(memory, asked);
    tear(tasks, torn);
}

/// Reads the last stretch of each that goes on.
fn farther(memory: &Reader, tasks: &mut [Followed]) {
    let open = tasks.iter_mut().enumerate().filter(|(_, task)| task.end == End::Open);
    let asked = open.filter_map(|(place, task)| {
        let stretch = task.stretches.get_mut(task.stretched.checked_sub(1)?)?;
        Some((place, Piece::new(stretch.at, &mut stretch.first)))
    });
    let torn = unread(memory, asked.collect());
    tear(tasks, torn);
}

/// Reads everything that led somewhere a second time.
fn once_more(memory: &Reader, tasks: &mut [Followed]) {
    let mut asked = Vec::new();
    for (place, task) in tasks.iter_mut().enumerate().filter(|(_, task)| task.end == End::Held) {
        let Followed { front, stretches, stretched, .. } = task;
        for Bytes { at, first, second } in std::iter::once(front).chain(stretches.iter_mut().take(*stretched))
        {
            second.resize(first.len(), 0);
            asked.push((place, Piece::new(*at, second)));
        }
    }
    let torn = unread(memory, asked);
    tear(tasks, torn);
}

/// Reads the pieces, each of the task at the place beside it: the places of those that could not be read.
fn unread(memory: &Reader, asked: Vec<(usize, Piece<'_>)>) -> Vec<usize> {
    let (places, mut pieces): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
    memory.read(&mut pieces);
    places.into_iter().zip(pieces).filter(|(_, piece)| !piece.read).map(|(place, _)| place).collect()
}

fn tear(tasks: &mut [Followed], places: Vec<usize>) {
    for place in places {
        if let Some(task) = tasks.get_mut(place) {
            task.end = End::Torn;
        }
    }
}
