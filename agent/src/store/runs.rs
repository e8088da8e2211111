//! The runs that share one folder, each with a folder of its own: `state.json`, and a `lock` that the run holds.
//!
//! Whether a run is alive its lock says, and not its process id: a container that is started again counts from 1 in a
//! namespace of its own, and so do replicas that share a volume. The kernel gives the lock back however the process ends,
//! and at that moment. One file for all runs would not do, since replicas would overwrite each other's.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::IntoRawFd as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::gauge::OomKills;
use crate::sys;

use super::draft::{self, Draft};
use super::run::{Open, Run, State};

/// How many runs that are over are remembered.
pub(crate) const MAX_RUNS: usize = 64;

const LOCK: &str = "lock";
const STATE: &str = "state.json";

/// The longest state file that is read.
const MAX_STATE: u64 = 1 << 20;

/// Our own run, which others see alive as long as this process lives.
#[derive(Debug)]
pub(super) struct Ours {
    folder: PathBuf,
    lock: File,
    state: State,
}

/// How another run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Another process of the same folder.
    Alive,
    /// It took leave.
    Ended(SystemTime),
    /// It did not; this was its last sign of life.
    Died(SystemTime),
}

/// A run that died and was not told of before.
#[derive(Clone, Debug)]
pub(crate) struct Death {
    pub(crate) run: String,
    pub(crate) pid: u32,
    pub(crate) version: Option<String>,
    /// Its last sign of life, of which there is at least one a minute.
    pub(crate) last_sign: SystemTime,
    pub(crate) open: Vec<Open>,
    pub(crate) killer: Killer,
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

impl Ours {
    /// Begins `run` below `root`. Nobody sees the folder before it is locked.
    pub(super) fn begin(root: &Path, run: &Run, oom_kills: Option<OomKills>) -> io::Result<Self> {
        let state = State { oom_kills, ..run.state() };
        let draft = Draft::new(root, &run.id)?;
        let lock = draft.file(LOCK, b"")?;
        if !sys::lock::try_lock(&lock)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        draft.file(STATE, &document(&state)?)?;
        let folder = root.join(&run.id);
        draft.publish(&folder)?;
        Ok(Self { folder, lock, state })
    }

    /// Writes down which alerts are open.
    pub(super) fn tell(&mut self, open: Vec<Open>, oom_kills: Option<OomKills>) -> io::Result<()> {
        self.state.open = open;
        self.live(oom_kills)?;
        self.write()
    }

    /// A sign of life. The file is written anew only where the kernel has killed somebody else meanwhile.
    pub(super) fn live(&mut self, oom_kills: Option<OomKills>) -> io::Result<()> {
        self.lock.set_modified(SystemTime::now())?;
        if self.state.oom_kills == oom_kills {
            return Ok(());
        }
        self.state.oom_kills = oom_kills;
        self.write()
    }

    /// Takes leave. Where that cannot be written, as on a full disk, the run goes without a trace: better that than to be
    /// taken for one that died.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.state.clean_end = true;
        let written = self.lock.set_modified(SystemTime::now()).and_then(|()| self.write());
        if written.is_err() {
            draft::discard(&self.folder, &self.state.run)?;
        }
        written
    }

    fn write(&self) -> io::Result<()> {
        draft::replace(&self.folder, STATE, &document(&self.state)?)
    }

    /// Leaves the lock to the process, which lives on without an agent.
    pub(super) fn abandon(self) {
        let _ = self.lock.into_raw_fd();
    }
}

/// How the other runs below `root` stand, and which of those of `service` have died without anybody having been told: from
/// here on they have.
pub(super) fn examine(
    root: &Path,
    ours: &Run,
    oom_kills: Option<&OomKills>,
) -> io::Result<(HashMap<String, Fate>, Vec<Death>)> {
    let (mut fates, mut deaths) = (HashMap::new(), Vec::new());
    for entry in fs::read_dir(root)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == ours.id || name.starts_with('.') {
            continue;
        }
        // One that cannot be read is not told of; the next start may be luckier.
        let Ok((fate, death)) = look(&entry.path(), &ours.service, oom_kills) else { continue };
        fates.insert(name, fate);
        deaths.extend(death);
    }
    deaths.sort_by_key(|death| death.last_sign);
    forget(root, &ours.id, &mut fates);
    draft::sweep(root, |run| matches!(fates.get(run), Some(Fate::Ended(_) | Fate::Died(_))));
    Ok((fates, deaths))
}

fn look(folder: &Path, service: &str, oom_kills: Option<&OomKills>) -> io::Result<(Fate, Option<Death>)> {
    let lock = File::options().write(true).open(folder.join(LOCK))?;
    // While we hold it nobody else can tell of the same death.
    if !sys::lock::try_lock(&lock)? {
        return Ok((Fate::Alive, None));
    }
    let last_sign = lock.metadata()?.modified()?;
    let path = folder.join(STATE);
    if fs::metadata(&path)?.len() > MAX_STATE {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut state: State = serde_json::from_slice(&fs::read(path)?).map_err(io::Error::other)?;
    if state.clean_end {
        return Ok((Fate::Ended(last_sign), None));
    }
    // Another service of the same folder is told of when it comes back itself.
    if state.told || state.service != service {
        return Ok((Fate::Died(last_sign), None));
    }
    // First this, and then the alert: whoever dies in between is not told of twice.
    state.told = true;
    draft::replace(folder, STATE, &document(&state)?)?;
    let killer = Killer::judge(state.oom_kills.as_ref(), oom_kills);
    let State { run, pid, version, open, .. } = state;
    Ok((Fate::Died(last_sign), Some(Death { run, pid, version, last_sign, open, killer })))
}

impl Killer {
    fn judge(then: Option<&OomKills>, now: Option<&OomKills>) -> Self {
        match (then, now) {
            (Some(then), Some(now)) if then.cgroup == now.cgroup && now.count > then.count => Self::Kernel,
            (Some(then), Some(now)) if then.cgroup == now.cgroup => Self::NotKernel,
            _ => Self::Unknown,
        }
    }
}

/// Removes the oldest of the runs that are over. Names begin with the time.
fn forget(root: &Path, ours: &str, fates: &mut HashMap<String, Fate>) {
    let mut over: Vec<String> =
        fates.iter().filter(|(_, fate)| **fate != Fate::Alive).map(|(run, _)| run.clone()).collect();
    over.sort_unstable();
    for oldest in over.iter().take(over.len().saturating_sub(MAX_RUNS)) {
        if draft::discard(&root.join(oldest), ours).is_ok() {
            fates.remove(oldest);
        }
    }
}

fn document(state: &State) -> io::Result<Vec<u8>> {
    serde_json::to_vec_pretty(state).map_err(io::Error::other)
}
