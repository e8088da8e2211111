//! One run of a service, from the agent's start to its end, and what it writes down of itself as it goes: which alerts are
//! open, and how it ended.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::gauge::OomKills;

/// Who takes the snapshots.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Unlike that of any other run, on this host or another.
    pub(crate) id: String,
    pub(crate) service: String,
    pub(crate) version: Option<String>,
    pub(crate) pid: u32,
    pub(crate) started: SystemTime,
}

/// An alert that is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Open {
    /// The incident's id.
    pub(crate) id: String,
    pub(crate) rule: String,
    pub(crate) headline: String,
    #[serde(rename = "since_unix_ms", with = "super::millis")]
    pub(crate) since: SystemTime,
}

/// The state file: what a run leaves for the next one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) run: String,
    pub(super) service: String,
    pub(super) version: Option<String>,
    pub(super) pid: u32,
    #[serde(rename = "started_unix_ms", with = "super::millis")]
    pub(super) started: SystemTime,
    pub(super) clean_end: bool,
    pub(super) open: Vec<Open>,
    /// How often the kernel had killed for want of memory in the cgroup when this was written.
    pub(super) oom_kills: Option<OomKills>,
    /// The death of this run has been told.
    pub(super) told: bool,
    /// The run that tells of it, while that lives.
    #[serde(default)]
    pub(super) teller: Option<String>,
    /// What people have been told, as [`Telling`](crate::watch::telling::Telling) keeps it; nobody here looks into it.
    #[serde(default)]
    pub(super) telling: Option<Value>,
    /// The run that this one has that from.
    #[serde(default)]
    pub(super) from: Option<String>,
    /// The run that has it from this one. There is one at most.
    #[serde(default)]
    pub(super) heir: Option<String>,
}

impl Run {
    /// The run of this process that begins now.
    pub(crate) fn now(service: &str, version: Option<&str>) -> Self {
        let (started, pid) = (SystemTime::now(), std::process::id());
        let seconds = started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        // In containers every process is number 1; the seed of a hash map is as random as it gets without a crate.
        let random = RandomState::new().build_hasher().finish() & 0xffff_ffff;
        let id = format!("{seconds:x}-{pid:x}-{random:08x}");
        Self { id, service: service.to_owned(), version: version.map(str::to_owned), pid, started }
    }

    pub(super) fn state(&self) -> State {
        State {
            run: self.id.clone(),
            service: self.service.clone(),
            version: self.version.clone(),
            pid: self.pid,
            started: self.started,
            clean_end: false,
            open: Vec::new(),
            oom_kills: None,
            told: false,
            teller: None,
            telling: None,
            from: None,
            heir: None,
        }
    }
}
