//! Where profiles come from. A source knows how to look at this process; it knows nothing of naming, drawing or
//! sending what it saw.

#[cfg(feature = "cpu")]
mod cpu;
#[cfg(feature = "heap")]
pub mod heap;
pub(crate) mod tasks;
mod threads;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::Error;
use crate::profile::Profile;

#[cfg(feature = "cpu")]
pub use cpu::Cpu;
#[cfg(feature = "heap")]
pub use heap::{Allocs, Heap};
pub use tasks::Tasks;
pub use threads::Threads;

/// Something that can be profiled: the heap, the CPU, the tasks.
pub trait Source: Send + Sync {
    /// Its name, which is its path under `/debug/pprof/`.
    fn name(&self) -> &'static str;

    /// One sentence for the index page: what it shows and what asking costs.
    fn about(&self) -> &'static str;

    /// How many of what it shows there are now, when that is cheap to tell.
    fn count(&self) -> Option<u64>;

    /// True when a profile covers a stretch of time (`profile`), false when it shows what is there now (`heap`).
    fn windowed(&self) -> bool {
        false
    }

    /// How much memory collecting may take at its peak, in bytes. The desk refuses when there is not that much left.
    fn needs_memory(&self) -> u64 {
        0
    }

    /// True when a snapshot may be taken every few minutes without being asked for.
    fn is_cheap(&self) -> bool {
        true
    }

    /// Collects a profile. May block for the whole window; called on a thread of the agent, never on the service's.
    ///
    /// # Errors
    /// `Unsupported` when this process cannot be profiled so, and why; `Busy` when somebody else is at it;
    /// `TimedOut` when the window was canceled.
    fn collect(&self, window: &Window) -> Result<Profile, Error>;
}

/// The stretch of time a windowed source looks at, and the means to end it early.
#[derive(Clone, Debug)]
pub struct Window {
    length: Duration,
    canceled: Arc<AtomicBool>,
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
        Self { length, canceled: Arc::default() }
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
