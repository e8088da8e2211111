//! How often the kernel has killed for want of memory in the cgroup of this process.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::cgroup::{Cgroup, Controller};

/// A count of a cgroup, comparable with a later one of the same cgroup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OomKills {
    /// Which cgroup, of which boot of the machine: a container that is started again mostly gets a new one, which counts
    /// from 0.
    pub(crate) cgroup: String,
    pub(crate) count: u64,
}

/// As it stands now; `None` where no cgroup counts it.
pub(crate) fn oom_kills() -> Option<OomKills> {
    oom_kills_below(Path::new("/")).ok()
}

fn oom_kills_below(root: &Path) -> io::Result<OomKills> {
    let missing = || io::Error::from(io::ErrorKind::NotFound);
    let cgroup = Cgroup::find(root, Controller::Memory).ok_or_else(missing)?;
    let directory = cgroup.own().ok_or_else(missing)?;
    let boot = std::fs::read_to_string(root.join("proc/sys/kernel/random/boot_id"))?;
    let count = cgroup.oom_kills().ok_or_else(missing)?;
    Ok(OomKills { cgroup: format!("{}-{}", boot.trim(), std::fs::metadata(directory)?.ino()), count })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gauge::cgroup::tests::Root;

    #[test]
    fn the_kernel_counts_in_the_cgroup_of_the_process() {
        let root = Root::v2(&[("/", "max"), ("/shop", "1000")]);
        root.write("proc/sys/kernel/random/boot_id", "b00t\n");
        assert!(oom_kills_below(root.path()).is_err());
        root.write("sys/fs/cgroup/shop/memory.events", "low 0\noom 3\noom_kill 2\noom_group_kill 0\n");
        let before = oom_kills_below(root.path()).expect("a count");
        assert!(before.count == 2 && before.cgroup.starts_with("b00t-"), "{before:?}");
        root.write("sys/fs/cgroup/shop/memory.events", "low 0\noom 4\noom_kill 3\n");
        let after = oom_kills_below(root.path()).expect("a count");
        assert_eq!((after.count, after.cgroup), (3, before.cgroup));
    }
}
