//! What a task holds while it lives: its site, where it counts as alive, and its slot, where it tells what it does.

use std::panic::Location;
use std::task::Waker;

use super::magazine;
use super::registry::Registry;
use super::site::{Kind, Site};
use super::slab::{Begun, Slot};
use crate::context::{self, Entered, Key, Value};
use crate::sys::clock;

/// A task that lives, until this is dropped. Nothing here can fail: without a free slot the task is counted alone.
#[derive(Debug)]
pub(crate) struct Ticket {
    site: &'static Site,
    slot: Option<&'static Slot>,
}

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
        Self::of(site, site.tag(context::current()), Value::NONE)
    }

    /// Counts one more task with a name, which works for whatever this thread works for.
    pub(super) fn enter_named<F>(place: &'static Location<'static>, kind: Kind, name: Value) -> Self {
        let site = Registry::global().site(place, std::any::type_name::<F>(), kind);
        Self::of(site, context::with(context::current(), Key::Task, name), name)
    }

    #[inline]
    fn of(site: &'static Site, tag: u32, name: Value) -> Self {
        site.spawned();
        let slot = magazine::take();
        if let Some(slot) = slot {
            slot.enter(site.number(), tag, name.number(), clock::coarse_ms());
        }
        Self { site, slot }
    }

    /// A poll begins.
    #[inline]
    pub(super) fn poll(&self) -> Poll {
        let Some(slot) = self.slot else {
            return Poll { slot: None, _entered: Entered::new(self.site.tag(0)) };
        };
        let begun = slot.begin(clock::coarse_ms(), clock::monotonic_ns);
        Poll { slot: Some((slot, begun)), _entered: Entered::new(slot.tag()) }
    }

    /// True when the task's future brings its own name.
    #[inline]
    pub(super) const fn is_named(&self) -> bool {
        self.site.named()
    }

    /// The task is called `name` from now on, also in the poll that is in progress.
    pub(super) fn rename(slot: &Slot, name: Value) {
        let tag = context::with(slot.tag(), Key::Task, name);
        slot.rename(tag, name.number());
        crate::sys::tag::set(tag);
    }

    #[inline]
    pub(super) const fn slot(&self) -> Option<&'static Slot> {
        self.slot
    }
}

impl Drop for Ticket {
    #[inline]
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            slot.leave();
            // Who uses the task's waker at this moment gives the slot back instead.
            if slot.waker().leave() {
                magazine::give(slot);
            }
        }
        self.site.ended();
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
