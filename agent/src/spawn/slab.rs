//! One slot for each task that lives: what the task writes down of itself at every poll, where a reader can see it
//! without stopping anyone. Slots lie in chunks that are never freed, so a reader needs no lock and a stale number is
//! harmless. What the numbers in a slot mean is for others to know; `tests/model` runs this file under loom.

use std::sync::OnceLock;

use super::parts::{AtomicU16, AtomicU32, AtomicU64, BATCH, CHUNK, Kept, Ordering, fence};

/// How many polls there are for one that is timed with an exact clock. It is the last of them, not the first, so that
/// tasks of a few polls do not pay for it.
pub(super) const TIMED: u32 = 64;

/// A poll of this many milliseconds is long: counted each time, not sampled.
pub(super) const LONG_MS: u64 = 20;

#[expect(clippy::cast_possible_truncation, reason = "a batch is a few slots")]
const BATCH_U32: u32 = BATCH as u32;

/// The grain of the time of birth. 2^32 of them are two years, which is how far back a birth can be told.
const BORN_GRAIN_MS: u64 = 16;

/// The first slots of two batches are neighbors, the slots of one batch are this far apart: what one thread spawns at
/// once goes to all workers, and two tasks in one cache line would cost each other 10 ns a poll.
const STRIDE: usize = CHUNK / BATCH;

/// The number of a slot that is no task's.
const NOBODY: u32 = u32::MAX;

/// In [`Slot::of`]: the task's future brings a name of its own.
const NAMED: u32 = 1 << 15;

/// What a task says of itself, in 48 bytes. Only the task writes, at its polls; anyone may read.
#[derive(Debug)]
pub(super) struct Slot {
    /// Odd while a task has the slot; goes up with each change.
    life: AtomicU32,
    number: u32,
    /// The site in the lower half, with [`NAMED`], and the name in the upper one; both tables are smaller than that.
    /// While the slot is free, the next free slot of the same batch, plus one.
    of: AtomicU32,
    tag: AtomicU16,
    /// How many times `polls` has come round to zero.
    rounds: AtomicU16,
    /// When it was born, in [`BORN_GRAIN_MS`] and modulo 2^32. While the slot is free, and the first of its batch: the
    /// first slot of the next batch, plus one.
    born: AtomicU32,
    polls: AtomicU32,
    /// Milliseconds of the clock when the state began, and the state in the lower two bits.
    since: AtomicU64,
    /// Nanoseconds in polls: of the long ones, and those of the timed ones for all others.
    busy_ns: AtomicU64,
    /// What wakes the task, from the end of its first poll on.
    waker: Kept,
}

/// What a task is one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Of {
    /// The number of its site, below 2^15.
    pub(super) site: u16,
    /// The number of its name; 0 for none.
    pub(super) name: u16,
    /// True when its future brings a name of its own.
    pub(super) named: bool,
}

/// What a task is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum State {
    /// Not polled yet.
    New,
    /// In the middle of a poll.
    Running,
    /// Between two polls.
    Waiting,
    /// Spawned and not over. More is not known of a task that others have spawned.
    #[cfg_attr(not(tokio_unstable), allow(dead_code, reason = "nobody tells of them in this build"))]
    Alive,
}

/// A slot as it was at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) site: u32,
    pub(crate) tag: u32,
    pub(crate) name: u32,
    pub(crate) state: State,
    pub(crate) born_ms: u64,
    pub(crate) since_ms: u64,
    pub(crate) polls: u64,
    /// Time spent in polls: the long ones, and the others by sample.
    pub(crate) busy_ns: u64,
}

/// All slots.
#[derive(Debug)]
pub(super) struct Slab {
    chunks: Box<[OnceLock<Box<[Slot]>>]>,
    /// The first slot of the first free batch, plus one, and above it a count that tells two heads apart which begin
    /// with the same slot.
    free: AtomicU64,
    /// How many slots were ever handed out.
    used: AtomicU32,
}

/// When a poll began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    ms: u64,
    /// True for the first poll of a task.
    first: bool,
    /// On the exact clock; 0 when this poll is not timed.
    exact_ns: u64,
}

impl Slab {
    /// Room for `chunks` times [`CHUNK`] tasks.
    pub(super) fn new(chunks: usize) -> Self {
        Self {
            chunks: std::iter::repeat_with(OnceLock::new).take(chunks).collect(),
            free: AtomicU64::new(0),
            used: AtomicU32::new(0),
        }
    }

    /// Hands up to [`BATCH`] free slots to `keep`. None at all when every slot is taken.
    pub(super) fn take<'s>(&'s self, mut keep: impl FnMut(&'s Slot)) {
        let mut next = self.pop();
        if next == 0 {
            return self.take_fresh(keep);
        }
        while let Some(slot) = self.before(next) {
            // Read first: from `keep` on the slot is somebody else's.
            next = slot.of.load(Ordering::Relaxed);
            keep(slot);
        }
    }

