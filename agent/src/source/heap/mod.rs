//! The heap: what was allocated and what is still there, sampled by jemalloc and kept by us.
//!
//! From jemalloc's hooks down: `engine` is what a hook does, `unwind` and `tables` walk the stack, `stacks` keeps
//! each distinct one, `live` (`shard`, `ring`) keeps what is not freed. `snapshot` reads them, `selftest` chooses
//! the unwinder, `rate` and `cost` keep sampling cheap, `dump` and `file` are the way without hooks.

mod cost;
mod diagnose;
mod dump;
mod engine;
mod file;
mod governor;
mod live;
mod memory;
mod rate;
mod ring;
mod selftest;
mod shard;
mod snapshot;
mod stats;
mod tables;
pub mod tag;
mod unwind;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engine::Engine;
use governor::Governor;
use selftest::Verdict;

pub use self::diagnose::diagnose;
pub(crate) use self::diagnose::is_allocator;
pub use self::dump::parse as parse_dump;
pub use self::governor::RateChange;
pub use self::memory::{Memory, exclude_this_thread};
pub use self::rate::{DEFAULT_CPU_BUDGET, DEFAULT_LG_RATE};
pub use self::snapshot::{AGE_GROUPS, AGE_LIMITS, LiveSample, Snapshot, Usage};
pub use self::stats::Stats;
pub use self::unwind::Unwinder;

use super::stacks::StackId;
use super::{Source, Window};
use crate::profile::{Frame, Profile};
use crate::sys::{mallctl, prof_hooks};
use crate::{Error, ErrorKind};

/// How the heap is sampled.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// One sample in 2 to the power of this many bytes. Default: what jemalloc was started with,
    /// [`DEFAULT_LG_RATE`] with `allocator!()`.
    pub lg_rate: Option<u8>,
    /// The share of the process's CPU time that sampling may take. Default: [`DEFAULT_CPU_BUDGET`].
    pub cpu_budget: f64,
    /// How stacks are walked. Default: what a test at the start finds best.
    pub unwinder: Option<Unwinder>,
}

impl Default for Options {
    fn default() -> Self {
        Self { lg_rate: None, cpu_budget: DEFAULT_CPU_BUDGET, unwinder: None }
    }
}

/// The profile `heap`: what is in use by the stack that allocated it, and what was ever allocated.
///
/// There is one at a time in a process. Dropping it stops sampling and puts jemalloc back as it was.
#[derive(Debug)]
pub struct Heap {
    means: Means,
    governor: Governor,
    before: Before,
    _only: Only,
}

/// Where profiles come from.
#[derive(Debug)]
enum Means {
    /// Our own table, filled by the hooks.
    Hooks(Verdict),
    /// jemalloc's dumps, because of this.
    Dumps(&'static str),
}

/// What was changed and is put back.
#[derive(Debug)]
struct Before {
    active: bool,
    lg_rate: u8,
}

impl Heap {
    /// Starts sampling: installs the hooks, tries them out, chooses the unwinder.
    ///
    /// # Errors
    /// `Unsupported` when jemalloc is not the allocator or was started without `prof:true`; `Busy` when the heap is
    /// being profiled already.
    pub fn start(options: &Options) -> Result<Self, Error> {
        let only = Only::claim()?;
        diagnose::prerequisites()?;
        let unreadable =
            |error| Error::new(ErrorKind::Unsupported, "cannot control jemalloc's sampler").because(error);
        let before = Before {
            active: mallctl::prof_active().map_err(unreadable)?,
            lg_rate: mallctl::lg_sample().map_err(unreadable)?,
        };
        let lg_rate = options.lg_rate.map_or(before.lg_rate, |wanted| wanted.min(rate::MAX_LG_RATE));
        if lg_rate != before.lg_rate {
            mallctl::reset(lg_rate).map_err(unreadable)?;
        }
        // From here on dropping `heap` puts everything back, however far it got.
        let governor = Governor::new(lg_rate, options.cpu_budget);
        let mut heap = Self { means: Means::Dumps("it did not start"), governor, before, _only: only };
        heap.means = begin(lg_rate, options.unwinder);
        mallctl::set_prof_active(true).map_err(unreadable)?;
        if let Some(engine) = heap.engine() {
            heap.governor.begin(engine);
        }
        Ok(heap)
    }

    /// What every stack holds now. `None` where the hooks are missing.
    #[must_use]
    pub fn snapshot(&self) -> Option<Snapshot> {
        self.engine().map(Snapshot::take)
    }

