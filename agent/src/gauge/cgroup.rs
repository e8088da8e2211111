//! The cgroups that limit this process's memory and CPU time, version 1 and 2: found through `/proc/self`, read from the mounted
//! hierarchy. Knows files and text; the file system's root is an argument.

use std::io;
use std::path::{Path, PathBuf};

use crate::watch::memory;

/// Version 1 writes "no limit" as the largest number of whole pages in an `i64`; nothing this large is a limit.
const NO_LIMIT: u64 = 1 << 62;

/// What version 1 calls the time a period; it is -1, which is no number of ours, where there is no limit.
const CPU_QUOTA: &str = "cpu.cfs_quota_us";

/// The cgroup of this process that counts what a controller limits, and those around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cgroup {
    version: Version,
    /// Innermost first, up to where the hierarchy is mounted.
    directories: Vec<PathBuf>,
}

/// One cgroup with its limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Level<'cgroup> {
    version: Version,
    directory: &'cgroup Path,
    limit: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// What a cgroup limits. In version 1 each has a hierarchy of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Controller {
    Memory,
    Cpu,
}

/// A line of `/proc/self/mountinfo`.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    /// The directory of the hierarchy that is mounted.
    root: String,
    /// Where it is mounted.
    point: String,
}

impl Cgroup {
    /// The cgroup of this process that `controller` is in, in the file system below `root`. On a hybrid system controllers
    /// are in version 1, so that is asked first.
    pub(super) fn find(root: &Path, controller: Controller) -> Option<Self> {
        let own = std::fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
        let mounts = std::fs::read_to_string(root.join("proc/self/mountinfo")).ok()?;
        [Version::One, Version::Two].into_iter().find_map(|version| {
            let path = version.path_in(&own, controller)?;
            let mounts = mounts.lines().filter_map(|line| version.mount_in(line, controller));
            mounts.into_iter().find_map(|mount| Self::below(root, version, controller, &mount, path))
        })
    }

    /// The cgroup with the tightest limit: its own, or one around it. `None` without any limit.
    pub(super) fn tightest(&self) -> Option<Level<'_>> {
        let version = self.version;
        let level = |directory| version.limit_of(directory).map(|limit| Level { version, directory, limit });
        let seen = self.directories.iter().filter_map(|directory| level(directory.as_path()));
        let tightest = seen.min_by_key(|seen| seen.limit);
        match (self.hidden_limit(), tightest) {
            (Some((directory, limit)), tightest)
                if tightest.as_ref().is_none_or(|seen| limit < seen.limit) =>
            {
                Some(Level { version, directory, limit })
            }
            (_, tightest) => tightest,
        }
    }

    /// How many CPUs' time the cgroup and those around it leave to this process; `None` without any limit.
    pub(super) fn cpus(&self) -> Option<f64> {
        self.directories.iter().filter_map(|directory| self.version.cpus_of(directory)).min_by(f64::total_cmp)
    }

    /// The cgroup itself.
    pub(super) fn own(&self) -> Option<&Path> {
        self.directories.first().map(PathBuf::as_path)
    }

    /// How often the kernel has killed in it because memory ran out.
    pub(super) fn oom_kills(&self) -> Option<u64> {
        let file = match self.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        number_in(&std::fs::read_to_string(self.own()?.join(file)).ok()?, "oom_kill")
    }

    /// A limit set above what is mounted here; version 1 tells of it in the innermost cgroup.
    fn hidden_limit(&self) -> Option<(&Path, u64)> {
        let directory = self.directories.first().filter(|_| self.version == Version::One)?;
        let limit = stat(directory, "hierarchical_memory_limit").ok()?;
        (limit < NO_LIMIT).then_some((directory, limit))
    }

    /// The directory for the cgroup `path` under `mount`. In a container the path is often the host's and the mount
    /// already the container's own: then the mount is the cgroup.
    fn below(
        root: &Path,
        version: Version,
        controller: Controller,
        mount: &Mount,
        path: &str,
    ) -> Option<Self> {
        let point = root.join(mount.point.trim_start_matches('/'));
        let inside = path.strip_prefix(mount.root.trim_end_matches('/')).filter(|rest| is_below(rest));
        let candidates = [inside, Some(path).filter(|path| is_below(path)), Some("")];
        let own = candidates
            .into_iter()
            .flatten()
            .map(|rest| point.join(rest.trim_start_matches('/')))
            .find(|directory| version.serves(directory, controller))?;
        let directories = own
            .ancestors()
            .take_while(|directory| directory.starts_with(&point))
            .map(Path::to_owned)
            .collect();
        Some(Self { version, directories })
    }
}

