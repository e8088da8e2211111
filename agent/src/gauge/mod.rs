//! Numbers that are read again and again: memory, tasks, threads, descriptors, and the service's own.

#[cfg(feature = "__agent")]
mod cgroup;
#[cfg(feature = "__agent")]
mod cpu_share;
#[cfg(feature = "__agent")]
mod discreet;
#[cfg(feature = "__agent")]
mod footprint;
#[cfg(feature = "heap")]
mod heap;
#[cfg(feature = "__agent")]
mod memory;
#[cfg(feature = "__agent")]
mod oom;
#[cfg(feature = "__agent")]
mod process;
#[cfg(feature = "__agent")]
mod runtime;
#[cfg(feature = "__agent")]
mod stacks;
#[cfg(feature = "__agent")]
mod tasks;
#[cfg(feature = "__agent")]
mod watched;

use std::io;

use crate::Unit;

#[cfg(feature = "__agent")]
pub use cpu_share::CpuShare;
#[cfg(feature = "__agent")]
pub(crate) use discreet::Discreet;
#[cfg(feature = "__agent")]
pub(crate) use footprint::{Footprint, headroom};
#[cfg(feature = "heap")]
pub use heap::HeapAllocated;
#[cfg(feature = "__agent")]
pub(crate) use memory::set_limit;
#[cfg(feature = "__agent")]
pub use memory::{Limit, LimitedBy, MemoryShare, Rss, RssShare, limit};
#[cfg(feature = "__agent")]
pub(crate) use oom::{OomKills, oom_kills};
#[cfg(feature = "__agent")]
pub use process::{Cpu, Fds, Threads};
#[cfg(feature = "__agent")]
pub use runtime::Runtime;
#[cfg(feature = "__agent")]
pub(crate) use stacks::stacks;
#[cfg(feature = "__agent")]
pub(crate) use tasks::LastingTasks;
#[cfg(feature = "__agent")]
pub use tasks::Tasks;
#[cfg(feature = "__agent")]
pub use watched::{DEFAULT_HISTORY, MAX_BACK_OFF, Reading, Watched};

/// One number with a unit. Read every tick on some worker thread of the agent, so it must be quick and must not block:
/// while it does, no gauge is read and no rule is judged.
pub trait Gauge: Send {
    /// Its name in rules, pages and alerts, such as `rss` or `queue.depth`.
    fn name(&self) -> &str;

    /// The unit of the number.
    fn unit(&self) -> Unit;

    /// Reads it now.
    ///
    /// # Errors
    /// Whatever kept it from being read. The agent shows its kind, or the words of the system, but not words of the
    /// service's, which may hold what must stay secret; and it asks again later, less often.
    fn read(&mut self) -> io::Result<f64>;

    /// The profile that explains this number when it is too high: `heap`, `goroutine`, `threadcreate`, `profile`.
    fn evidence(&self) -> Option<&'static str> {
        None
    }
}

/// The gauges that every process has; `memory.share` only where a cgroup sets a limit. The ones of the heap and of the
/// service itself come on top.
#[cfg(feature = "__agent")]
#[must_use]
pub fn of_process(runtime: Option<tokio::runtime::Handle>) -> Vec<Box<dyn Gauge>> {
    let mut gauges: Vec<Box<dyn Gauge>> = vec![
        Box::new(Rss::new()),
        Box::new(RssShare::new()),
        Box::new(Threads::new()),
        Box::new(Fds::new()),
        Box::new(Cpu::new()),
        Box::new(CpuShare::new()),
        Box::new(Tasks::new(runtime.clone())),
    ];
    gauges.extend(Runtime::all(runtime.as_ref()).into_iter().map(|gauge| Box::new(gauge) as Box<dyn Gauge>));
    if limit().is_some_and(|limit| limit.by == LimitedBy::Cgroup) {
        gauges.push(Box::new(MemoryShare::new()));
    }
    gauges
}

#[cfg(all(test, feature = "__agent"))]
mod tests {
    use super::*;

    #[test]
    fn every_gauge_of_a_process_can_be_read_and_has_its_own_name() {
        let mut gauges = of_process(None);
        for gauge in &mut gauges {
            let read = gauge.read();
            assert!(read.as_ref().is_ok_and(|value| *value >= 0.0), "{}: {read:?}", gauge.name());
        }
        let mut names: Vec<&str> = gauges.iter().map(|gauge| gauge.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), gauges.len());
    }
}