    /// Hands every live sample to `each`; false when not all could be looked at. No lock is held meanwhile.
    pub fn visit(&self, each: impl FnMut(&LiveSample)) -> bool {
        let _unsampled = mallctl::Unsampled::new();
        self.engine().is_some_and(|engine| snapshot::visit(engine, each))
    }

    /// How many samples of each stack were ever taken, by the stack's number.
    pub(crate) fn samples(&self) -> impl Iterator<Item = (u32, u64)> {
        let engine = self.engine();
        let stacks = engine.map_or(0, |engine| u32::try_from(engine.stacks.len()).unwrap_or(u32::MAX));
        let samples = move |stack| Some((stack, engine?.stacks.allocated(StackId(stack)).samples));
        (0..stacks).filter_map(samples)
    }

    /// The frames of the stack with this number, not named yet.
    pub(crate) fn frames(&self, stack: u32) -> Vec<Frame> {
        self.engine().map(|engine| snapshot::frames(engine, StackId(stack))).unwrap_or_default()
    }

    /// Changes the rate to one sample in 2 to the power of `lg_rate` bytes. What is in the table stays right; the
    /// governor keeps it as the finest it goes back to.
    ///
    /// # Errors
    /// `Unsupported` when jemalloc refuses.
    pub fn set_lg_rate(&self, lg_rate: u8) -> Result<(), Error> {
        self.governor.want(lg_rate.min(rate::MAX_LG_RATE));
        self.apply_lg_rate(lg_rate.min(rate::MAX_LG_RATE))
    }

    /// To be called every few seconds on a thread of the agent: takes up libraries loaded since, and samples less
    /// when sampling costs more than its budget, more again when it can. Says what it changed.
    pub fn govern(&self) -> Option<RateChange> {
        let engine = self.engine()?;
        engine.unwinding.pool.refresh();
        let change = self.governor.decide(engine)?;
        self.apply_lg_rate(change.to).ok()?;
        Some(change)
    }

    /// The engine's own numbers; all zero where the hooks are missing.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.engine().map(Stats::of).unwrap_or_default()
    }

    /// jemalloc's own profile of this moment as text (`heap_v2`), for `jeprof` and for comparison.
    ///
    /// # Errors
    /// `Io` when the temporary directory cannot be written to.
    pub fn dump(&self) -> Result<Vec<u8>, Error> {
        file::dump()
    }

    /// Why profiles come from dumps and not from the live table, if they do.
    #[must_use]
    pub fn fallback(&self) -> Option<&'static str> {
        match self.means {
            Means::Hooks(_) => None,
            Means::Dumps(why) => Some(why),
        }
    }

    /// How stacks are walked, and why so.
    #[must_use]
    pub fn unwinder(&self) -> (Unwinder, &'static str) {
        match (&self.means, self.engine()) {
            (Means::Hooks(verdict), Some(engine)) => (engine.unwinding.chosen(), verdict.reason),
            (Means::Dumps(why), _) => (Unwinder::Jemalloc, *why),
            (Means::Hooks(_), None) => (Unwinder::Jemalloc, "a forked child is not sampled"),
        }
    }

    fn engine(&self) -> Option<&'static Engine> {
        match self.means {
            Means::Hooks(_) => Engine::get().ok().filter(|engine| engine.is_ours()),
            Means::Dumps(_) => None,
        }
    }

    fn apply_lg_rate(&self, lg_rate: u8) -> Result<(), Error> {
        let refused =
            |error| Error::new(ErrorKind::Unsupported, "cannot change the sampling rate").because(error);
        mallctl::reset(lg_rate).map_err(refused)?;
        if let Some(engine) = self.engine() {
            engine.set_lg_rate(lg_rate);
        }
        Ok(())
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        // Every error here means that there is no sampler, and then there is nothing to put back.
        let _ = mallctl::set_prof_active(self.before.active);
        let _ = prof_hooks::remove();
        if mallctl::lg_sample().is_ok_and(|now| now != self.before.lg_rate) {
            let _ = mallctl::reset(self.before.lg_rate);
        }
    }
}

