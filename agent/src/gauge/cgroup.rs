//! The memory limit of the container, from cgroup v1 or v2: files and paths as in cgroups(7) and the kernel's
//! admin-guide/cgroup-v2. The root of the file system is an argument, so that both versions are tested on any machine.

use std::fs;
use std::path::{Path, PathBuf};

/// v1 says "no limit" as the largest page-aligned number; anything this large is none.
const NO_LIMIT: u64 = 1 << 60;

/// The memory cgroups of this process, the innermost first. A limit of any of them binds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    folders: Vec<PathBuf>,
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

impl Memory {
    /// The memory cgroups of this process, if it is in any that can be read below `root` (`/` but in tests).
    pub(crate) fn of_this_process(root: &Path) -> Option<Self> {
        let cgroups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
        let mounts = fs::read_to_string(root.join("proc/self/mountinfo")).ok()?;
        v1(&cgroups, &mounts, root).or_else(|| v2(&cgroups, &mounts, root))
    }

    /// `v1` or `v2`.
    pub(crate) fn version(&self) -> &'static str {
        match self.version {
            Version::V1 => "v1",
            Version::V2 => "v2",
        }
    }

    /// The tightest limit in bytes, if there is one.
    pub(crate) fn limit(&self) -> Option<u64> {
        let file = match self.version {
            Version::V1 => "memory.limit_in_bytes",
            Version::V2 => "memory.max",
        };
        // `max` is no number, which is just what it means.
        let limits = self.folders.iter().filter_map(|folder| number(&folder.join(file)));
        limits.filter(|limit| *limit < NO_LIMIT).min()
    }

    /// What counts against the limit and cannot simply be dropped: usage without inactive file pages.
    pub(crate) fn used(&self) -> Option<u64> {
        let folder = self.folders.first()?;
        let (usage, inactive) = match self.version {
            Version::V1 => ("memory.usage_in_bytes", "total_inactive_file"),
            Version::V2 => ("memory.current", "inactive_file"),
        };
        let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
        Some(number(&folder.join(usage))?.saturating_sub(field(&stat, inactive).unwrap_or(0)))
    }
}

fn v1(cgroups: &str, mounts: &str, root: &Path) -> Option<Memory> {
    let path = cgroups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let is_memory = parts.next()?.split(',').any(|controller| controller == "memory");
        is_memory.then(|| parts.next()).flatten()
    })?;
    let mount = mount_point(mounts, |kind, options| kind == "cgroup" && options.split(',').any(|o| o == "memory"))?;
    memory(root, &mount, path, Version::V1, "memory.limit_in_bytes")
}

fn v2(cgroups: &str, mounts: &str, root: &Path) -> Option<Memory> {
    let path = cgroups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mount = mount_point(mounts, |kind, _| kind == "cgroup2")?;
    memory(root, &mount, path, Version::V2, "memory.max")
}

/// The mount point of the first file system that `wanted` (type, super options) picks, and the part of the hierarchy
/// that is mounted there. proc_pid_mountinfo(5).
fn mount_point(mounts: &str, wanted: impl Fn(&str, &str) -> bool) -> Option<(String, String)> {
    mounts.lines().find_map(|line| {
        let (head, tail) = line.split_once(" - ")?;
        let mut tail = tail.split(' ');
        let (kind, options) = (tail.next()?, tail.nth(1)?);
        let mut head = head.split(' ').skip(3);
        let (part, point) = (head.next()?, head.next()?);
        wanted(kind, options).then(|| (point.to_owned(), part.to_owned()))
    })
}

/// The folders from the process's own cgroup up to the mount point. In a container the path can be one of the host's
/// that is not mounted here; then the mount point itself is the container's cgroup.
fn memory(root: &Path, mount: &(String, String), path: &str, version: Version, file: &str) -> Option<Memory> {
    let (point, part) = mount;
    let point = root.join(point.trim_start_matches('/'));
    let relative = path.strip_prefix(part.trim_end_matches('/')).unwrap_or(path).trim_start_matches('/');
    let own = point.join(relative);
    let start = if !relative.is_empty() && own.is_dir() { own } else { point.clone() };
    let up = start.ancestors().take_while(|folder| folder.starts_with(&point));
    // The root cgroup has no limit file at all.
    let folders: Vec<PathBuf> = up.filter(|folder| folder.join(file).exists()).map(Path::to_owned).collect();
    (!folders.is_empty()).then_some(Memory { folders, version })
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn field(stat: &str, name: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file system under a temporary folder, made of (path, content).
    struct Root(PathBuf);

    impl Root {
        fn of(name: &str, files: &[(&str, &str)]) -> Self {
            let root = std::env::temp_dir().join(format!("flamewatch-cgroup-{name}-{}", std::process::id()));
            for (path, content) in files {
                let path = root.join(path);
                fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
                fs::write(path, content).expect("a file");
            }
            Self(root)
        }

        fn memory(&self) -> Option<Memory> {
            Memory::of_this_process(&self.0)
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const V2_MOUNT: &str = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
    const V1_MOUNT: &str = "33 24 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";

    #[test]
    fn v2_takes_the_tightest_limit_on_the_way_up() {
        let root = Root::of("v2", &[
            ("proc/self/cgroup", "0::/pod/app\n"),
            ("proc/self/mountinfo", V2_MOUNT),
            ("sys/fs/cgroup/pod/memory.max", "1073741824\n"),
            ("sys/fs/cgroup/pod/app/memory.max", "max\n"),
            ("sys/fs/cgroup/pod/app/memory.current", "5000\n"),
            ("sys/fs/cgroup/pod/app/memory.stat", "anon 3000\ninactive_file 1500\n"),
        ]);
        let memory = root.memory().expect("a cgroup");
        assert_eq!((memory.version(), memory.limit(), memory.used()), ("v2", Some(1 << 30), Some(3500)));
    }

    #[test]
    fn v1_knows_its_number_for_no_limit() {
        let files = [
            ("proc/self/cgroup", "11:memory:/docker/abc\n5:cpu,cpuacct:/docker/abc\n0::/\n"),
            ("proc/self/mountinfo", V1_MOUNT),
            ("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes", "700\n"),
            ("sys/fs/cgroup/memory/docker/abc/memory.stat", "inactive_file 1\ntotal_inactive_file 200\n"),
        ];
        let root = Root::of("v1", &files);
        let memory = root.memory().expect("a cgroup");
        assert_eq!((memory.version(), memory.limit(), memory.used()), ("v1", None, Some(500)));
    }

    #[test]
    fn a_container_that_sees_only_its_own_part_uses_the_mount_point() {
        let root = Root::of("container", &[
            ("proc/self/cgroup", "11:memory:/docker/abc\n"),
            ("proc/self/mountinfo", "33 24 0:28 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n"),
        ]);
        assert_eq!(root.memory().expect("a cgroup").limit(), Some(256 << 20));
    }

    #[test]
    fn a_hybrid_layout_uses_v1_where_memory_is_there() {
        let root = Root::of("hybrid", &[
            ("proc/self/cgroup", "11:memory:/a\n0::/a\n"),
            ("proc/self/mountinfo", &format!("{V2_MOUNT}{V1_MOUNT}")),
            ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1000\n"),
        ]);
        assert_eq!(root.memory().expect("a cgroup").limit(), Some(1000));
    }

    #[test]
    fn without_cgroups_there_is_no_limit() {
        assert_eq!(Root::of("none", &[("proc/self/cgroup", "0::/\n"), ("proc/self/mountinfo", V2_MOUNT)]).memory(), None);
        assert_eq!(Root::of("nothing", &[]).memory(), None);
    }
}