impl Level<'_> {
    /// The limit in bytes.
    pub(super) const fn limit(&self) -> u64 {
        self.limit
    }

    /// What is in use and cannot be had back by dropping file pages that nobody touched for a while.
    ///
    /// # Errors
    /// Where the cgroup does not tell.
    pub(super) fn working_set(&self) -> io::Result<u64> {
        let counts = self.counts()?;
        Ok(counts.usage.saturating_sub(counts.inactive_file))
    }

    /// What it counts. A sum that it does not tell is 0.
    ///
    /// # Errors
    /// Where the cgroup does not tell how much is in use.
    pub(super) fn counts(&self) -> io::Result<memory::Cgroup> {
        let usage = number(self.directory, self.version.usage_file())?;
        let stat = std::fs::read_to_string(self.directory.join("memory.stat")).unwrap_or_default();
        let sum = |key| number_in(&stat, key).unwrap_or(0);
        let [cache, shared, inactive] = self.version.file_keys();
        Ok(memory::Cgroup {
            usage,
            // Memory that is shared has no file to go back to, though it is counted among the files.
            cache: sum(cache).saturating_sub(sum(shared)),
            inactive_file: sum(inactive),
            limit: self.limit,
        })
    }
}

impl Controller {
    const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
        }
    }
}

impl Version {
    /// The cgroup's path in `/proc/self/cgroup`: `4:memory:/path` or `0::/path`.
    fn path_in(self, own: &str, controller: Controller) -> Option<&str> {
        own.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':');
            let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
            let is_ours = match self {
                Self::One => controllers.split(',').any(|name| name == controller.name()),
                Self::Two => id == "0" && controllers.is_empty(),
            };
            is_ours.then_some(path)
        })
    }

    /// The mount of this version's hierarchy of `controller`, if `line` is one:
    /// `35 31 0:32 /root /point rw,relatime shared:1 - cgroup cgroup rw,memory`.
    fn mount_in(self, line: &str, controller: Controller) -> Option<Mount> {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let (kind, options) = (right.next()?, right.next_back()?);
        let is_ours = match self {
            Self::One => kind == "cgroup" && options.split(',').any(|name| name == controller.name()),
            Self::Two => kind == "cgroup2",
        };
        let mut left = left.split(' ').skip(3);
        let (root, point) = (left.next()?, left.next()?);
        is_ours.then(|| Mount { root: unescaped(root), point: unescaped(point) })
    }

    fn serves(self, directory: &Path, controller: Controller) -> bool {
        match self {
            Self::One if controller == Controller::Cpu => directory.join(CPU_QUOTA).exists(),
            Self::One => directory.join(self.usage_file()).exists(),
            // The root of version 2 counts no memory, and is still a cgroup.
            Self::Two => directory.is_dir(),
        }
    }

    /// The limit that `directory` itself sets. `max` is none.
    fn limit_of(self, directory: &Path) -> Option<u64> {
        let file = match self {
            Self::One => "memory.limit_in_bytes",
            Self::Two => "memory.max",
        };
        number(directory, file).ok().filter(|limit| *limit < NO_LIMIT)
    }

    /// The time a period that `directory` itself allows, in periods.
    fn cpus_of(self, directory: &Path) -> Option<f64> {
        let (quota, period) = match self {
            Self::One => (number(directory, CPU_QUOTA).ok()?, number(directory, "cpu.cfs_period_us").ok()?),
            Self::Two => {
                let text = std::fs::read_to_string(directory.join("cpu.max")).ok()?;
                let (quota, period) = text.trim().split_once(' ')?;
                (quota.parse().ok()?, period.parse().ok()?)
            }
        };
        (quota > 0 && period > 0).then(|| quota as f64 / period as f64)
    }

    const fn usage_file(self) -> &'static str {
        match self {
            Self::One => "memory.usage_in_bytes",
            Self::Two => "memory.current",
        }
    }

    /// The sums of all pages of files, of those that are shared memory, and of those that nobody touched for a while. With
    /// the cgroups below, which are limited together.
    const fn file_keys(self) -> [&'static str; 3] {
        match self {
            Self::One => ["total_cache", "total_shmem", "total_inactive_file"],
            Self::Two => ["file", "shmem", "inactive_file"],
        }
    }
}