    /// Takes back slots that no task has any more.
    pub(super) fn give<'s>(&self, slots: impl Iterator<Item = &'s Slot>) {
        let mut first = None;
        let mut next = 0;
        // Release: pairs with the Acquire fence in `read`. Who sees a link where the site was sees the life over.
        fence(Ordering::Release);
        for slot in slots {
            slot.of.store(next, Ordering::Relaxed);
            next = slot.number + 1;
            first = Some(slot);
        }
        if let Some(first) = first {
            self.push(first);
        }
    }

    /// True when there was no free slot a moment ago.
    pub(super) fn is_exhausted(&self) -> bool {
        let (_, first) = split(self.free.load(Ordering::Relaxed));
        first == 0 && self.used.load(Ordering::Relaxed) as usize + BATCH > self.chunks.len() * CHUNK
    }

    /// Every slot that was ever handed out.
    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        let used = self.used.load(Ordering::Relaxed) as usize;
        let chunks = self.chunks.iter().take(used.div_ceil(CHUNK)).filter_map(OnceLock::get);
        chunks.flat_map(|chunk| chunk.iter())
    }

    /// How many slots were ever handed out.
    #[cfg(test)]
    pub(super) fn used(&self) -> u32 {
        self.used.load(Ordering::Relaxed)
    }

    /// Every task that has a slot. Tasks that come or go meanwhile may be there or not; none is half another.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row> {
        self.slots().filter_map(Slot::read)
    }

    /// Where the slots of each chunk are in memory, for who finds their addresses there.
    pub(super) fn places(&self) -> Vec<(u64, &[Slot])> {
        let chunks = self.chunks.iter().map_while(OnceLock::get);
        let mut places: Vec<_> = chunks.map(|chunk| (chunk.as_ptr().addr() as u64, &**chunk)).collect();
        places.sort_unstable_by_key(|(at, _)| *at);
        places
    }

    /// Takes the first free batch off the list: its first slot, plus one; 0 when there is none.
    fn pop(&self) -> u32 {
        // Acquire: pairs with the Release of `push`; the batch's links are written before it can be found.
        let mut free = self.free.load(Ordering::Acquire);
        loop {
            let (count, first) = split(free);
            let Some(slot) = self.before(first) else { return 0 };
            let rest = join(count.wrapping_add(1), slot.born.load(Ordering::Relaxed));
            match self.free.compare_exchange_weak(free, rest, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => return first,
                Err(other) => free = other,
            }
        }
    }

    fn push(&self, first: &Slot) {
        let mut free = self.free.load(Ordering::Relaxed);
        loop {
            let (count, next) = split(free);
            first.born.store(next, Ordering::Relaxed);
            let ours = join(count.wrapping_add(1), first.number + 1);
            // Release: pairs with the Acquire of `pop`.
            match self.free.compare_exchange_weak(free, ours, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(other) => free = other,
            }
        }
    }

    fn take_fresh<'s>(&'s self, mut keep: impl FnMut(&'s Slot)) {
        let most = self.chunks.len() * CHUNK;
        let more = |used: u32| (used as usize + BATCH <= most).then(|| used + BATCH_U32);
        let Ok(first) = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) else { return };
        let first = first as usize;
        let Some(chunk) = self.chunks.get(first / CHUNK) else { return };
        let chunk = chunk.get_or_init(|| chunk_from(first / CHUNK * CHUNK));
        chunk.iter().skip(first % CHUNK / BATCH).step_by(STRIDE).for_each(&mut keep);
    }

    /// The slot whose number is `next` minus one.
    fn before(&self, next: u32) -> Option<&Slot> {
        let index = (next as usize).checked_sub(1)?;
        self.chunks.get(index / CHUNK)?.get()?.get(index % CHUNK)
    }
}

impl Slot {
    /// A slot for tasks of `of` that run under `tag`, are counted and not listed: nothing is written down.
    pub(super) fn bare(of: Of, tag: u16) -> Self {
        let slot = Self::new(NOBODY, of.pack());
        slot.tag.store(tag, Ordering::Relaxed);
        slot
    }

    fn new(number: u32, of: u32) -> Self {
        Self {
            life: AtomicU32::new(0),
            number,
            of: AtomicU32::new(of),
            tag: AtomicU16::new(0),
            rounds: AtomicU16::new(0),
            born: AtomicU32::new(0),
            polls: AtomicU32::new(0),
            since: AtomicU64::new(0),
            busy_ns: AtomicU64::new(0),
            waker: Kept::new(),
        }
    }

    /// True for a slot of [`bare`](Self::bare).
    #[inline]
    pub(super) const fn is_bare(&self) -> bool {
        self.number == NOBODY
    }

    /// A task begins to live here. The slot is the caller's alone.
    #[inline]
    pub(super) fn enter(&self, of: Of, tag: u16, now_ms: u64) {
        let life = self.life.load(Ordering::Relaxed);
        // Release: pairs with the Acquire fence in `read`. Who sees any of what follows sees the life before it over.
        fence(Ordering::Release);
        self.of.store(of.pack(), Ordering::Relaxed);
        self.tag.store(tag, Ordering::Relaxed);
        self.rounds.store(0, Ordering::Relaxed);
        self.born.store(grains(now_ms), Ordering::Relaxed);
        self.polls.store(0, Ordering::Relaxed);
        self.since.store(now_ms << 2, Ordering::Relaxed);
        self.busy_ns.store(0, Ordering::Relaxed);
        // Release: pairs with the Acquire in `read`; what was written above is there when the life is.
        self.life.store(life.wrapping_add(1), Ordering::Release);
    }

