//! One place in the code that spawns: how many tasks it has spawned and how many of them live, exactly; what its tasks
//! are called, and the tags they run under.

use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};

use super::lane::{self, LANES};
use super::name;
use super::slab::{Of, Slot};
use super::ticket;
use super::watched;
use crate::context::{self, Key, Value};

/// Tags that a site remembers, so that its tasks need not look theirs up. One for each route that spawns there is
/// plenty.
const TAGS: usize = 8;

/// What was spawned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A task of the runtime.
    Task,
    /// A task of a `LocalSet`, which the runtime does not count.
    Local,
    /// A function on a thread where blocking is allowed.
    Blocking,
    /// A future that is watched within a task.
    Future,
    /// A task of the runtime that others have spawned, see `hooks`.
    Runtime,
}

/// A place that spawns, with all that is counted there.
#[derive(Debug)]
pub(crate) struct Site {
    number: u16,
    place: Option<&'static Location<'static>>,
    function: Option<String>,
    kind: Kind,
    /// For the tasks that find no slot of their own.
    bare: Slot,
    label: Value,
    /// The tag of who spawned, in the upper half, and the tag that its tasks run under.
    tags: [AtomicU64; TAGS],
    counts: [Counts; LANES],
}

/// What one site has counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SiteCount {
    /// Which one, as the slots of its tasks have it.
    pub(crate) number: u32,
    /// Where; `None` for all the sites past the bound.
    pub(crate) place: Option<&'static Location<'static>>,
    /// The function, if the first future's type told.
    pub(crate) function: Option<String>,
    pub(crate) kind: Kind,
    pub(crate) alive: u64,
    pub(crate) spawned: u64,
}

/// What the threads of one lane have counted. Two cache lines, because the processor fetches them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Counts {
    spawned: AtomicU64,
    ended: AtomicU64,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [Self::Task, Self::Local, Self::Blocking, Self::Future, Self::Runtime];

    /// What the label `kind` says; an ordinary task has none.
    pub(crate) const fn label(self) -> Option<&'static str> {
        match self {
            Self::Task => None,
            Self::Local => Some("local"),
            Self::Blocking => Some("blocking"),
            Self::Future => Some("future"),
            Self::Runtime => Some("runtime"),
        }
    }
}

impl Site {
    pub(super) fn new(
        number: u16,
        place: Option<&'static Location<'static>>,
        type_name: &'static str,
        kind: Kind,
    ) -> Self {
        let function = name::function_of(type_name);
        let label = match (&function, place) {
            (Some(function), _) => context::value(Key::Task, function),
            (None, Some(place)) => context::value(Key::Task, &name::of_place(place)),
            (None, None) => Value::NONE,
        };
        let of = Of { site: number, name: 0, named: watched::is_watched(type_name) };
        Self {
            number,
            place,
            function,
            kind,
            bare: Slot::bare(of, ticket::half(context::spawned(0, label))),
            label,
            tags: Default::default(),
            counts: Default::default(),
        }
    }

    /// What its tasks are, as their slots have it. With [`NAMED`](Of::named) where what is spawned here brings a name
    /// of its own, see [`watched`].
    #[inline]
    pub(super) fn of(&self) -> Of {
        self.bare.of()
    }

    #[cfg(any(tokio_unstable, test))]
    pub(super) fn number(&self) -> u32 {
        u32::from(self.number)
    }

    pub(super) const fn bare(&self) -> &Slot {
        &self.bare
    }

    pub(super) const fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn is(&self, place: &'static Location<'static>, kind: Kind) -> bool {
        self.kind == kind && self.place.is_some_and(|other| std::ptr::eq(other, place))
    }

    /// One more task.
    #[inline]
    pub(super) fn spawned(&self) {
        let lane = lane::lane();
        if let Some(counts) = self.counts.get(lane) {
            lane::count(&counts.spawned, lane);
        }
    }

    /// One task less.
    #[inline]
    pub(super) fn ended(&self) {
        let lane = lane::lane();
        if let Some(counts) = self.counts.get(lane) {
            lane::count(&counts.ended, lane);
        }
    }

    /// The tag of a task spawned here where `parent` held.
    #[inline]
    pub(super) fn tag(&self, parent: u32) -> u32 {
        let [first, ..] = &self.tags;
        let kept = self.tags.get(parent as usize % TAGS).unwrap_or(first);
        let pair = kept.load(Ordering::Relaxed);
        if pair != 0 && pair >> 32 == u64::from(parent) {
            return u32::try_from(pair & u64::from(u32::MAX)).unwrap_or(0);
        }
        let tag = context::spawned(parent, self.label);
        kept.store(u64::from(parent) << 32 | u64::from(tag), Ordering::Relaxed);
        tag
    }

    pub(super) fn count(&self) -> SiteCount {
        let (spawned, alive) = self.sums();
        let (number, place, kind) = (u32::from(self.number), self.place, self.kind);
        SiteCount { number, place, function: self.function.clone(), kind, alive, spawned }
    }

    /// Spawned and alive. The ends are read first, and each end was written after its spawn, so `alive` never comes
    /// out below zero.
    pub(super) fn sums(&self) -> (u64, u64) {
        // Acquire: pairs with the Release in `lane::count`; who sees an end sees the spawn before it.
        let ended: u64 = self.counts.iter().map(|counts| counts.ended.load(Ordering::Acquire)).sum();
        let spawned: u64 = self.counts.iter().map(|counts| counts.spawned.load(Ordering::Relaxed)).sum();
        (spawned, spawned.saturating_sub(ended))
    }
}
