//! From task to task through a runtime's lists, all of them side by side, while tasks come and go.
//!
//! What is read may be gone the moment after, so each step is proved: the task must be of the list, have a table of
//! functions that is one, and point back to where we come from. A step that fails is taken again from a task before it.

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use super::image::Image;
use super::layout::{Layout, Vtable};
use super::list::Lists;
use super::state::State;
use super::view::{Memory, word_at};
use crate::sys::memory::Piece;

/// The most types of futures that are remembered; 32 bytes each.
const MAX_TYPES: usize = 65_536;

/// How many tasks of each list are remembered to go back to.
const BEHIND: usize = 16;

/// How often a list is taken up again before it is given up: tasks end there faster than they can be read.
const MAX_RESTARTS: u64 = 10_000;

/// How long nothing is read when there was no step forward in any list, and for how many restarts that counts: lists that
/// stand still are given up after about half a second.
const PAUSE: Duration = Duration::from_micros(200);
const STANDSTILL: u64 = 4;

/// A task whose links are not farther than this is read in one piece, which is faster than the few words that are needed.
const FRONT: usize = 512;

/// The bytes of a task: its front, or its header and its id, and the links behind.
const TASK: usize = FRONT + LINKS;
const LINKS: usize = 24;

/// A task as it was seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    pub(crate) id: u64,
    pub(crate) header: u64,
    /// Which stands for the type of its future.
    pub(crate) vtable: u64,
    pub(crate) state: State,
}

/// A task and its bytes up to its links; none when it is large.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look<'b> {
    pub(super) task: Task,
    pub(super) table: Vtable,
    pub(super) bytes: &'b [u8],
}

impl Look<'_> {
    /// The word at `at` in the task, of the bytes or, where it is not among them, read now.
    pub(super) fn word(&self, memory: &impl Memory, at: u64) -> Option<u64> {
        match self.bytes.get(to_length(at)..).filter(|bytes| bytes.len() >= 8) {
            Some(bytes) => Some(word_at(bytes, 0)),
            None => memory.word(self.task.header.wrapping_add(at)),
        }
    }
}

/// How a walk went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Course {
    /// Tasks that were seen.
    pub(crate) tasks: u64,
    /// How often a step was taken again, because somebody changed the list there.
    pub(crate) restarts: u64,
    /// Lists that were given up.
    pub(crate) given_up: u64,
    /// Tasks that changed while they were read, so that what they wait for is not known.
    pub(crate) torn: u64,
}

impl std::ops::AddAssign for Course {
    fn add_assign(&mut self, other: Self) {
        self.tasks += other.tasks;
        self.restarts += other.restarts;
        self.given_up += other.given_up;
        self.torn += other.torn;
    }
}

/// What the tables of functions say, read once each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Types {
    known: HashMap<u64, Known>,
}

#[derive(Clone, Debug)]
struct Known {
    table: Vtable,
    functions: Vec<u64>,
}

/// A task, the one that is newer, and the one that is older.
type Linked = (Task, u64, u64);

/// Where in one list we are.
struct Shard {
    number: u64,
    /// The next task; 0 at the end.
    next: u64,
    /// The last ones that were good, the newest of them last; the front is the list's head, address 0.
    behind: Vec<(u64, u64)>,
    /// The table of functions of the last one: that of the next is likely the same.
    vtable: u64,
    /// The least id seen, and the one below which nothing was told before the list was last taken up from its head.
    least: u64,
    untold: u64,
    restarts: u64,
}