/// True for a path below a directory; one that leads out of it, as from a foreign cgroup namespace, is not.
fn is_below(path: &str) -> bool {
    (path.is_empty() || path.starts_with('/')) && !path.split('/').any(|part| part == "..")
}

fn number(directory: &Path, file: &str) -> io::Result<u64> {
    let text = std::fs::read_to_string(directory.join(file))?;
    text.trim().parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The number after `key` in `memory.stat`.
fn stat(directory: &Path, key: &str) -> io::Result<u64> {
    let text = std::fs::read_to_string(directory.join("memory.stat"))?;
    number_in(&text, key)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("no {key} in memory.stat")))
}

fn number_in(stat: &str, key: &str) -> Option<u64> {
    let found = stat.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
    found?.trim().parse().ok()
}

/// Blanks, tabs, line ends and backslashes are written in octal in `mountinfo`.
fn unescaped(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .into_iter()
        .fold(text.to_owned(), |text, (code, letter)| text.replace(code, letter))
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// A file system of our own, gone when dropped.
    pub(in crate::gauge) struct Root(PathBuf);

    impl Root {
        fn new() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let name = format!("flamewatch-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let root = Self(std::env::temp_dir().join(name));
            root.write("proc/self/.keep", "");
            root
        }

        /// Version 2 mounted at its root, with cgroups and their `memory.max`; the process is in the last.
        pub(in crate::gauge) fn v2(levels: &[(&str, &str)]) -> Self {
            let root = Self::new();
            let own = levels.last().map_or("/", |(path, _)| path);
            root.write("proc/self/cgroup", &format!("0::{own}\n"));
            root.write("proc/self/mountinfo", &format!("{V2_MOUNT}\n"));
            for (path, limit) in levels {
                root.cgroup2(path, limit);
            }
            root
        }

        pub(in crate::gauge) fn path(&self) -> &Path {
            &self.0
        }

        pub(in crate::gauge) fn write(&self, path: &str, text: &str) {
            let path = self.0.join(path);
            std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
            std::fs::write(path, text).expect("a file");
        }

        /// Uses 1000 bytes, 300 of them idle file pages.
        fn cgroup2(&self, path: &str, limit: &str) {
            let directory = format!("sys/fs/cgroup{path}");
            self.write(&format!("{directory}/memory.max"), &format!("{limit}\n"));
            self.write(&format!("{directory}/memory.current"), "1000\n");
            let stat = "anon 550\nfile 450\nshmem 50\ninactive_file 300\nactive_file 100\n";
            self.write(&format!("{directory}/memory.stat"), stat);
        }

        fn cgroup1(&self, path: &str, limit: &str, hierarchical: &str) {
            let directory = format!("sys/fs/cgroup/memory{path}");
            self.write(&format!("{directory}/memory.limit_in_bytes"), &format!("{limit}\n"));
            self.write(&format!("{directory}/memory.usage_in_bytes"), "2000\n");
            let stat = format!(
                "inactive_file 1\nhierarchical_memory_limit {hierarchical}\ntotal_cache 900\ntotal_shmem 100\n\
                 total_inactive_file 500\n"
            );
            self.write(&format!("{directory}/memory.stat"), &stat);
        }

        /// Where the tightest limit is set, the limit, and the working set there.
        #[track_caller]
        fn check(&self, expected: Option<(&str, u64, u64)>) {
            let cgroup = Cgroup::find(&self.0, Controller::Memory).expect("a cgroup");
            let tightest = cgroup.tightest().map(|level| {
                let place = level.directory.strip_prefix(self.0.join("sys/fs/cgroup")).expect("a cgroup");
                let working_set = level.working_set().expect("a working set");
                (place.to_string_lossy().into_owned(), level.limit, working_set)
            });
            assert_eq!(tightest.as_ref().map(|(place, limit, used)| (&**place, *limit, *used)), expected);
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }

    const V2_MOUNT: &str = "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";
    const V1_MOUNT: &str = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory";
    const V1_HUGE: &str = "9223372036854771712";

    #[test]
    fn version_2_finds_the_tightest_limit_around_us() {
        Root::v2(&[("/app", "5000")]).check(Some(("app", 5000, 700)));
        Root::v2(&[("/pod", "4000"), ("/pod/app", "5000")]).check(Some(("pod", 4000, 700)));
        Root::v2(&[("/pod", "max"), ("/pod/app", "5000")]).check(Some(("pod/app", 5000, 700)));
        Root::v2(&[("/pod", "max"), ("/pod/app", "max")]).check(None);
        Root::v2(&[("/", "6000")]).check(Some(("", 6000, 700)));
    }

    #[test]
    fn version_1_knows_its_huge_number_and_the_limits_it_cannot_see() {
        let root = Root::new();
        root.write("proc/self/cgroup", "5:devices:/x\n4:cpu,memory:/docker/abc\n0::/docker/abc\n");
        root.write("proc/self/mountinfo", V1_MOUNT);
        root.cgroup1("", V1_HUGE, V1_HUGE);
        root.cgroup1("/docker", V1_HUGE, V1_HUGE);
        root.cgroup1("/docker/abc", V1_HUGE, V1_HUGE);
        root.check(None);
        root.cgroup1("/docker", "7000", "7000");
        root.check(Some(("memory/docker", 7000, 1500)));
        root.cgroup1("/docker/abc", "9000", "3000");
        root.check(Some(("memory/docker/abc", 3000, 1500)));
    }

    #[test]
    fn files_are_told_from_shared_memory() {
        let counts = |root: &Root| Cgroup::find(root.path(), Controller::Memory)?.tightest()?.counts().ok();
        let expected = memory::Cgroup { usage: 1_000, cache: 400, inactive_file: 300, limit: 5_000 };
        assert_eq!(counts(&Root::v2(&[("/app", "5000")])), Some(expected));
        let root = Root::new();
        root.write("proc/self/cgroup", "4:memory:/app\n");
        root.write("proc/self/mountinfo", V1_MOUNT);
        root.cgroup1("/app", "5000", "5000");
        let expected = memory::Cgroup { usage: 2_000, cache: 800, inactive_file: 500, limit: 5_000 };
        assert_eq!(counts(&root), Some(expected));
    }

    #[test]
    fn a_container_sees_its_own_cgroup_at_the_mount() {
        let root = Root::new();
        root.write("proc/self/cgroup", "4:memory:/docker/abc\n");
        root.write("proc/self/mountinfo", &V1_MOUNT.replace(" / ", " /docker/abc "));
        root.cgroup1("", "8000", "8000");
        root.check(Some(("memory", 8000, 1500)));
        root.write("proc/self/cgroup", "4:memory:/docker/abc/inner\n");
        root.cgroup1("/inner", "6000", "6000");
        root.check(Some(("memory/inner", 6000, 1500)));
        root.write("proc/self/cgroup", "4:memory:/../../elsewhere\n");
        root.check(Some(("memory", 8000, 1500)));
    }

    #[test]
    fn a_hybrid_system_counts_memory_in_version_1() {
        let root = Root::new();
        root.write("proc/self/cgroup", "4:memory:/app\n1:name=systemd:/\n0::/app\n");
        let unified = V2_MOUNT.replace("/sys/fs/cgroup", "/sys/fs/cgroup/unified");
        root.write("proc/self/mountinfo", &format!("{unified}\n{V1_MOUNT}\n"));
        root.write("sys/fs/cgroup/unified/app/cgroup.procs", "");
        root.cgroup1("/app", "4000", "4000");
        root.check(Some(("memory/app", 4000, 1500)));
        root.write("proc/self/mountinfo", &unified);
        root.check(None);
    }

    #[test]
    fn a_system_without_cgroups_has_none() {
        assert_eq!(Cgroup::find(Root::new().path(), Controller::Memory), None);
        let root = Root::v2(&[("/app", "1")]);
        root.write("proc/self/mountinfo", "24 31 0:21 / /proc rw - proc proc rw\n");
        assert_eq!(Cgroup::find(root.path(), Controller::Memory), None);
    }

    #[test]
    fn mounts_with_odd_names() {
        let line = V2_MOUNT.replace("/sys/fs/cgroup", "/my\\040mounts/\\134");
        let mount = Version::Two.mount_in(&line, Controller::Memory).expect("a mount");
        assert_eq!((&*mount.root, &*mount.point), ("/", "/my mounts/\\"));
        assert_eq!(Version::One.mount_in(V2_MOUNT, Controller::Memory), None);
        assert_eq!(Version::Two.mount_in(V1_MOUNT, Controller::Memory), None);
        assert_eq!(Version::One.mount_in("garbage - ", Controller::Memory), None);
    }
}
