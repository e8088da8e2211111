//! What a run finds of those before it: who lives, who has died, what they had told, and the alerts that they leave. All of
//! it changes hands under one lock of the folder, so that of two replicas that start at a time only one has it.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::gauge::OomKills;
use crate::sys;

use super::death::{Death, Killer};
use super::draft;
use super::parcel::Parcel;
use super::run::{Run, State};
use super::runs::{self, Fate, Ours};
use super::spool::Spool;

/// How many runs that are over are remembered.
pub(crate) const MAX_RUNS: usize = 64;

/// What was told is of no use to a run that starts so long after the last sign of life.
const TOO_OLD: Duration = Duration::from_secs(24 * 60 * 60);

/// Beside the folder of the runs.
const LOCK: &str = "runs.lock";

/// How long another process may look through the folder before we do without what is in it.
const PATIENCE: Duration = Duration::from_secs(5);
const NAP: Duration = Duration::from_millis(10);

/// What earlier runs have left for this one.
#[derive(Debug, Default)]
pub(crate) struct Legacy {
    /// In the order of their last signs of life.
    pub(crate) deaths: Vec<Death>,
    /// What the run before this one had told.
    pub(crate) telling: Option<Value>,
    /// The alerts that have not arrived everywhere, the oldest first.
    pub(crate) parcels: Vec<Arc<Parcel>>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) fates: HashMap<String, Fate>,
    /// Runs whose state is damaged, too long, or no state at all.
    pub(super) unreadable: usize,
    pub(super) legacy: Legacy,
}

/// A run that is not ours.
struct Other {
    name: String,
    folder: PathBuf,
    fate: Fate,
    state: State,
}

