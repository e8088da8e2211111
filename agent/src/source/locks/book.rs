//! What happens at each wait and each wake-up, and the counts that come of it.
//! Runs in any thread and in signal handlers, also inside an allocator that locks with std: no allocation, no lock, no panic
//! path; the thread-local has no destructor.

use std::cell::Cell;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::account::Account;
use super::chance;
use super::ticket::{History, Ticket};
use super::waiters::Waiters;
use crate::source::stacks::{MAX_STACKS, StackId};
use crate::sys::syscall::{self, Callbacks, Ended, Wait, Way};
use crate::sys::unwinder::Registers;
use crate::sys::{clock, reserve};

static BOOK: OnceLock<Book> = OnceLock::new();

/// What the futex calls are told to.
const CALLBACKS: Callbacks = Callbacks { waits, waited, wakes };

/// What a thread takes as a rule from being woken to running. It is charged to who has woken it, so the chance of being
/// taken includes it, lest a short wait with a long wake-up count for thousands.
const WAKE_UP_NS: u64 = 50_000;

thread_local! {
    /// Who has handed this thread the lock that it waited for last, at an address of its own.
    static HISTORY: Cell<History> = const { Cell::new(History::EMPTY) };
}

/// Every wait since the start.
pub(super) struct Book {
    /// By the stack that waited.
    pub(super) waited: Account,
    /// By the stack that woke.
    pub(super) woke: Account,
    pub(super) counts: Counts,
    /// By the number of a stack that woke, the number, plus one, of one whose wait it ended: compilers leave std's unlock by
    /// a jump, so that only who waited tells what for. 256 KiB when all are used.
    woken: &'static [AtomicU32],
    waiters: Waiters,
    rate_ns: AtomicU64,
}

/// What is counted and not estimated.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) waits: AtomicU64,
    pub(super) waited_ns: AtomicU64,
    /// Wake-ups that ended somebody's wait.
    pub(super) wakes: AtomicU64,
    /// Of the time waited, what has been charged to who woke.
    pub(super) charged_ns: AtomicU64,
    heard: AtomicU64,
}

/// Numbers of the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stats {
    /// Waits that are over.
    pub(crate) waits: u64,
    /// How long they took.
    pub(crate) waited_ns: u64,
    /// Wake-ups that ended somebody's wait.
    pub(crate) wakes: u64,
    /// The part of the time waited that is charged to them.
    pub(crate) charged_ns: u64,
    /// Waits whose stack was taken.
    pub(crate) sampled_waits: u64,
    /// Wake-ups whose stack was taken.
    pub(crate) sampled_wakes: u64,
    /// Waits that found no room in the table, and are charged to nobody.
    pub(crate) unplaced: u64,
    /// Samples without their stack: all unwinders were busy.
    pub(crate) busy: u64,
    /// Samples whose stack found no room.
    pub(crate) overflowed: u64,
    /// Different stacks.
    pub(crate) stacks: u64,
}

