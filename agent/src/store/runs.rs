//! The runs that share one folder, each with a folder of its own: `state.json`, and a `lock` that the run holds.
//!
//! Whether a run is alive its lock says, and not its process id: a container that is started again counts from 1 in a
//! namespace of its own, and so do replicas that share a volume. The kernel gives the lock back however the process ends,
//! and at that moment. One file for all runs would not do, since replicas would overwrite each other's.

use std::fs::{self, File};
use std::io;
use std::os::fd::IntoRawFd as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

use crate::gauge::OomKills;
use crate::sys;

use super::draft::{self, Draft};
use super::run::{Open, Run, State};

const LOCK: &str = "lock";
const STATE: &str = "state.json";

/// The longest state file that is read, and written. It is a few KiB; thousands of leaks that are told at a time are more.
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

impl Fate {
    /// The last sign of life; of one that lives, now.
    pub(super) fn last_sign(self) -> SystemTime {
        match self {
            Self::Alive => SystemTime::now(),
            Self::Ended(at) | Self::Died(at) => at,
        }
    }
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

    /// Writes down which alerts are open, and what has been told, where that has changed.
    pub(super) fn tell(
        &mut self,
        open: Option<Vec<Open>>,
        telling: Option<Value>,
        oom_kills: Option<OomKills>,
    ) -> io::Result<()> {
        self.state.open = open.unwrap_or_else(|| std::mem::take(&mut self.state.open));
        self.state.telling = telling.or_else(|| self.state.telling.take());
        self.live(oom_kills)?;
        self.write()
    }

    /// Takes over what the run called `from` has told.
    pub(super) fn inherit(&mut self, telling: Value, from: &str) -> io::Result<()> {
        (self.state.telling, self.state.from) = (Some(telling), Some(from.to_owned()));
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
    /// taken for one that died. With alerts that wait it stays all the same, since losing those is worse.
    pub(super) fn end(mut self, alerts_wait: bool) -> io::Result<()> {
        self.state.clean_end = true;
        let written = self.lock.set_modified(SystemTime::now()).and_then(|()| self.write());
        if written.is_err() && !alerts_wait {
            draft::discard(&self.folder, &self.state.run)?;
        }
        written
    }

    fn write(&mut self) -> io::Result<()> {
        write(&self.folder, &mut self.state)
    }

    /// Leaves the lock to the process, which lives on without an agent.
    pub(super) fn abandon(self) {
        let _ = self.lock.into_raw_fd();
    }
}

/// Looks at the run in `folder`: how it stands, and what it has written down of itself. Of one that lives that may be
/// nothing.
pub(super) fn look(folder: &Path) -> io::Result<(Fate, Option<State>)> {
    let lock = File::options().write(true).open(folder.join(LOCK))?;
    if !sys::lock::try_lock(&lock)? {
        return Ok((Fate::Alive, read(folder).ok()));
    }
    let last_sign = lock.metadata()?.modified()?;
    let state = read(folder)?;
    let fate = if state.clean_end { Fate::Ended(last_sign) } else { Fate::Died(last_sign) };
    Ok((fate, Some(state)))
}

fn read(folder: &Path) -> io::Result<State> {
    let path = folder.join(STATE);
    if fs::metadata(&path)?.len() > MAX_STATE {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the state is too long to be ours"));
    }
    serde_json::from_slice(&fs::read(path)?).map_err(io::Error::other)
}

/// Writes `state` into `folder`, without what was told if that is too long to be read again.
pub(super) fn write(folder: &Path, state: &mut State) -> io::Result<()> {
    let bytes = document(state)?;
    if bytes.len() as u64 <= MAX_STATE {
        return draft::replace(folder, STATE, &bytes);
    }
    state.telling = None;
    draft::replace(folder, STATE, &document(state)?)?;
    Err(io::ErrorKind::FileTooLarge.into())
}

fn document(state: &State) -> io::Result<Vec<u8>> {
    serde_json::to_vec_pretty(state).map_err(io::Error::other)
}
