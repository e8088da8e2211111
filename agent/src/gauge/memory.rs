//! How much memory the process has, and how much it may have.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Gauge;
use super::cgroup::{Cgroup, Controller};
use crate::{Unit, sys};

/// `rss`: resident memory of the process.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Rss;

/// `rss.share`: resident memory of the process as a share of the [`limit`].
#[derive(Clone, Debug)]
pub struct RssShare {
    cgroup: Option<Cgroup>,
}

/// `memory.share`: what the limiting cgroup counts, as a share of its limit: all its processes, and the kernel's
/// memory for them, without file pages that could be given back. This is what the kernel kills for.
#[derive(Clone, Debug)]
pub struct MemoryShare {
    cgroup: Option<Cgroup>,
}

/// The most memory this process can get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limit {
    /// In bytes.
    pub bytes: u64,
    /// Who sets it.
    pub by: LimitedBy,
}

/// Who limits the memory of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitedBy {
    /// A cgroup: the container's, or one around it.
    Cgroup,
    /// The machine, which has no more.
    Machine,
    /// The setting `FLAMEWATCH_MEMORY_LIMIT`.
    Setting,
}

impl LimitedBy {
    /// Whose limit it is, in words.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Cgroup => "the container's limit",
            Self::Machine => "all the machine has",
            Self::Setting => "FLAMEWATCH_MEMORY_LIMIT",
        }
    }
}

/// The limit of the settings, in bytes; 0 for none. One for the process, as the memory is.
static SETTING: AtomicU64 = AtomicU64::new(0);

/// Holds this process to `bytes` of resident memory, where nobody holds it to less; `None` to nothing.
pub(crate) fn set_limit(bytes: Option<u64>) {
    SETTING.store(bytes.unwrap_or(0), Ordering::Relaxed);
}

/// The most memory this process can get: the tightest limit of its cgroups, that of the settings, or what the machine has
/// where that is less or no limit is set. `None` where the system does not tell.
#[must_use]
pub fn limit() -> Option<Limit> {
    limit_of(Path::new("/"), Cgroup::find(Path::new("/"), Controller::Memory).as_ref())
}

impl Rss {
    /// The memory of this process.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl RssShare {
    /// The memory of this process, against the limit it is under at each reading.
    #[must_use]
    pub fn new() -> Self {
        Self { cgroup: Cgroup::find(Path::new("/"), Controller::Memory) }
    }
}

impl Default for RssShare {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryShare {
    /// The memory of the cgroup that limits this process.
    #[must_use]
    pub fn new() -> Self {
        Self { cgroup: Cgroup::find(Path::new("/"), Controller::Memory) }
    }
}

impl Default for MemoryShare {
    fn default() -> Self {
        Self::new()
    }
}

impl Gauge for Rss {
    fn name(&self) -> &'static str {
        "rss"
    }

    fn unit(&self) -> Unit {
        Unit::Bytes
    }

    fn read(&mut self) -> io::Result<f64> {
        rss().map(|bytes| bytes as f64)
    }

    fn evidence(&self) -> Option<&'static str> {
        Some("heap")
    }
}

impl Gauge for RssShare {
    fn name(&self) -> &'static str {
        "rss.share"
    }

    fn unit(&self) -> Unit {
        Unit::Ratio
    }

    fn read(&mut self) -> io::Result<f64> {
        let limit = limit_of(Path::new("/"), self.cgroup.as_ref())
            .ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, "no memory limit is known"))?;
        Ok(rss()? as f64 / limit.bytes as f64)
    }

    fn evidence(&self) -> Option<&'static str> {
        Some("heap")
    }
}

impl Gauge for MemoryShare {
    fn name(&self) -> &'static str {
        "memory.share"
    }

    fn unit(&self) -> Unit {
        Unit::Ratio
    }

    fn read(&mut self) -> io::Result<f64> {
        let level = self
            .cgroup
            .as_ref()
            .and_then(Cgroup::tightest)
            .ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, "no cgroup limits this process"))?;
        Ok(level.working_set()? as f64 / level.limit() as f64)
    }

    fn evidence(&self) -> Option<&'static str> {
        Some("heap")
    }
}

pub(super) fn limit_of(root: &Path, cgroup: Option<&Cgroup>) -> Option<Limit> {
    let setting = Some(SETTING.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0);
    let machine = std::fs::read_to_string(root.join("proc/meminfo")).ok();
    let machine = machine.and_then(|text| number_in(&text, "MemTotal:"));
    let cgroup = cgroup.and_then(Cgroup::tightest).map(|level| level.limit());
    let limits = [(setting, LimitedBy::Setting), (machine, LimitedBy::Machine), (cgroup, LimitedBy::Cgroup)];
    let known = limits.into_iter().filter_map(|(bytes, by)| Some(Limit { bytes: bytes?, by }));
    known.min_by_key(|limit| limit.bytes)
}

/// The number behind `key` in `/proc/meminfo` or `/proc/self/status`, which count in KiB: in bytes, if it is not 0.
pub(super) fn number_in(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let kibibytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    kibibytes.checked_mul(1024).filter(|bytes| *bytes > 0)
}

fn rss() -> io::Result<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages = resident_in(&statm)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no number in /proc/self/statm"))?;
    Ok(pages.saturating_mul(sys::process::page_size()?))
}

/// The second number of `statm`, in pages.
fn resident_in(statm: &str) -> Option<u64> {
    statm.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::cgroup::tests::Root;
    use super::*;

    #[test]
    fn the_tighter_of_cgroup_and_machine_wins_and_says_who_it_is() {
        let limit = |cgroup: &str, meminfo: &str| {
            let root = Root::v2(&[("/app", cgroup)]);
            root.write("proc/meminfo", meminfo);
            limit_of(root.path(), Cgroup::find(root.path(), Controller::Memory).as_ref())
                .map(|limit| (limit.bytes, limit.by))
        };
        let one_gib = "MemTotal:        1048576 kB\nMemFree:  1 kB\n";
        assert_eq!(limit("1000000", one_gib), Some((1_000_000, LimitedBy::Cgroup)));
        assert_eq!(limit("max", one_gib), Some((1 << 30, LimitedBy::Machine)));
        assert_eq!(limit("2000000000000", one_gib), Some((1 << 30, LimitedBy::Machine)));
        assert_eq!(limit("1000000", "nothing"), Some((1_000_000, LimitedBy::Cgroup)));
        assert_eq!(limit("max", ""), None);
    }

    #[test]
    fn statm() {
        assert_eq!(resident_in("5000 1234 800 1 0 400 0\n"), Some(1234));
        assert_eq!(resident_in(""), None);
    }

    #[test]
    fn touched_memory_is_resident() {
        const SIZE: usize = 64 << 20;
        let before = Rss::new().read().expect("a number");
        let touched = std::hint::black_box(vec![1_u8; SIZE]);
        let with = Rss::new().read().expect("a number");
        assert!(with - before > 0.9 * SIZE as f64, "{before} {with}");
        let share = RssShare::new().read().expect("a share");
        assert!(share > 0.0 && share < 1.0, "{share}");
        drop(touched);
    }
}
