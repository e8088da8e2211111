//! The engine's own numbers, for `/metrics`, for health and for tests.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::engine::Engine;
use crate::source::stacks::StackId;

/// What the heap engine has done and what it could not do, since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// One sample in 2 to the power of this many bytes.
    pub lg_rate: u8,
    /// Samples that are live now.
    pub live: u64,
    /// Samples ever taken.
    pub samples: u64,
    /// Distinct stacks.
    pub stacks: u64,
    /// Samples whose stack found no room and was shared.
    pub stacks_full: u64,
    /// Stacks cut off because they were too deep.
    pub truncated: u64,
    /// Samples turned away because the live table was full.
    pub live_full: u64,
    /// Samples lost because lock and ring were taken.
    pub lost_samples: u64,
    /// Frees lost for the same reason; as many objects may be shown that are gone.
    pub lost_frees: u64,
    /// Samples and frees that went through a ring.
    pub deferred: u64,
    /// Frees of objects that have no record.
    pub unknown_frees: u64,
    /// Reallocations in place of sampled objects.
    pub replaced: u64,
    /// Frees that belonged to an older object at the same address.
    pub stale_frees: u64,
    /// Stacks unwound by jemalloc because our unwinders were busy.
    pub unwinder_busy: u64,
    /// Chains of frame pointers that were broken.
    pub broken_chains: u64,
    /// Estimated time spent in the hooks, by all threads.
    pub cost: Duration,
}

impl Stats {
    pub(super) fn of(engine: &Engine) -> Self {
        let counters = &engine.live.counters;
        let stacks = engine.stacks.len();
        let samples = (0..).take(stacks).map(|id| engine.stacks.allocated(StackId(id)).samples).sum();
        Self {
            lg_rate: engine.lg_rate(),
            live: engine.live.len() as u64,
            samples,
            stacks: stacks as u64 - 1,
            stacks_full: engine.stacks.overflowed(),
            truncated: engine.truncated.load(Ordering::Relaxed),
            live_full: counters.full.load(Ordering::Relaxed),
            lost_samples: counters.lost_inserts.load(Ordering::Relaxed),
            lost_frees: counters.lost_removes.load(Ordering::Relaxed),
            deferred: counters.deferred.load(Ordering::Relaxed),
            unknown_frees: counters.unknown.load(Ordering::Relaxed),
            replaced: counters.replaced.load(Ordering::Relaxed),
            stale_frees: counters.stale.load(Ordering::Relaxed),
            unwinder_busy: engine.unwinding.busy.load(Ordering::Relaxed),
            broken_chains: engine.unwinding.mismatches.load(Ordering::Relaxed),
            cost: engine.meter.total(),
        }
    }
}
