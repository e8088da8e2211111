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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Key;

    /// Alive and spawned at `place`, as far as others have done it.
    fn counts(place: &'static Location<'static>) -> (u64, u64) {
        let counts = Registry::global().counts();
        let ours = counts.iter().filter(|count| count.kind == Kind::Runtime && count.place == Some(place));
        ours.fold((0, 0), |(alive, spawned), count| (alive + count.alive, spawned + count.spawned))
    }

    /// Numbers that no task of these tests has.
    const FIRST: u64 = 1 << 40;

    #[test]
    fn a_task_of_others_counts_under_its_line_and_for_the_route_of_who_spawned_it() {
        let place = Location::caller();
        let route = context::Entered::new(context::child(context::current(), Key::Route, "GET /hooked"));
        (FIRST..FIRST + 3).for_each(|id| spawned(id, place));
        drop(route);
        let routes = || {
            let routes = rows().filter_map(|row| context::label(row.tag, Key::Route));
            routes.filter(|route| &**route == "GET /hooked").count()
        };
        assert_eq!((counts(place), routes()), ((3, 3), 3));
        (FIRST..FIRST + 3).for_each(|id| ended(id, place));
        assert_eq!((counts(place), routes()), ((0, 3), 0));
    }

    #[test]
    fn what_has_a_ticket_and_what_only_ends_is_not_counted() {
        let (ours, others) = (Location::caller(), Location::caller());
        let ticket = super::super::super::ticket::Ticket::enter::<()>(ours, Kind::Task);
        let during = Ours { before: OURS.replace(Some(ours)) };
        spawned(FIRST + 10, ours);
        // A future that is refused is dropped while it is spawned, and may itself spawn what lives on elsewhere.
        let inner = Location::caller();
        spawned(FIRST + 11, inner);
        drop(during);
        assert_eq!((counts(ours), counts(inner)), ((0, 0), (1, 1)));
        ended(FIRST + 10, ours);
        ended(FIRST + 11, inner);
        ended(FIRST + 12, others);
        assert_eq!([ours, others, inner].map(counts), [(0, 0), (0, 0), (0, 1)]);
        drop(ticket);
    }

    #[test]
    fn the_number_of_a_task_is_the_one_that_tokio_shows() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let id = runtime.block_on(runtime.spawn(async { tokio::task::id() })).expect("returned");
        assert_eq!(number(id).to_string(), id.to_string());
    }
}
