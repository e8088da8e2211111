//! What the system counts for this process: threads, descriptors, CPU.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Gauge;
use crate::Unit;
use crate::sys;

/// The most descriptors counted one by one, on kernels that do not tell their number.
const MAX_FDS: usize = 100_000;

/// A shorter stretch than this tells nothing about CPU use; the last answer stands.
const MIN_STRETCH: Duration = Duration::from_millis(10);

/// `threads`: threads alive.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Threads;

/// `fds`: open descriptors.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Fds;

/// `cpu`: CPU time used since the last reading, as a share of one core; two busy cores read 2.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    last: Option<(Instant, Duration)>,
    share: f64,
}

impl Threads {
    /// The threads of this process.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Fds {
    /// The descriptors of this process.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Cpu {
    /// The CPU use of this process from now on.
    #[must_use]
    pub fn new() -> Self {
        Self { last: sys::process::cpu_time().ok().map(|used| (Instant::now(), used)), share: 0.0 }
    }

    fn observe(&mut self, now: Instant, used: Duration) -> f64 {
        let (then, before) = *self.last.get_or_insert((now, used));
        let stretch = now.saturating_duration_since(then);
        if stretch >= MIN_STRETCH {
            self.share = used.saturating_sub(before).as_secs_f64() / stretch.as_secs_f64();
            self.last = Some((now, used));
        }
        self.share
    }
}

impl Gauge for Threads {
    fn name(&self) -> &'static str {
        "threads"
    }

    fn unit(&self) -> Unit {
        Unit::Count
    }

    fn read(&mut self) -> io::Result<f64> {
        sys::process::threads_alive().map(|threads| threads as f64)
    }

    fn evidence(&self) -> Option<&'static str> {
        Some("threadcreate")
    }
}

impl Gauge for Fds {
    fn name(&self) -> &'static str {
        "fds"
    }

    fn unit(&self) -> Unit {
        Unit::Count
    }

    fn read(&mut self) -> io::Result<f64> {
        open_fds(Path::new("/proc/self/fd")).map(|fds| fds as f64)
    }
}

impl Gauge for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn unit(&self) -> Unit {
        Unit::Ratio
    }

    fn read(&mut self) -> io::Result<f64> {
        let used = sys::process::cpu_time()?;
        Ok(self.observe(Instant::now(), used))
    }

    fn evidence(&self) -> Option<&'static str> {
        Some("profile")
    }
}

/// Since Linux 6.2 the directory's size is the number of descriptors; before that it is 0 and we count, less the one
/// that we count with.
fn open_fds(directory: &Path) -> io::Result<u64> {
    let size = std::fs::metadata(directory)?.len();
    if size > 0 {
        return Ok(size);
    }
    let counted = std::fs::read_dir(directory)?.take(MAX_FDS).count() as u64;
    Ok(counted.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_descriptor_is_one_more() {
        // Other tests open files too; the number is right when it moves with ours at least once.
        let counts_ours = (0..100).any(|_| {
            let before = Fds::new().read().expect("a count");
            let file = std::fs::File::open("/proc/self/stat").expect("a file");
            let with = Fds::new().read().expect("a count");
            drop(file);
            with - before == 1.0
        });
        assert!(counts_ours);
    }

    #[test]
    fn cpu_is_a_share_of_one_core() {
        let start = Instant::now();
        let mut cpu = Cpu { last: Some((start, Duration::from_secs(5))), share: 0.0 };
        assert_eq!(cpu.observe(start + Duration::from_secs(10), Duration::from_secs(20)), 1.5);
        assert_eq!(
            cpu.observe(start + Duration::from_secs(10), Duration::from_secs(20)),
            1.5,
            "no time passed"
        );
        assert_eq!(cpu.observe(start + Duration::from_secs(12), Duration::from_secs(21)), 0.5);
        assert_eq!(Cpu::default().observe(start, Duration::from_secs(9)), 0.0);
    }
}
