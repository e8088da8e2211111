//! What is resident and by whom it is limited, in one reading: the numbers behind `watch::memory`, but those of the
//! allocator. A few small files of `/proc` and of the cgroup; nothing that walks the memory.

use std::io;
use std::path::{Path, PathBuf};

use super::cgroup::{Cgroup, Controller};
use super::memory::{LimitedBy, limit_of, number_in};
use crate::watch::memory::{Level, Memory};

/// Reads the memory of this process: some ten small files at 7 to 15 µs each.
#[derive(Clone, Debug)]
pub(crate) struct Footprint {
    root: PathBuf,
    cgroup: Option<Cgroup>,
}

/// How much more memory this process can take before it reaches its limit, in bytes; `None` where nobody tells.
pub(crate) fn headroom() -> Option<u64> {
    Some(Footprint::new().read().ok()?.level?.room)
}

impl Footprint {
    /// Of this process.
    pub(crate) fn new() -> Self {
        Self::below(Path::new("/"))
    }

    /// In the file system below `root`.
    fn below(root: &Path) -> Self {
        Self { root: root.to_owned(), cgroup: Cgroup::find(root, Controller::Memory) }
    }

    /// The memory of this moment, without what the allocator and the stacks take.
    ///
    /// # Errors
    /// Where there is no `/proc`.
    pub(crate) fn read(&self) -> io::Result<Memory> {
        let status = std::fs::read_to_string(self.root.join("proc/self/status"))?;
        let mut memory = resident_in(&status)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no VmRSS in /proc/self/status"))?;
        let limit = limit_of(&self.root, self.cgroup.as_ref());
        let tightest = self.cgroup.as_ref().and_then(Cgroup::tightest);
        memory.cgroup = tightest.and_then(|level| level.counts().ok());
        memory.level = limit.and_then(|limit| {
            let usage = match (limit.by, memory.cgroup) {
                // What could be given back at once is not what the kernel kills for.
                (LimitedBy::Cgroup, cgroup) => {
                    cgroup.map(|counts| counts.usage.saturating_sub(counts.inactive_file))?
                }
                _ => memory.rss(),
            };
            let left = limit.bytes.saturating_sub(usage);
            let room = if limit.by == LimitedBy::Machine {
                left.min(self.available().unwrap_or(left))
            } else {
                left
            };
            Some(Level { usage, limit: limit.bytes, room, whose: limit.by.words() })
        });
        Ok(memory)
    }

    /// What the machine has left for all of its processes.
    fn available(&self) -> Option<u64> {
        number_in(&std::fs::read_to_string(self.root.join("proc/meminfo")).ok()?, "MemAvailable:")
    }
}

/// What proc_pid_status(5) tells. A kernel that does not tell the kinds apart leaves all to the anonymous.
fn resident_in(status: &str) -> Option<Memory> {
    let resident = number_in(status, "VmRSS:")?;
    let (file, shared) =
        (number_in(status, "RssFile:").unwrap_or(0), number_in(status, "RssShmem:").unwrap_or(0));
    let rest = resident.saturating_sub(file).saturating_sub(shared);
    let threads = status.lines().find_map(|line| line.strip_prefix("Threads:")?.trim().parse().ok());
    Some(Memory {
        anonymous: number_in(status, "RssAnon:").unwrap_or(rest),
        file,
        shared,
        threads: threads.unwrap_or(1),
        ..Memory::default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::cgroup::tests::Root;
    use super::*;

    const STATUS: &str = "Name:\tshop\nVmRSS:\t     600 kB\nRssAnon:\t     400 kB\nRssFile:\t     190 kB\nRssShmem:\t      10 kB\n\
                          Threads:\t12\n";

    /// Usage, limit, room and whose it is.
    fn level(cgroup: &str, meminfo: &str) -> Option<(u64, u64, u64, &'static str)> {
        let root = Root::v2(&[("/app", cgroup)]);
        root.write("proc/self/status", STATUS);
        root.write("proc/meminfo", meminfo);
        let level = Footprint::below(root.path()).read().expect("a status").level?;
        Some((level.usage, level.limit, level.room, level.whose))
    }

    #[test]
    fn what_is_held_against_the_limit_depends_on_whose_it_is() {
        let machine = "MemTotal: 4000 kB\nMemAvailable: 1000 kB\n";
        // The cgroup has 1000 bytes in use, 300 of them file pages that it can give back.
        assert_eq!(level("5000", machine), Some((700, 5_000, 4_300, "the container's limit")));
        assert_eq!(level("max", machine), Some((600 << 10, 4_000 << 10, 1_000 << 10, "all the machine has")));
        assert_eq!(
            level("max", "MemTotal: 4000 kB\n"),
            Some((600 << 10, 4_000 << 10, 3_400 << 10, "all the machine has"))
        );
        assert_eq!(level("max", ""), None);
    }

    #[test]
    fn status_lines() {
        let memory = resident_in(STATUS).expect("a status");
        assert_eq!((memory.anonymous, memory.file, memory.shared), (400 << 10, 190 << 10, 10 << 10));
        assert_eq!((memory.threads, memory.rss()), (12, 600 << 10));
        let old = resident_in("VmRSS: 600 kB\n").expect("a status");
        assert_eq!((old.anonymous, old.file, old.threads), (600 << 10, 0, 1));
        assert_eq!(resident_in("Threads: 1\n"), None);
    }

    #[test]
    fn this_process_has_memory_and_room() {
        let memory = Footprint::new().read().expect("a status");
        assert!(memory.anonymous > 0 && memory.file > 0 && memory.level.is_some(), "{memory:?}");
        assert!(headroom().is_some());
    }
}
