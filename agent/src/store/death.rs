//! The death of a run, and who did it.

use std::time::SystemTime;

use crate::gauge::OomKills;

use super::run::Open;

/// A run that died, of which nobody has told so far.
#[derive(Clone, Debug)]
pub(crate) struct Death {
    pub(crate) run: String,
    pub(crate) pid: u32,
    pub(crate) version: Option<String>,
    /// Its last sign of life, of which there is at least one a minute.
    pub(crate) last_sign: SystemTime,
    pub(crate) open: Vec<Open>,
    pub(crate) killer: Killer,
    /// What it had told is ours to go on with.
    pub(crate) inherited: bool,
    /// Another run tells of it, or has told: it is to be counted and no more.
    pub(crate) known: bool,
}

/// Whether the kernel killed a run because memory ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Killer {
    /// It has killed in that cgroup since.
    Kernel,
    /// It has not.
    NotKernel,
    /// The cgroup is another one, or does not count.
    Unknown,
}

impl Killer {
    /// By how often it had killed `then` and has `now`.
    pub(super) fn judge(then: Option<&OomKills>, now: Option<&OomKills>) -> Self {
        match (then, now) {
            (Some(then), Some(now)) if then.cgroup == now.cgroup && now.count > then.count => Self::Kernel,
            (Some(then), Some(now)) if then.cgroup == now.cgroup => Self::NotKernel,
            _ => Self::Unknown,
        }
    }
}
