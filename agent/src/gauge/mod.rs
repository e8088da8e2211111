//! Numbers that are read again and again: memory, tasks, threads, descriptors, and the service's own.

#[cfg(feature = "__agent")]
mod cgroup;
#[cfg(feature = "heap")]
mod heap;
#[cfg(feature = "__agent")]
mod memory;
#[cfg(feature = "__agent")]
mod process;
#[cfg(feature = "__agent")]
mod tasks;

use std::io;

use crate::Unit;

#[cfg(feature = "heap")]
pub use heap::Heap;
#[cfg(feature = "__agent")]
pub(crate) use memory::{Limit, limit};
#[cfg(feature = "__agent")]
pub use memory::{Rss, RssShare};
#[cfg(feature = "__agent")]
pub use process::{Cpu, Fds, Threads};
#[cfg(feature = "__agent")]
pub use tasks::Tasks;

/// One number with a unit. Read on the agent's thread every tick, so it must be quick and must not block.
pub trait Gauge: Send {
    /// Its name in rules, pages and alerts, such as `rss` or `queue.depth`.
    fn name(&self) -> &str;

    /// The unit of the number.
    fn unit(&self) -> Unit;

    /// Reads it now.
    ///
    /// # Errors
    /// Whatever kept it from being read. The agent shows it, and asks again later, less often.
    fn read(&mut self) -> io::Result<f64>;

    /// The profile that explains this number when it is too high: `heap`, `goroutine`, `threadcreate`, `profile`.
    fn evidence(&self) -> Option<&'static str> {
        None
    }
}
