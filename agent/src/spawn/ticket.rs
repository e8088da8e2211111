//! What a task holds while it lives: its site, where it counts as alive, and its slot, where it tells what it does.

use std::panic::Location;
use std::task::Waker;

use super::magazine;
use super::registry::Registry;
use super::site::{Kind, Site};
use super::slab::{Begun, Of, Slot};
use crate::context::{self, Entered, Key, Value};
use crate::sys::clock;

/// A task that lives, until this is dropped. Nothing here can fail: without a free slot the task is counted alone, and
/// has the bare slot of its site. One pointer, because every task that waits carries it.
#[derive(Debug)]
pub(crate) struct Ticket(&'static Slot);

/// A poll in progress: the thread works for the task until this is dropped, also by a panic.
#[must_use = "dropping it ends the poll"]
pub(super) struct Poll {
    slot: Option<(&'static Slot, Begun)>,
    _entered: Entered,
}

impl Ticket {
    /// Counts one more task, spawned at `place`.
    #[inline]
    pub(super) fn enter<F>(place: &'static Location<'static>, kind: Kind) -> Self {
        let site = Registry::global().site(place, std::any::type_name::<F>(), kind);
        Self::of(site, Value::NONE, || site.tag(context::current()))
    }

    /// Counts one more task with a name, which works for whatever this thread works for.
    pub(super) fn enter_named<F>(place: &'static Location<'static>, kind: Kind, name: Value) -> Self {
        let site = Registry::global().site(place, std::any::type_name::<F>(), kind);
        Self::of(site, name, || context::with(context::current(), Key::Task, name))
    }

    #[inline]
    fn of(site: &'static Site, name: Value, tag: impl FnOnce() -> u32) -> Self {
        site.spawned();
        let Some(slot) = magazine::take() else { return Self(site.bare()) };
        let of = Of { name: half(name.number()), ..site.of() };
        slot.enter(of, half(tag()), clock::coarse_ms());
        Self(slot)
    }

    /// A poll begins.
    #[inline]
    pub(super) fn poll(&self) -> Poll {
        let slot = self.slot().map(|slot| (slot, slot.begin(clock::coarse_ms(), clock::monotonic_ns)));
        Poll { slot, _entered: Entered::new(u32::from(self.0.tag())) }
    }

    /// True when the task's future brings its own name.
    #[inline]
    pub(super) fn is_named(&self) -> bool {
        self.0.of().named
    }

    /// The task is called `name` from now on, also in the poll that is in progress.
    pub(super) fn rename(slot: &Slot, name: Value) {
        let tag = context::with(u32::from(slot.tag()), Key::Task, name);
        slot.rename(half(tag), half(name.number()));
        crate::sys::tag::set(tag);
    }

    #[inline]
    pub(super) fn slot(&self) -> Option<&'static Slot> {
        (!self.0.is_bare()).then_some(self.0)
    }

    #[inline]
    fn site(&self) -> &'static Site {
        Registry::global().numbered(self.0.of().site)
    }
}

/// Tags, names and sites are numbered from 1 or 0 on, and there are at most 16,384 of each.
#[inline]
pub(super) fn half(number: u32) -> u16 {
    u16::try_from(number).unwrap_or(0)
}

impl Drop for Ticket {
    #[inline]
    fn drop(&mut self) {
        let site = self.site();
        if let Some(slot) = self.slot() {
            slot.leave();
            // Who uses the task's waker at this moment gives the slot back instead.
            if slot.waker().leave() {
                magazine::give(slot);
            }
        }
        site.ended();
    }
}

impl Poll {
    /// The slot of a task that was asked where it waits, and is to tell in this poll.
    #[inline]
    pub(super) fn asked(&self) -> Option<&'static Slot> {
        self.slot.map(|(slot, _)| slot).filter(|slot| slot.waker().is_asked())
    }

    /// The task waits for its next poll. After the first its waker is kept; it stays the same as long as the task lives.
    /// A task that ends in its first poll is spared that.
    #[inline]
    pub(super) fn waits(&self, waker: &Waker) {
        if let Some((slot, begun)) = self.slot
            && begun.is_first()
        {
            slot.waker().keep(waker);
        }
    }
}

impl Drop for Poll {
    #[inline]
    fn drop(&mut self) {
        if let Some((slot, begun)) = self.slot {
            slot.end(begun, clock::coarse_ms(), clock::monotonic_ns);
        }
    }
}