/// The lock of the whole folder. Unlike those of runs it is held for milliseconds.
pub(super) struct Guard(#[expect(dead_code, reason = "the lock is given back when it is closed")] File);

impl Guard {
    /// Waits for the lock of the folder that has `runs` in it.
    pub(super) fn take(runs: &Path) -> io::Result<Self> {
        let root = runs.parent().ok_or(io::ErrorKind::InvalidInput)?;
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(root.join(LOCK))?;
        let end = Instant::now() + PATIENCE;
        while !sys::lock::try_lock(&file)? {
            if Instant::now() > end {
                return Err(io::ErrorKind::TimedOut.into());
            }
            std::thread::sleep(NAP);
        }
        Ok(Self(file))
    }
}

/// Looks at the runs below `root` beside `run`. Where `ours` can be written, what it may have of them is its own from here on.
pub(super) fn take_over(
    root: &Path,
    run: &Run,
    ours: Option<&mut Ours>,
    spool: &mut Spool,
    oom_kills: Option<&OomKills>,
) -> (Found, io::Result<()>) {
    let mut found = Found::default();
    let done = take(root, run, ours, spool, oom_kills, &mut found);
    (found, done)
}

fn take(
    root: &Path,
    run: &Run,
    ours: Option<&mut Ours>,
    spool: &mut Spool,
    oom_kills: Option<&OomKills>,
    found: &mut Found,
) -> io::Result<()> {
    // Who cannot note that it has taken something does not take it.
    let guard = ours.is_some().then(|| Guard::take(root)).transpose();
    let mut others = look_around(root, run, found)?;
    let held = guard?.zip(ours);
    let mut before = None;
    if let Some((_guard, ours)) = held {
        others.retain(|other| other.state.service == run.service);
        let from: HashSet<String> = others.iter().filter_map(|other| other.state.from.clone()).collect();
        others.retain(|other| other.fate != Fate::Alive);
        others.sort_by_key(|other| other.fate.last_sign());
        before = inherit(&mut others, &from, run, ours, &mut found.legacy);
        found.legacy.deaths = deaths(&mut others, before.as_deref(), run, &found.fates, oom_kills);
        others.iter().for_each(|other| spool.take_over(&other.folder));
    }
    found.legacy.parcels = spool.read(before.as_deref());
    forget(root, &run.id, &mut found.fates);
    draft::sweep(root, |run| matches!(found.fates.get(run), Some(Fate::Ended(_) | Fate::Died(_))));
    Ok(())
}

/// The death of the run called `run` has been told.
pub(super) fn told(root: &Path, run: &str) -> io::Result<()> {
    let _guard = Guard::take(root)?;
    let folder = root.join(run);
    let (_, Some(mut state)) = runs::look(&folder)? else { return Ok(()) };
    state.told = true;
    runs::write(&folder, &mut state)
}

fn look_around(root: &Path, ours: &Run, found: &mut Found) -> io::Result<Vec<Other>> {
    let mut others = Vec::new();
    for entry in fs::read_dir(root)?.flatten() {
        let (name, folder) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
        if name == ours.id || name.starts_with('.') {
            continue;
        }
        match runs::look(&folder) {
            Ok((fate, state)) => {
                found.fates.insert(name.clone(), fate);
                others.extend(state.map(|state| Other { name, folder, fate, state }));
            }
            // Another process has just removed it.
            Err(_) if !folder.exists() => {}
            Err(_) => found.unreadable += 1,
        }
    }
    Ok(others)
}

/// Takes over what the newest run has told that nobody has taken that of, and returns its name. Noted in our own state
/// first: if we die in between, what we have is what the next run takes, and that one is known to be where it is from.
fn inherit(
    others: &mut [Other],
    from: &HashSet<String>,
    run: &Run,
    ours: &mut Ours,
    legacy: &mut Legacy,
) -> Option<String> {
    // One that ended in the future, by a clock that was set back, is recent.
    let is_old =
        |fate: Fate| SystemTime::now().duration_since(fate.last_sign()).is_ok_and(|age| age > TOO_OLD);
    let free =
        |other: &&mut Other| other.state.heir.is_none() && !from.contains(&other.name) && !is_old(other.fate);
    let before = others.iter_mut().rev().filter(|other| other.state.telling.is_some()).find(free)?;
    let telling = before.state.telling.clone()?;
    ours.inherit(telling.clone(), &before.name).ok()?;
    before.state.heir = Some(run.id.clone());
    // If that fails, our own state says it.
    let _ = runs::write(&before.folder, &mut before.state);
    legacy.telling = Some(telling);
    Some(before.name.clone())
}

/// The deaths that nobody has told of; from here on it is ours to do so. One that cannot be noted as ours is left to the
/// next start.
fn deaths(
    others: &mut [Other],
    before: Option<&str>,
    run: &Run,
    fates: &HashMap<String, Fate>,
    oom_kills: Option<&OomKills>,
) -> Vec<Death> {
    let line = line_of(others, before);
    let mut deaths = Vec::new();
    for other in others.iter_mut().filter(|other| matches!(other.fate, Fate::Died(_))) {
        let state = &mut other.state;
        let teller = state.teller.as_deref().filter(|teller| *teller != run.id);
        let known = state.told || teller.is_some_and(|teller| fates.get(teller) == Some(&Fate::Alive));
        let is_before = before == Some(other.name.as_str());
        if known && !is_before {
            continue;
        }
        if !known {
            state.teller = Some(run.id.clone());
            if runs::write(&other.folder, state).is_err() {
                continue;
            }
        }
        deaths.push(Death {
            run: state.run.clone(),
            pid: state.pid,
            version: state.version.clone(),
            last_sign: other.fate.last_sign(),
            open: state.open.clone(),
            killer: Killer::judge(state.oom_kills.as_ref(), oom_kills),
            inherited: line.contains(&other.name),
            known,
        });
    }
    deaths
}

/// The run called `last`, the one that it has inherited from, and so on.
fn line_of(others: &[Other], last: Option<&str>) -> HashSet<String> {
    let mut line = HashSet::new();
    let mut next = last.map(str::to_owned);
    while let Some(name) = next.take().filter(|name| !line.contains(name)) {
        next = others.iter().find(|other| other.name == name).and_then(|other| other.state.from.clone());
        line.insert(name);
    }
    line
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

#[cfg(test)]
#[path = "heritage_tests.rs"]
mod tests;