impl Source for Heap {
    fn name(&self) -> &'static str {
        "heap"
    }

    fn about(&self) -> &'static str {
        match self.means {
            Means::Hooks(_) => {
                "Memory in use and ever allocated, by the stack that allocated it. Sampled; asking costs a few milliseconds."
            }
            Means::Dumps(_) => {
                "Memory in use, by the stack that allocated it, from a dump of jemalloc. Sampled; asking can hold up allocating threads for half a second."
            }
        }
    }

    fn is_cheap(&self) -> bool {
        matches!(self.means, Means::Hooks(_))
    }

    fn count(&self) -> Option<u64> {
        self.engine().map(|engine| engine.live.len() as u64)
    }

    fn collect(&self, _window: &Window) -> Result<Profile, Error> {
        match (&self.means, self.engine()) {
            (Means::Hooks(_), Some(engine)) => Ok(Snapshot::take(engine).profile(engine)),
            (Means::Hooks(_), None) => {
                Err(Error::new(ErrorKind::Unsupported, "a forked child does not inherit the heap profile"))
            }
            (Means::Dumps(why), _) => {
                let mut profile = dump::parse(&file::dump()?);
                profile.comments.push(format!("from a dump of jemalloc, because {why}"));
                let rate = profile.period.as_ref().map_or(0, |(_, bytes)| *bytes);
                profile.comments.push(snapshot::sampled(rate as f64));
                Ok(profile)
            }
        }
    }
}

/// The profile `allocs`: the same as `heap`, shown first by what was ever allocated.
#[derive(Debug)]
pub struct Allocs(Arc<Heap>);

impl Allocs {
    /// The other view of `heap`.
    #[must_use]
    pub fn of(heap: Arc<Heap>) -> Self {
        Self(heap)
    }
}

impl Source for Allocs {
    fn name(&self) -> &'static str {
        "allocs"
    }

    fn about(&self) -> &'static str {
        "All memory ever allocated, also what is freed, by the stack that allocated it. The data of heap."
    }

    fn count(&self) -> Option<u64> {
        self.0.engine().map(|engine| engine.stacks.len() as u64)
    }

    fn collect(&self, window: &Window) -> Result<Profile, Error> {
        let mut profile = self.0.collect(window)?.with_kind("allocs");
        if let Some(alloc_space) = profile.value_index("alloc_space") {
            profile.default_value = alloc_space;
        }
        Ok(profile)
    }
}

/// Installs the hooks and tries them out; says what profiles will come from.
fn begin(lg_rate: u8, wanted: Option<Unwinder>) -> Means {
    match prof_hooks::available() {
        Ok(true) => {}
        Ok(false) => return Means::Dumps("another profiler has taken jemalloc's hooks"),
        Err(_) => return Means::Dumps("this jemalloc has no sampling hooks"),
    }
    let Ok(engine) = Engine::get() else { return Means::Dumps("there is no address space for its tables") };
    engine.begin(lg_rate);
    engine.unwinding.pool.refresh();
    engine.unwinding.choose(Unwinder::Jemalloc);
    prof_hooks::disable_in_children();
    let installed = prof_hooks::install(engine::CALLBACKS, prof_hooks::CAN_UNWIND);
    if installed.and_then(|()| mallctl::set_prof_active(true)).is_err() {
        let _ = prof_hooks::remove();
        return Means::Dumps("jemalloc refused our hooks");
    }
    let verdict = selftest::run(lg_rate, prof_hooks::CAN_UNWIND);
    if !verdict.sampled || !verdict.freed {
        let _ = prof_hooks::remove();
        return Means::Dumps("a forced sample did not reach our hooks");
    }
    // Also jemalloc's own unwinder is called through us where it can be, so that its cost is measured.
    engine.unwinding.choose(wanted.unwrap_or(verdict.unwinder));
    Means::Hooks(verdict)
}

/// The proof that there is no other.
#[derive(Debug)]
struct Only;

static CLAIMED: AtomicBool = AtomicBool::new(false);

impl Only {
    fn claim() -> Result<Self, Error> {
        if CLAIMED.swap(true, Ordering::AcqRel) {
            return Err(Error::new(ErrorKind::Busy, "the heap is being profiled already"));
        }
        Ok(Self)
    }
}

impl Drop for Only {
    fn drop(&mut self) {
        CLAIMED.store(false, Ordering::Release); // AcqRel: `claim`
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_jemalloc_the_error_says_what_to_do() {
        // Test programs have the system's allocator.
        let error = Heap::start(&Options::default()).expect_err("not jemalloc");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("write flamewatch::allocator!();"), "{error}");
        let checks = diagnose();
        assert_eq!(checks.iter().filter(|check| !check.ok).count(), 2, "{checks:?}");
        let again = Heap::start(&Options::default()).expect_err("still not jemalloc");
        assert_eq!(again.kind(), ErrorKind::Unsupported, "what failed does not block what comes after");
    }
}
