//! What becomes of what the hooks tell: which tasks are others', under which site they count, and when they end.

use std::cell::Cell;
use std::hash::{Hash as _, Hasher};
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::Id;

use super::super::registry::{Registry, Seen};
use super::super::roster::Roster;
use super::super::site::Kind;
use super::super::slab::Row;
use crate::context;
use crate::sys::clock;

static ROSTER: Roster = Roster::new();

/// True once a hook was called: the program sets them.
static SET: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Where this thread spawns a task that has a ticket, while it does.
    static OURS: Cell<Option<&'static Location<'static>>> = const { Cell::new(None) };
}

/// While it lives, what is spawned by the line that made it is counted by its ticket.
#[must_use = "it says so while it lives"]
pub(crate) struct Ours {
    before: Option<&'static Location<'static>>,
}

impl Ours {
    /// The line that called our caller spawns.
    #[inline]
    #[track_caller]
    pub(crate) fn spawn() -> Self {
        Self { before: OURS.replace(Some(Location::caller())) }
    }
}

impl Drop for Ours {
    #[inline]
    fn drop(&mut self) {
        OURS.set(self.before);
    }
}

/// Task number `id` was spawned at `place`, by this thread and right now.
#[inline]
pub(super) fn spawned(id: u64, place: &'static Location<'static>) {
    if !SET.load(Ordering::Relaxed) {
        SET.store(true, Ordering::Relaxed);
    }
    // By the line: the future of a task that is refused is dropped while it is spawned, and may spawn others.
    if OURS.get().is_some_and(|ours| std::ptr::eq(ours, place) || ours == place) {
        return;
    }
    let site = Registry::global().site(place, "", Kind::Runtime);
    site.spawned();
    if ROSTER.enter(id, site.number(), site.tag(context::current()), clock::coarse_ms()) {
        site.ended();
    }
}

/// Task number `id`, spawned at `place`, has ended. Of ours and of blocking functions the hooks tell an end too, and of
/// the latter no spawn.
#[inline]
pub(super) fn ended(id: u64, place: &'static Location<'static>) {
    let registry = Registry::global();
    let site = match registry.seen(place) {
        Seen::Ours => return,
        Seen::Others(site) => Some(site),
        Seen::Nobody => None,
    };
    let was_listed = ROSTER.remove(id);
    if was_listed || site.is_some() && ROSTER.take_unlisted() || ROSTER.end_early(id) {
        site.unwrap_or_else(|| registry.site(place, "", Kind::Runtime)).ended();
    }
}

/// The number of a task, which tokio shows as text only, and to whoever takes its hash.
#[inline]
pub(super) fn number(id: Id) -> u64 {
    let mut number = Number(0);
    id.hash(&mut number);
    number.finish()
}

/// True within a task that the hooks have told of.
pub(in super::super) fn knows_this_task() -> bool {
    tokio::task::try_id().is_some_and(|id| ROSTER.has(number(id)))
}

/// Every task that the hooks have told of, as far as there is room.
pub(in super::super) fn rows() -> impl Iterator<Item = Row> {
    ROSTER.rows()
}

/// How many live of those that found no room.
pub(crate) fn unlisted() -> u64 {
    ROSTER.unlisted()
}

/// True when a runtime of this process has told of a task; `None` where none could.
pub(crate) fn are_set() -> Option<bool> {
    cfg!(tokio_unstable).then(|| SET.load(Ordering::Relaxed))
}

/// Keeps the one number that an [`Id`] is made of.
struct Number(u64);

impl Hasher for Number {
    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}
