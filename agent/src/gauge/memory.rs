//! The resident memory of this process, alone and against what it may take.

use std::io;
use std::path::Path;

use super::{Gauge, cgroup};
use crate::Unit;

/// Resident memory in bytes, from `/proc/self/status` (proc(5)).
#[derive(Debug, Default)]
pub struct Rss(());

impl Rss {
    /// The resident memory of this process.
    #[must_use]
    pub fn new() -> Self {
        Self(())
    }
}

impl Gauge for Rss {
    fn name(&self) -> &str {
        "rss"
    }

    fn unit(&self) -> Unit {
        Unit::Bytes
    }

    fn read(&mut self) -> io::Result<f64> {
        Ok(rss()? as f64)
    }

    fn evidence(&self) -> Option<&'static str> {
        Some("heap")
    }
}

/// Memory taken as a share of what may be taken: the cgroup's use of its limit, or the resident memory's share of the
/// machine where there is no limit.
#[derive(Debug)]
pub struct RssShare {
    cgroup: Option<cgroup::Memory>,
}

impl RssShare {
    /// The share of this process.
    #[must_use]
    pub fn new() -> Self {
        Self { cgroup: cgroup::Memory::of_this_process(Path::new("/")) }
    }
}

impl Default for RssShare {
    fn default() -> Self {
        Self::new()
    }
}

impl Gauge for RssShare {
    fn name(&self) -> &str {
        "rss.share"
    }

    fn unit(&self) -> Unit {
        Unit::Ratio
    }

    fn read(&mut self) -> io::Result<f64> {
        // The limit can change while we run, so it is read each time.
        let limited = self.cgroup.as_ref().and_then(|cgroup| Some((cgroup.used()?, cgroup.limit()?)));
        let (used, limit) = match limited {
            Some(limited) => limited,
            None => (rss()?, machine()?),
        };
        Ok(used as f64 / limit.max(1) as f64)
    }

    fn evidence(&self) -> Option<&'static str> {
        Some("heap")
    }
}

/// How much memory this process may take, and what says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) bytes: u64,
    pub(crate) source: String,
}

/// The memory limit: the cgroup's, else the machine's memory.
pub(crate) fn limit() -> Option<Limit> {
    let cgroup = cgroup::Memory::of_this_process(Path::new("/"));
    let limited = cgroup.and_then(|cgroup| Some((cgroup.limit()?, format!("cgroup {}", cgroup.version()))));
    let (bytes, source) = limited.or_else(|| Some((machine().ok()?, "the machine, no cgroup limit".to_owned())))?;
    Some(Limit { bytes, source })
}

fn rss() -> io::Result<u64> {
    kilobytes("/proc/self/status", "VmRSS:")
}

fn machine() -> io::Result<u64> {
    kilobytes("/proc/meminfo", "MemTotal:")
}

/// The number after `key` in a file of `key   12 kB` lines, in bytes.
fn kilobytes(path: &str, key: &str) -> io::Result<u64> {
    let text = std::fs::read_to_string(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    number.map(|number| number * 1024).ok_or_else(|| io::Error::other(format!("no {key} in {path}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_touched_shows() {
        let before = rss().expect("a reading");
        let block = std::hint::black_box(vec![1_u8; 64 << 20]);
        let after = rss().expect("a reading");
        assert!(after >= before + (48 << 20), "{before} then {after}");
        drop(block);
        let share = RssShare::new().read().expect("a reading");
        assert!(share > 0.0 && share < 1.5, "{share}");
        assert!(limit().expect("a limit").bytes > after);
    }
}
