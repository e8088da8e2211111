//! What is kept of one key: the look under way, its history, its largest object, and what was found.

use std::mem;

use super::big::{Big, Doubling};
use super::history::{BORDERS, History, SLOT, Slot};
use super::level::{Cause, Judged, Level, Life};
use super::rules::{self, Rule};
use super::settings::Settings;
use super::short;
use super::tally::Tally;
use super::urgent;

/// After so many minutes without anything of tenure a key is forgotten: no window reaches further back.
const FORGOTTEN: f64 = 360.0;

/// One key.
#[derive(Clone, Debug)]
pub(super) struct Track {
    pub(super) key: u64,
    pub(super) tally: Tally,
    pub(super) history: History,
    pub(super) big: Big,
    pub(super) life: Option<Life>,
    /// The look that `tally` belongs to.
    look: u32,
    /// How much of the slot under way has passed, in minutes.
    within: f32,
    /// How many were older than each border, and than twice each border, at the last look.
    stood: [[u32; 2]; 3],
    /// When it was first followed, and when anything of it was last of tenure. Minutes since the start.
    first: f32,
    last: f32,
    allocations: Option<Allocations>,
    /// Whether half of what stood beyond each border at its highest was ever gone.
    frees: [bool; 3],
}

/// What the caller has told of the allocations of a key, when it was first followed and at the last look.
#[derive(Clone, Copy, Debug)]
struct Allocations {
    first: u64,
    living: u32,
    latest: u64,
}

// The bound that the whole is computed with.
const _: () = assert!(mem::size_of::<Track>() <= 1_600, "a followed key may take 1,600 bytes");

impl Track {
    pub(super) const fn new(key: u64, now: f64, slot: u32) -> Self {
        Self {
            key,
            tally: Tally::EMPTY,
            history: History::starting(slot),
            big: Big::new(),
            life: None,
            look: 0,
            within: 0.0,
            stood: [[0; 2]; 3],
            first: short(now),
            last: short(now),
            allocations: None,
            frees: [false; 3],
        }
    }

    /// The tally of `look`, begun anew if it belongs to another.
    pub(super) const fn tally_of(&mut self, look: u32) -> &mut Tally {
        if self.look != look {
            self.look = look;
            self.tally = Tally::EMPTY;
        }
        &mut self.tally
    }

    /// Of the key `count` were ever allocated.
    pub(super) fn allocated(&mut self, look: u32, count: u64) {
        let living = u32::try_from(self.tally_of(look).older(0.0)).unwrap_or(u32::MAX);
        let known = self.allocations.get_or_insert(Allocations { first: count, living, latest: count });
        known.latest = count;
    }

    /// Takes what `look` has seen into the history, `gap` minutes after the last look.
    pub(super) fn close(&mut self, look: u32, now: f64, gap: f64, slot: u32) {
        self.tally_of(look);
        self.history.advance(slot);
        self.within = short(now - f64::from(slot) * SLOT);
        for (border, (age, stood)) in BORDERS.iter().zip(&mut self.stood).enumerate() {
            let [entered, entered_old] = self.tally.entered(border);
            let count = |age: f64| u32::try_from(self.tally.older(age)).unwrap_or(u32::MAX);
            let [before, before_old] = mem::replace(stood, [count(*age), count(age * 2.0)]);
            let [standing, old] = *stood;
            let seen = Slot {
                entered,
                left: before.saturating_add(entered).saturating_sub(standing),
                died: before_old.saturating_add(entered_old).saturating_sub(old),
                exposure: short(f64::from(old) * gap),
                peak: short(self.tally.tenured(border)),
            };
            self.history.add(border, &seen);
            if let Some(frees) = self.frees.get_mut(border) {
                *frees |= f64::from(seen.peak) < 0.5 * self.history.peak_before(border, 0);
            }
        }
        self.big.observe(now, self.tally.largest());
        if self.tally.tenured(0) > 0.0 {
            self.last = short(now);
        }
    }

    /// Judges it by every rule. True when the level has changed.
    pub(super) fn judge(
        &mut self,
        settings: &Settings,
        now: f64,
        urgent: bool,
        plateau: impl FnOnce(u64) -> f64,
    ) -> bool {
        let standing = self.tally.tenured(0).max(self.tally.largest());
        if standing < settings.least && self.life.is_none() {
            return false;
        }
        let mut judged = self.judged(settings, now, urgent);
        // What is known to fill up to a plateau is silent until it is past it.
        if self.life.is_none() && judged.is_some() && standing < plateau(self.key) {
            judged = None;
        }
        let (life, changed) = Life::step(self.life, judged, self, now);
        self.life = life.filter(|life| !life.is_past(now));
        changed
    }

    fn judged(&self, settings: &Settings, now: f64, urgent: bool) -> Option<Judged> {
        let by = |rules: &[Rule]| rules.iter().find_map(|rule| rule.judge(self, settings, settings.least));
        let balance = |level, evidence| Judged { level, cause: Cause::Balance, evidence };
        let doubling = if settings.big && self.tally.largest() >= settings.least {
            Judged::doubling(self, now)
        } else {
            None
        };
        if let Some(evidence) = by(&rules::CONFIRM) {
            return Some(balance(Level::Confirmed, evidence));
        }
        let urgently = || {
            let evidence = urgent.then(|| urgent::judge(self, settings, settings.least)).flatten()?;
            Some(Judged { level: Level::Suspect, cause: Cause::Urgent, evidence })
        };
        doubling
            .or_else(|| by(&rules::SUSPECT).map(|evidence| balance(Level::Suspect, evidence)))
            .or_else(urgently)
    }

    /// The minutes that the slots of a window of so many minutes cover, of which that under way is one; fewer if
    /// nothing was old enough for so long.
    pub(super) fn covered(&self, border: f64, window: usize) -> f64 {
        let slots = window as f64 - SLOT + f64::from(self.within);
        slots.min(self.tally.oldest() - border).max(1.0)
    }

    /// Whether what stands beyond `border` was ever seen to be freed.
    pub(super) fn frees(&self, border: usize) -> bool {
        self.frees.get(border).copied().unwrap_or(false)
    }

    /// Whether nothing of it needs to be remembered.
    pub(super) fn is_forgotten(&self, now: f64) -> bool {
        self.big.judge(now) == Doubling::No && now - f64::from(self.last) > FORGOTTEN
    }

    /// Whether it stands where it has stood for an hour: hardly above its record before, and not far below it.
    pub(super) fn is_stable(&self, now: f64) -> bool {
        let told = self.life.is_some_and(|life| life.level != Level::Resolved);
        let standing = self.tally.tenured(0);
        let before = self.history.peak_before(0, STABLE_SLOTS);
        !told
            && now - f64::from(self.first) >= 2.0 * STABLE
            && standing <= STABLE_RISE * before
            && standing >= 0.5 * before
    }

    /// The share of what was allocated since it is followed that still lives, if the caller tells of allocations.
    pub(super) fn immortal(&self) -> Option<f64> {
        let Allocations { first, living, latest } = self.allocations?;
        let allocated = latest.checked_sub(first).filter(|allocated| *allocated > 0)?;
        let grown = self.tally.older(0.0).saturating_sub(u64::from(living));
        Some((grown as f64 / allocated as f64).min(1.0))
    }

    pub(super) const fn first(&self) -> f64 {
        self.first as f64
    }
}

/// Minutes that make a plateau, in which what stands rises by no more than this.
const STABLE: f64 = 60.0;
const STABLE_RISE: f64 = 1.05;
const STABLE_SLOTS: usize = rules::slots(60);