/// Tells `each` of every task of `lists`, at most about `most`, the next of each list at once. Those that come or go meanwhile may be told or not. Two
/// threads that spawn at once may link their tasks in another order than they number them: then, and only where a list had to
/// be taken up from its head, one of these may be told twice or not at all.
pub(super) fn visit(
    memory: &impl Memory,
    image: &Image,
    layout: &Layout,
    types: &mut Types,
    lists: &Lists,
    most: u64,
    mut each: impl FnMut(&Types, &[Look<'_>]),
) -> Course {
    let mut course = Course::default();
    let mut shards: Vec<Shard> = (0..lists.shards).map(Shard::new).collect();
    let walk = Walk { memory, image, layout, lists };
    let mut scratch = Scratch::default();
    for shard in &mut shards {
        walk.to_head(shard);
    }
    while !shards.is_empty() && course.tasks < most {
        let before = course.restarts;
        walk.step(&mut shards, types, &mut scratch, &mut course, &mut each);
        if course.restarts - before >= shards.len() as u64 {
            // Whoever changes these lists may have been stopped in the middle of it, and wants the processor.
            thread::sleep(PAUSE);
            for shard in &mut shards {
                shard.restarts += STANDSTILL;
                // Where we stood before the pause may be long gone.
                walk.back(shard, types);
            }
        }
        shards.retain(|shard| {
            let lost = shard.restarts > MAX_RESTARTS;
            course.given_up += u64::from(lost);
            shard.next != 0 && !lost
        });
    }
    course
}

struct Walk<'w, M> {
    memory: &'w M,
    image: &'w Image,
    layout: &'w Layout,
    lists: &'w Lists,
}

/// Bytes of one step, kept for the next.
#[derive(Default)]
struct Scratch {
    bytes: Vec<[u8; TASK]>,
    seen: Vec<Option<(Task, Vtable)>>,
}

impl<M: Memory> Walk<'_, M> {
    /// Reads the next task of each list in one system call, and goes on to the one behind it.
    fn step(
        &self,
        shards: &mut [Shard],
        types: &mut Types,
        scratch: &mut Scratch,
        course: &mut Course,
        each: &mut impl FnMut(&Types, &[Look<'_>]),
    ) {
        scratch.grow(shards.len());
        let Scratch { bytes: all, seen } = scratch;
        let mut pieces = Vec::with_capacity(shards.len() * 2);
        for (shard, bytes) in shards.iter().zip(&mut *all) {
            let table = types.known.get(&shard.vtable).map(|known| &known.table);
            self.ask(shard.next, table, bytes, &mut pieces);
        }
        self.memory.read(&mut pieces);
        let read: Vec<bool> = pieces.into_iter().map(|piece| piece.read).collect();
        let mut read = read.into_iter();
        seen.clear();
        for (shard, bytes) in shards.iter_mut().zip(&mut *all) {
            let guess = types.known.get(&shard.vtable).map(|known| known.table);
            let read = read.by_ref().take(guess.map_or(1, pieces_of)).filter(|read| !read).count() == 0;
            let found = self.see(shard, shard.next, types, guess.filter(|_| read), bytes);
            let found = found
                .filter(|found| self.is_in_its_place(shard, found) && self.is_in_order(shard, found, types));
            match found {
                Some((task, _, older)) => {
                    let table = types.table(task.vtable).filter(|_| task.id < shard.untold);
                    seen.push(table.map(|table| (task, table)));
                    shard.pass(task, older);
                }
                None => {
                    seen.push(None);
                    course.restarts += 1;
                    shard.restarts += 1;
                    self.back(shard, types);
                }
            }
        }
        let looks = all.iter().zip(seen).filter_map(|(bytes, seen)| {
            let (task, table) = (*seen)?;
            let length = front_len(&table).unwrap_or(0).min(to_length(table.trailer));
            Some(Look { task, table, bytes: bytes.get(..length).unwrap_or_default() })
        });
        let looks: Vec<Look<'_>> = looks.collect();
        course.tasks += looks.len() as u64;
        each(types, &looks);
    }

    /// The pieces of one task with this table of functions, or of its header when that is not known.
    fn ask<'b>(
        &self,
        at: u64,
        table: Option<&Vtable>,
        bytes: &'b mut [u8; TASK],
        pieces: &mut Vec<Piece<'b>>,
    ) {
        let (front, links) = bytes.split_at_mut(FRONT);
        let of_front = table.map_or(self.layout.header_len(), |table| match front_len(table) {
            Some(all) => all,
            None => self.layout.header_len().max(to_length(table.id) + 8),
        });
        pieces.push(Piece::new(at, front.get_mut(..of_front).unwrap_or_default()));
        if let Some(table) = table.filter(|table| front_len(table).is_none()) {
            pieces.push(Piece::new(at.wrapping_add(table.trailer), links));
        }
    }

    /// True when the task is linked with the one that we come from. A task that leaves has both links set to 0, one after
    /// the other, and its worker may be stopped in between: whoever looks like an end of the list must be one.
    fn is_in_its_place(&self, shard: &Shard, (task, newer, older): &Linked) -> bool {
        *newer == shard.last() && self.is_end_or_linked(shard, task, *newer, *older)
    }

    /// True when the task is not newer than the one that we come from, or stands behind it all the same: two threads that spawn
    /// at once may link their tasks in another order than they number them. Else both may have ended, and new tasks stand in
    /// their memory, linked as they were: what is behind these has been told.
    fn is_in_order(&self, shard: &Shard, (task, ..): &Linked, types: &mut Types) -> bool {
        let Some((at, id)) = shard.behind.last().filter(|(_, id)| task.id > *id) else { return true };
        let mut bytes = [0; TASK];
        self.see(shard, *at, types, None, &mut bytes)
            .is_some_and(|(last, _, older)| last.id == *id && older == task.header)
    }

    fn is_end_or_linked(&self, shard: &Shard, task: &Task, newer: u64, older: u64) -> bool {
        let is = |end: u64| self.memory.word(end) == Some(task.header);
        (newer != 0 || is(self.lists.newest(self.layout, shard.number)))
            && (older != 0 || is(self.lists.oldest(self.layout, shard.number)))
    }

    fn newest(&self, shard: u64) -> u64 {
        self.memory.word(self.lists.newest(self.layout, shard)).unwrap_or(0)
    }

    /// The task at `at`, who is newer and who is older, if all of it is as it must be.
    fn see(
        &self,
        shard: &Shard,
        at: u64,
        types: &mut Types,
        guess: Option<Vtable>,
        bytes: &mut [u8; TASK],
    ) -> Option<Linked> {
        let vtable = match guess {
            Some(_) => word_at(bytes, self.layout.vtable),
            None => self.memory.word(at.wrapping_add(self.layout.vtable as u64))?,
        };
        let table = types.of(self.memory, self.image, self.layout, vtable)?;
        if guess != Some(table) {
            let mut pieces = Vec::with_capacity(2);
            self.ask(at, Some(&table), bytes, &mut pieces);
            self.memory.read(&mut pieces);
            pieces.iter().all(|piece| piece.read).then_some(())?;
        }
        let links = front_len(&table).map_or(FRONT, |_| to_length(table.trailer));
        let id = word_at(bytes, to_length(table.id));
        let is_same = word_at(bytes, self.layout.vtable) == vtable;
        let is_of_list =
            word_at(bytes, self.layout.owner) == self.lists.owner && id % self.lists.shards == shard.number;
        let task = Task { id, header: at, vtable, state: State::new(word_at(bytes, self.layout.state)) };
        let link = |link: usize| word_at(bytes, links + link);
        (is_same && is_of_list && id != 0).then(|| (task, link(self.layout.newer), link(self.layout.older)))
    }

    /// Takes the list up behind the last of the tasks passed that is still in it, or from its head.
    fn back(&self, shard: &mut Shard, types: &mut Types) {
        while let Some((at, id)) = shard.behind.pop() {
            let mut bytes = [0; TASK];
            let seen = self.see(shard, at, types, None, &mut bytes);
            if let Some((task, newer, older)) = seen
                && task.id == id
                && self.is_end_or_linked(shard, &task, newer, older)
            {
                shard.behind.push((at, id));
                shard.next = older;
                return;
            }
        }
        self.to_head(shard);
    }

    fn to_head(&self, shard: &mut Shard) {
        shard.behind.clear();
        shard.untold = shard.least;
        shard.next = self.newest(shard.number);
    }
}

impl Shard {
    fn new(number: u64) -> Self {
        Self {
            number,
            next: 0,
            behind: Vec::new(),
            vtable: 0,
            least: u64::MAX,
            untold: u64::MAX,
            restarts: 0,
        }
    }

    /// Where we come from; 0 at the head of the list.
    fn last(&self) -> u64 {
        self.behind.last().map_or(0, |(at, _)| *at)
    }

    fn pass(&mut self, task: Task, older: u64) {
        if self.behind.len() >= BEHIND {
            self.behind.drain(..BEHIND / 2);
        }
        self.behind.push((task.header, task.id));
        self.vtable = task.vtable;
        self.least = self.least.min(task.id);
        self.next = older;
    }
}

impl Types {
    /// The functions of the table at `vtable`, if a task with it was seen.
    pub(super) fn functions(&self, vtable: u64) -> &[u64] {
        self.known.get(&vtable).map(|known| known.functions.as_slice()).unwrap_or_default()
    }

    /// What the table at `vtable` says, if a task with it was seen.
    pub(super) fn table(&self, vtable: u64) -> Option<Vtable> {
        self.known.get(&vtable).map(|known| known.table)
    }

    fn of(&mut self, memory: &impl Memory, image: &Image, layout: &Layout, vtable: u64) -> Option<Vtable> {
        if let Some(known) = self.known.get(&vtable) {
            return Some(known.table);
        }
        let (table, functions) = layout.vtable(memory, image, vtable)?;
        (self.known.len() < MAX_TYPES).then(|| self.known.insert(vtable, Known { table, functions }))?;
        Some(table)
    }
}

impl Scratch {
    fn grow(&mut self, shards: usize) {
        if self.bytes.len() < shards {
            self.bytes.resize(shards, [0; TASK]);
        }
    }
}

/// How many bytes a task has up to the end of its links, if it is read in one piece.
fn front_len(table: &Vtable) -> Option<usize> {
    let end = to_length(table.trailer) + LINKS;
    (end <= FRONT).then_some(end)
}

fn pieces_of(table: Vtable) -> usize {
    if front_len(&table).is_some() { 1 } else { 2 }
}

/// An offset of a table of functions, which are bounded.
fn to_length(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX >> 1)
}
