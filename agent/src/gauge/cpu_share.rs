//! The CPU time of this process as a share of what it may have: of its cgroup's quota, or of the CPUs it may run on.

use std::io;
use std::path::Path;
use std::thread::available_parallelism;

use super::cgroup::{Cgroup, Controller};
use super::{Cpu, Gauge};
use crate::Unit;

/// The share of the CPU time it may have that this process has used since the last reading. 1 is all of it: a cgroup is
/// throttled then, and a machine is busy.
#[derive(Debug)]
pub struct CpuShare {
    used: Cpu,
    cgroup: Option<Cgroup>,
}

impl CpuShare {
    /// The CPU use of this process from now on.
    #[must_use]
    pub fn new() -> Self {
        Self { used: Cpu::new(), cgroup: Cgroup::find(Path::new("/"), Controller::Cpu) }
    }
}

impl Default for CpuShare {
    fn default() -> Self {
        Self::new()
    }
}

impl Gauge for CpuShare {
    fn name(&self) -> &'static str {
        "cpu.share"
    }

    fn unit(&self) -> Unit {
        Unit::Ratio
    }

    fn read(&mut self) -> io::Result<f64> {
        // Read each time: a pod can be resized while it runs.
        Ok(self.used.read()? / allowed(self.cgroup.as_ref()))
    }

    fn evidence(&self) -> Option<&'static str> {
        Some("profile")
    }
}

/// How many CPUs' time there is.
fn allowed(cgroup: Option<&Cgroup>) -> f64 {
    // It knows the affinity mask and whole CPUs of a quota, and never says less than 1.
    let cpus = available_parallelism().map_or(1.0, |cpus| cpus.get() as f64);
    cgroup.and_then(Cgroup::cpus).map_or(cpus, |quota| quota.min(cpus))
}

#[cfg(test)]
mod tests {
    use super::super::cgroup::tests::Root;
    use super::*;

    #[track_caller]
    fn check(root: &Root, expected: Option<f64>) {
        assert_eq!(Cgroup::find(root.path(), Controller::Cpu).expect("a cgroup").cpus(), expected);
    }

    #[test]
    fn the_tightest_quota_counts() {
        let root = Root::v2(&[("/", "max"), ("/pod", "max"), ("/pod/app", "max")]);
        check(&root, None);
        root.write("sys/fs/cgroup/pod/app/cpu.max", "max 100000\n");
        check(&root, None);
        root.write("sys/fs/cgroup/pod/cpu.max", "50000 100000\n");
        check(&root, Some(0.5));
        root.write("sys/fs/cgroup/pod/app/cpu.max", "150000 100000\n");
        check(&root, Some(0.5));
        root.write("sys/fs/cgroup/pod/cpu.max", "400000 100000\n");
        check(&root, Some(1.5));
        for odd in ["", "max", "0 100000", "1 0", "-1 100000", "a b"] {
            root.write("sys/fs/cgroup/pod/app/cpu.max", odd);
            check(&root, Some(4.0));
        }
    }

    #[test]
    fn version_1_has_a_hierarchy_for_it() {
        let root = Root::v2(&[]);
        root.write("proc/self/cgroup", "4:memory:/elsewhere\n3:cpu,cpuacct:/app\n0::/\n");
        let mount = "35 31 0:32 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n";
        root.write("proc/self/mountinfo", mount);
        root.write("sys/fs/cgroup/cpu/app/cpu.cfs_quota_us", "-1\n");
        root.write("sys/fs/cgroup/cpu/app/cpu.cfs_period_us", "100000\n");
        check(&root, None);
        root.write("sys/fs/cgroup/cpu/app/cpu.cfs_quota_us", "25000\n");
        check(&root, Some(0.25));
    }

    #[test]
    fn a_process_that_computes_has_a_share() {
        let mut gauge = CpuShare::new();
        let end = std::time::Instant::now() + std::time::Duration::from_millis(300);
        while std::time::Instant::now() < end {
            std::hint::black_box(0);
        }
        let share = gauge.read().expect("a clock");
        assert!(share > 0.0 && share <= 1.2, "{share}");
    }
}
