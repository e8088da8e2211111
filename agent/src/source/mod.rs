//! Where profiles come from. A source knows how to look at this process; it knows nothing of naming, drawing or
//! sending what it saw.

#[cfg(feature = "cpu")]
mod cpu;
#[cfg(feature = "heap")]
pub mod heap;
pub(crate) mod living;
#[cfg(all(
    feature = "lock-profile",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(crate) mod locks;
#[cfg(any(feature = "heap", feature = "lock-profile"))]
mod stacks;
#[cfg(feature = "cpu")]
mod tally;
pub(crate) mod tasks;
#[cfg_attr(not(feature = "cpu"), allow(dead_code, reason = "much of it only the CPU sampler asks for"))]
mod thread;
mod threads;
#[cfg(all(target_os = "linux", target_pointer_width = "64", target_endian = "little"))]
pub(crate) mod walk;
#[cfg(not(all(target_os = "linux", target_pointer_width = "64", target_endian = "little")))]
#[path = "walk/silent.rs"]
pub(crate) mod walk;
#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod wall;
#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) mod workers;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::Error;
#[cfg(feature = "cpu")]
use crate::profile::Addr;
use crate::profile::{Profile, Unit, ValueType};

#[cfg(feature = "cpu")]
pub use cpu::{Cpu, Engine, Options as CpuOptions};
#[cfg(feature = "heap")]
pub use heap::{Allocs, Heap};
pub use tasks::Tasks;
pub use threads::Threads;
#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub use {tasks::Awaits, thread::ThreadStacks, wall::Wall};

/// Something that can be profiled: the heap, the CPU, the tasks.
pub trait Source: Send + Sync {
    /// Its name, which is its path under `/debug/pprof/`.
    fn name(&self) -> &'static str;

    /// One sentence for the index page: what it shows and what asking costs.
    fn about(&self) -> &'static str;

    /// What else the index page should say: which engine is at work, and why.
    fn detail(&self) -> Option<String> {
        None
    }

    /// How many of what it shows there are now, when that is cheap to tell.
    fn count(&self) -> Option<u64>;

    /// True when a profile covers a stretch of time (`profile`), false when it shows what is there now (`heap`).
    fn windowed(&self) -> bool {
        false
    }

    /// How long a windowed profile looks when nobody says.
    fn default_length(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// How much memory collecting may take at its peak, in bytes. The desk refuses when there is not that much left.
    fn needs_memory(&self) -> u64 {
        0
    }

    /// True when a snapshot may be taken every few minutes without being asked for.
    fn is_cheap(&self) -> bool {
        true
    }

    /// What is left of a profile once its frames have names, for a source that can only then tell what is its own.
    fn refine(&self, named: Profile) -> Profile {
        named
    }

    /// Collects a profile. May block for the whole window; called on a thread of the agent, never on the service's.
    ///
    /// # Errors
    /// `Unsupported` when this process cannot be profiled so, and why; `Busy` when somebody else is at it;
    /// `TimedOut` when the window was canceled.
    fn collect(&self, window: &Window) -> Result<Profile, Error>;
}

/// The stretch of time a windowed source looks at, how closely, and the means to end it early.
#[derive(Clone, Debug)]
pub struct Window {
    length: Duration,
    stretch: Stretch,
    hertz: Option<u32>,
    canceled: Arc<AtomicBool>,
}

/// Which way a window looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stretch {
    /// From now on.
    #[default]
    Coming,
    /// At what was, as far as the source has kept it.
    Past,
}

impl Window {
    /// How often a waiting source looks whether it was canceled.
    pub const POLL: Duration = Duration::from_millis(100);

    /// No stretch at all: what is there now.
    #[must_use]
    pub fn now() -> Self {
        Self::of(Duration::ZERO)
    }

    /// A stretch of `length`.
    #[must_use]
    pub fn of(length: Duration) -> Self {
        Self { length, stretch: Stretch::Coming, hertz: None, canceled: Arc::default() }
    }

    /// The stretch of `length` that ends now.
    #[must_use]
    pub fn before_now(length: Duration) -> Self {
        Self { stretch: Stretch::Past, ..Self::of(length) }
    }

    /// The same window, looked at `hertz` times a second by sources that sample; `None` for their default.
    #[must_use]
    pub fn at(self, hertz: Option<u32>) -> Self {
        Self { hertz, ..self }
    }

    /// Which way it looks.
    #[must_use]
    pub const fn stretch(&self) -> Stretch {
        self.stretch
    }

    /// How many looks a second were asked for.
    #[must_use]
    pub const fn hertz(&self) -> Option<u32> {
        self.hertz
    }

    /// How long it is.
    #[must_use]
    pub const fn length(&self) -> Duration {
        self.length
    }

    /// A handle that ends this window from elsewhere: when it is dropped, the source stops within [`Window::POLL`].
    pub fn guard(&self) -> WindowGuard {
        WindowGuard(self.canceled.clone())
    }

    /// True once the window was ended early.
    #[must_use]
    pub fn is_canceled(&self) -> bool {
        self.canceled.load(Ordering::Relaxed)
    }

    /// Sleeps for the whole window. True when it passed, false when it was ended early.
    #[must_use]
    pub fn wait(&self) -> bool {
        let end = Instant::now() + self.length;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if self.is_canceled() {
                return false;
            }
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(Self::POLL));
        }
    }
}

/// Ends its [`Window`] when dropped.
#[derive(Debug)]
#[must_use = "dropping it ends the window"]
pub struct WindowGuard(Arc<AtomicBool>);

impl Drop for WindowGuard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// An empty profile `kind` whose one value is a count called `value`, counted one by one.
fn counting(kind: &'static str, value: &'static str) -> Profile {
    let mut profile = Profile::new(kind, [ValueType::new(value, Unit::Count)]);
    profile.period = every_one(&profile);
    profile
}

/// The period of a profile that counts everything: one of its first value, as Go has it.
fn every_one(profile: &Profile) -> Option<(ValueType, u64)> {
    profile.values().first().map(|value| (value.clone(), 1))
}

/// Lets the calling thread be sampled from now on, if somebody samples.
#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn thread_started() {
    cpu::tell();
}

/// The labels behind the tag of a thread, as `key` and value.
#[cfg(feature = "cpu")]
pub(crate) type Labels = fn(u32) -> Vec<(&'static str, Arc<str>)>;

/// The addresses of a stack: the first is where the thread was, the others where it will return to.
#[cfg(feature = "cpu")]
fn addresses(raw: &[u64]) -> impl Iterator<Item = Addr> + '_ {
    raw.iter().enumerate().map(|(index, raw)| if index == 0 { Addr::Pc(*raw) } else { Addr::Return(*raw) })
}
