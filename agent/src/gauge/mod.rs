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
#[cfg(feature = "__agent")]
mod watched;

use std::io;

use crate::Unit;

#[cfg(feature = "heap")]
pub use heap::HeapAllocated;
#[cfg(feature = "__agent")]
pub use memory::{Limit, LimitedBy, MemoryShare, Rss, RssShare, limit};
#[cfg(feature = "__agent")]
pub(crate) use process::threads_alive;
#[cfg(feature = "__agent")]
pub use process::{Cpu, Fds, Threads};
#[cfg(feature = "__agent")]
pub use tasks::Tasks;
#[cfg(feature = "__agent")]
pub use watched::{DEFAULT_HISTORY, MAX_BACK_OFF, Reading, Watched};

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

/// The gauges that every process has. The ones of the heap and of the service itself come on top.
#[cfg(feature = "__agent")]
#[must_use]
pub fn of_process(runtime: Option<tokio::runtime::Handle>) -> Vec<Box<dyn Gauge>> {
    vec![
        Box::new(Rss::new()),
        Box::new(RssShare::new()),
        Box::new(MemoryShare::new()),
        Box::new(Threads::new()),
        Box::new(Fds::new()),
        Box::new(Cpu::new()),
        Box::new(Tasks::new(runtime)),
    ]
}