    /// The task that lives here is gone.
    #[inline]
    pub(super) fn leave(&self) {
        self.life.store(self.life.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// What the task is one of.
    #[inline]
    pub(super) fn of(&self) -> Of {
        Of::unpack(self.of.load(Ordering::Relaxed))
    }

    /// The task's tag.
    #[inline]
    pub(super) fn tag(&self) -> u16 {
        self.tag.load(Ordering::Relaxed)
    }

    /// The task has a name from now on, and a tag that says so.
    pub(super) fn rename(&self, tag: u16, name: u16) {
        self.tag.store(tag, Ordering::Relaxed);
        self.of.store(Of { name, ..self.of() }.pack(), Ordering::Relaxed);
    }

    /// A poll begins. `exact_ns` is asked when it is one of those that are timed.
    #[inline]
    pub(super) fn begin(&self, now_ms: u64, exact_ns: impl FnOnce() -> u64) -> Begun {
        let polls = self.polls.load(Ordering::Relaxed).wrapping_add(1);
        self.polls.store(polls, Ordering::Relaxed);
        self.since.store(now_ms << 2 | 1, Ordering::Relaxed);
        if polls == 0 {
            self.rounds.store(self.rounds.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
        }
        Begun {
            ms: now_ms,
            first: polls == 1,
            exact_ns: if polls.is_multiple_of(TIMED) { exact_ns() } else { 0 },
        }
    }

    /// The poll that began as `begun` is over.
    #[inline]
    pub(super) fn end(&self, begun: Begun, now_ms: u64, exact_ns: impl FnOnce() -> u64) {
        self.since.store(now_ms << 2 | 2, Ordering::Relaxed);
        let took_ms = now_ms.saturating_sub(begun.ms);
        if took_ms >= LONG_MS {
            self.add_busy(took_ms.saturating_mul(1_000_000));
        } else if begun.exact_ns != 0 {
            self.add_busy(exact_ns().saturating_sub(begun.exact_ns).saturating_mul(u64::from(TIMED)));
        }
    }

    fn add_busy(&self, ns: u64) {
        self.busy_ns.store(self.busy_ns.load(Ordering::Relaxed).saturating_add(ns), Ordering::Relaxed);
    }

    /// What wakes the task that lives here.
    #[inline]
    pub(super) const fn waker(&self) -> &Kept {
        &self.waker
    }

    /// What the task that lives here says, `None` when none does or it was going just now.
    pub(super) fn read(&self) -> Option<Row> {
        // Acquire: pairs with the Release at the end of `enter`.
        let life = self.life.load(Ordering::Acquire);
        if life.is_multiple_of(2) {
            return None;
        }
        let since = self.since.load(Ordering::Relaxed);
        let since_ms = since >> 2;
        // No task is born after its state began.
        let grains_before = grains(since_ms).wrapping_sub(self.born.load(Ordering::Relaxed));
        let born = (since_ms / BORN_GRAIN_MS).saturating_sub(u64::from(grains_before));
        let Of { site, name, .. } = self.of();
        let rounds = u64::from(self.rounds.load(Ordering::Relaxed));
        let row = Row {
            site: u32::from(site),
            tag: u32::from(self.tag()),
            name: u32::from(name),
            state: State::of(since),
            born_ms: born * BORN_GRAIN_MS,
            since_ms,
            polls: rounds << 32 | u64::from(self.polls.load(Ordering::Relaxed)),
            busy_ns: self.busy_ns.load(Ordering::Relaxed),
        };
        // Acquire: pairs with the Release fence in `enter`.
        fence(Ordering::Acquire);
        (self.life.load(Ordering::Relaxed) == life).then_some(row)
    }
}

impl Begun {
    /// True for the first poll of a task.
    #[inline]
    pub(super) const fn is_first(self) -> bool {
        self.first
    }
}

impl State {
    const fn of(since: u64) -> Self {
        match since & 3 {
            0 => Self::New,
            1 => Self::Running,
            _ => Self::Waiting,
        }
    }
}

impl Of {
    #[inline]
    const fn pack(self) -> u32 {
        (self.name as u32) << 16 | self.site as u32 | if self.named { NAMED } else { 0 }
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the halves are taken apart")]
    const fn unpack(word: u32) -> Self {
        Self { site: (word & !NAMED) as u16, name: (word >> 16) as u16, named: word & NAMED != 0 }
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "modulo 2^32, as the documentation of the field says")]
const fn grains(ms: u64) -> u32 {
    (ms / BORN_GRAIN_MS) as u32
}

fn chunk_from(first: usize) -> Box<[Slot]> {
    (first..first + CHUNK).map(|number| Slot::new(u32::try_from(number).unwrap_or(NOBODY), 0)).collect()
}

const fn split(free: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = free.to_be_bytes();
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
}

const fn join(count: u32, first: u32) -> u64 {
    (count as u64) << 32 | first as u64
}