impl Book {
    /// The book of this process, made at the first call. It stays: a thread may be writing in it.
    pub(super) fn open() -> io::Result<&'static Self> {
        if let Some(book) = BOOK.get() {
            return Ok(book);
        }
        let book = Self {
            waited: Account::new()?,
            woke: Account::new()?,
            counts: Counts::default(),
            woken: reserve::zeroed(MAX_STACKS)?,
            waiters: Waiters::new()?,
            rate_ns: AtomicU64::new(1),
        };
        Ok(BOOK.get_or_init(|| book))
    }

    /// Listens from now on, taking a wait of `rate_ns` or longer always and shorter ones by chance. False when nothing is
    /// heard: then the program was linked with another `syscall`.
    pub(super) fn listen(&self, rate_ns: u64) -> bool {
        self.rate_ns.store(rate_ns, Ordering::Relaxed);
        syscall::arm(CALLBACKS);
        let heard = self.hears();
        if !heard {
            syscall::disarm();
        }
        heard
    }

    /// Whether futex calls are heard when somebody listens.
    pub(super) fn is_heard(&self) -> bool {
        syscall::arm(CALLBACKS);
        let heard = self.hears();
        syscall::disarm();
        heard
    }

    fn hears(&self) -> bool {
        static DOOR: AtomicU32 = AtomicU32::new(0);
        let before = self.counts.heard.load(Ordering::Relaxed);
        syscall::knock(&DOOR);
        self.counts.heard.load(Ordering::Relaxed) != before
    }

    pub(super) fn rate_ns(&self) -> u64 {
        self.rate_ns.load(Ordering::Relaxed)
    }

    /// A stack whose wait `woke` has ended, once there is one.
    pub(super) fn woken_by(&self, woke: StackId) -> Option<StackId> {
        self.woken.get(woke.0 as usize)?.load(Ordering::Relaxed).checked_sub(1).map(StackId)
    }

    pub(super) fn stats(&self) -> Stats {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let both = |part: fn(&Account) -> u64| part(&self.waited) + part(&self.woke);
        Stats {
            waits: of(&self.counts.waits),
            waited_ns: of(&self.counts.waited_ns),
            wakes: of(&self.counts.wakes),
            charged_ns: of(&self.counts.charged_ns),
            sampled_waits: self.waited.samples(),
            sampled_wakes: self.woke.samples(),
            unplaced: self.waiters.turned_away(),
            busy: both(|account| account.busy.load(Ordering::Relaxed)),
            overflowed: both(|account| account.stacks.overflowed()),
            // Number 0 of each is what finds no room.
            stacks: both(|account| account.stacks.len() as u64 - 1),
        }
    }

    fn waits(&self, address: usize, way: Way) -> Wait {
        let since_ns = clock::monotonic_ns();
        Wait { place: self.waiters.enter(address, way == Way::Plain, since_ns), since_ns }
    }

    fn waited(&self, wait: Wait, ended: Ended, from: Registers) {
        let now = clock::monotonic_ns();
        let left = wait.place.and_then(|place| self.waiters.leave(place));
        if ended == Ended::Never {
            return;
        }
        let length = now.saturating_sub(wait.since_ns);
        self.counts.waits.fetch_add(1, Ordering::Relaxed);
        self.counts.waited_ns.fetch_add(length, Ordering::Relaxed);
        let mut stack = None;
        if let Some(weight) = chance::draw(length, self.rate_ns()) {
            let taken = self.waited.capture(from);
            self.waited.stacks.count(taken, weight, length);
            stack = Some(taken);
        }
        if let Some(left) = left
            && ended == Ended::Woken
            && left.ticket != Ticket::NONE
        {
            self.pay(left.ticket, now.saturating_sub(left.since));
            if let Some((woke, _)) = left.ticket.seen()
                && let Some(woken) = self.woken.get(woke as usize)
                && woken.load(Ordering::Relaxed) == 0
            {
                let stack = stack.unwrap_or_else(|| self.waited.capture(from));
                woken.store(stack.0 + 1, Ordering::Relaxed);
            }
            HISTORY.set(History::after(left.since, left.ticket, &left.history));
        }
    }

    /// Charges who is about to wake with what those at `address` have waited since somebody was charged last.
    fn wakes(&self, address: usize, from: Registers) {
        let (mut now, mut charged, mut own) = (0, 0, 0);
        self.waiters.each_at(address, |waiting| {
            if now == 0 {
                now = clock::monotonic_ns();
            }
            let since = waiting.charge(now);
            charged += now - since;
            own += if waiting.has_own_address() {
                HISTORY.get().divide(since, now, |ticket, time| {
                    charged -= time;
                    self.pay(ticket, time);
                })
            } else {
                now - since
            };
        });
        if now == 0 {
            return;
        }
        self.counts.wakes.fetch_add(1, Ordering::Relaxed);
        self.counts.charged_ns.fetch_add(charged, Ordering::Relaxed);
        let ticket =
            chance::draw(own.saturating_add(WAKE_UP_NS), self.rate_ns()).map_or(Ticket::UNSEEN, |weight| {
                let stack = self.woke.capture(from);
                self.woke.stacks.count(stack, weight, own);
                Ticket::new(stack.0, weight)
            });
        let history = HISTORY.get();
        self.waiters.each_at(address, |waiting| waiting.mark(ticket, &history));
    }

    /// Adds time to an event that has been counted, if it was taken; those that were taken stand for the others.
    fn pay(&self, ticket: Ticket, time: u64) {
        self.counts.charged_ns.fetch_add(time, Ordering::Relaxed);
        if let Some((stack, weight)) = ticket.seen() {
            self.woke.stacks.add(StackId(stack), weight, time);
        }
    }
}

fn waits(address: usize, way: Way) -> Wait {
    BOOK.get().map_or(Wait { place: None, since_ns: 0 }, |book| book.waits(address, way))
}

fn waited(wait: Wait, ended: Ended, from: Registers) {
    if let Some(book) = BOOK.get() {
        book.waited(wait, ended, from);
    }
}

fn wakes(address: usize, from: Registers) {
    if let Some(book) = BOOK.get() {
        book.counts.heard.fetch_add(1, Ordering::Relaxed);
        book.wakes(address, from);
    }
}
