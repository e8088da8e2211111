//! The snapshots that alerts took, for the debug port: in memory, and on disk where there is a folder, so that they survive
//! the process that took them. Bounded in number and bytes, oldest out first. On disk also what was told and the alerts that
//! have not arrived, for the next run.

mod bound;
mod death;
mod draft;
mod folder;
mod heritage;
mod keeper;
mod letter;
mod millis;
mod parcel;
mod run;
mod runs;
mod snapshot;
mod spool;
mod writer;

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;

use crate::sink::Alert;

use bound::{Bounds, surplus};
use keeper::Keeper;

pub(crate) use death::{Death, Killer};
pub(crate) use folder::{MAX_DISK_BYTES, MAX_DISK_SNAPSHOTS};
pub(crate) use heritage::Legacy;
pub(crate) use parcel::Parcel;
pub(crate) use run::{Open, Run};
pub(crate) use runs::Fate;
pub(crate) use snapshot::{About, Kept, Snapshot};
pub(crate) use spool::Waiting;

/// How many snapshots are kept in memory.
pub(crate) const MAX_SNAPSHOTS: usize = 32;
/// Of how many incidents the messages are counted; more are open only where that many leak.
const MAX_COUNTED: usize = 256;
/// How many bytes they may take together. One is at most a few hundred KiB: a profile is capped at 4 MiB before gzip.
pub(crate) const MAX_BYTES: u64 = 8 * 1024 * 1024;

const IN_MEMORY: Bounds = Bounds { snapshots: MAX_SNAPSHOTS, bytes: MAX_BYTES };
const ON_DISK: Bounds = Bounds { snapshots: MAX_DISK_SNAPSHOTS, bytes: MAX_DISK_BYTES };

/// Keeps the newest snapshots, and knows which alerts are open.
#[derive(Debug)]
pub(crate) struct Store {
    run: Run,
    kept: Mutex<Memory>,
    disk: Option<Disk>,
}

#[derive(Debug, Default)]
struct Memory {
    snapshots: VecDeque<Arc<Kept>>,
    open: Vec<Open>,
    /// How many messages there were of what is open, by the incident's id. Those of others go when there are too many.
    messages: HashMap<String, u32>,
    /// How many incidents each rule has had. Bounded by the rules and the leaks there are.
    episodes: HashMap<String, u32>,
}

#[derive(Debug)]
struct Disk {
    root: PathBuf,
    keeper: Option<Keeper>,
    legacy: Mutex<Option<oneshot::Receiver<Legacy>>>,
}

/// Who took a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Ours,
    /// Another run of the same folder; `None` where nothing else is known of it.
    Another(Option<Fate>),
}

impl Store {
    /// The snapshots of `run`, in memory.
    pub(crate) fn new(run: Run) -> Self {
        Self { run, kept: Mutex::default(), disk: None }
    }

    /// The same, which also keeps them below `root`. A thread of its own does the writing, and begins by looking at what
    /// earlier runs have left.
    pub(crate) fn on_disk(self, root: &Path) -> Self {
        self.within(root, ON_DISK)
    }

    fn within(self, root: &Path, bounds: Bounds) -> Self {
        let (send, legacy) = oneshot::channel();
        let keeper = Keeper::start(root, &self.run, bounds, send);
        let keeper =
            keeper.map_err(|error| tracing::warn!("flamewatch: nothing is kept on disk: {error}")).ok();
        Self { disk: Some(Disk { root: root.to_owned(), keeper, legacy: Mutex::new(Some(legacy)) }), ..self }
    }

    /// The run that is ours.
    pub(crate) const fn run(&self) -> &Run {
        &self.run
    }

    /// Adds `snapshot`. The oldest go until both bounds hold, and of one incident those that stand closest together; the
    /// newest always stays.
    pub(crate) fn add(&self, snapshot: Snapshot) {
        let mut memory = self.memory();
        let episode = memory.episodes.get(&snapshot.rule).copied().unwrap_or(0);
        let kept = Arc::new(Kept::of(snapshot, &self.run, episode));
        memory.snapshots.push_back(kept.clone());
        let gone = surplus(memory.snapshots.iter().map(|kept| &kept.about), IN_MEMORY);
        let mut gone = gone.into_iter();
        memory.snapshots.retain(|_| !gone.next().unwrap_or(false));
        drop(memory);
        if let Some(keeper) = self.keeper() {
            keeper.write(kept);
        }
    }

    /// All snapshots and who took them, the newest first.
    pub(crate) fn list(&self) -> Vec<(Arc<Kept>, Whose)> {
        let mut all: Vec<Arc<Kept>> = self.memory().snapshots.iter().cloned().collect();
        let key = |kept: &Kept| (kept.about.run.clone(), kept.about.id.clone());
        let here: HashSet<_> = all.iter().map(|kept| key(kept)).collect();
        let mut fates = HashMap::new();
        if let Some(keeper) = self.keeper() {
            let shelf = keeper.shelf();
            all.extend(shelf.snapshots.iter().filter(|kept| !here.contains(&key(kept))).cloned());
            fates.clone_from(&shelf.fates);
        }
        // Stable: what was taken within one tick of the clock stays in its order.
        all.sort_by_key(|kept| kept.about.taken);
        let whose = |run: &str| {
            if run == self.run.id { Whose::Ours } else { Whose::Another(fates.get(run).copied()) }
        };
        all.into_iter().rev().map(|kept| (kept.clone(), whose(&kept.about.run))).collect()
    }

    /// The snapshot with this id.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Kept>> {
        self.list().into_iter().map(|(kept, _)| kept).find(|kept| kept.about.id == id)
    }

    /// The newest snapshot of the run called `run`.
    pub(crate) fn newest_of(&self, run: &str) -> Option<Arc<Kept>> {
        self.list().into_iter().map(|(kept, _)| kept).find(|kept| kept.about.run == run)
    }

    /// An alert has opened.
    pub(crate) fn opened(&self, alert: Open) {
        self.change(|memory| {
            memory.open.retain(|open| open.rule != alert.rule);
            memory.open.push(alert);
        });
    }

    /// The alert called `id` says more by now of `rule`, unless that is closed already.
    pub(crate) fn retitled(&self, id: &str, rule: &str, headline: &str) {
        self.change(|memory| {
            if memory.open.iter().any(|open| open.id == id) {
                memory.count_message(id);
            }
            // Of several rules of one incident each keeps its own words. A leak's place follows its rule.
            let is_it = |open: &&mut Open| open.id == id && open.rule.starts_with(rule);
            if let Some(open) = memory.open.iter_mut().find(is_it) {
                headline.clone_into(&mut open.headline);
            }
        });
    }

    /// What the alert on `rule` is about is gone for now. If it comes back it is the same incident.
    pub(crate) fn quieted(&self, rule: &str) {
        self.change(|memory| memory.open.retain(|open| open.rule != rule));
    }

    /// The alert on `rule` is closed. What it has next is another incident.
    pub(crate) fn closed(&self, rule: &str) {
        self.change(|memory| {
            memory.open.retain(|open| open.rule != rule);
            *memory.episodes.entry(rule.to_owned()).or_default() += 1;
        });
    }

    /// What is open, in the order in which it opened, with the number of messages that this run has sent of it.
    pub(crate) fn open_now(&self) -> Vec<(Open, u32)> {
        let memory = self.memory();
        let messages = |open: &Open| memory.messages.get(&open.id).copied().unwrap_or(0);
        memory.open.iter().map(|open| (open.clone(), messages(open))).collect()
    }

    fn change(&self, change: impl FnOnce(&mut Memory)) {
        let mut memory = self.memory();
        let before = memory.open.clone();
        change(&mut memory);
        // Handed over under the lock: of two changes the later one is what is written last.
        if let Some(keeper) = self.keeper().filter(|_| memory.open != before) {
            keeper.open(memory.open.clone());
        }
    }

    /// What earlier runs have left, told once; waits until the disk has been looked at.
    pub(crate) async fn legacy(&self) -> Legacy {
        let waiting = self
            .disk
            .as_ref()
            .and_then(|disk| disk.legacy.lock().unwrap_or_else(PoisonError::into_inner).take());
        match waiting {
            Some(legacy) => legacy.await.unwrap_or_default(),
            None => Legacy::default(),
        }
    }

    /// Has what was told written down for the next run, and returns the number of this note.
    pub(crate) fn note(&self, telling: Value) -> Option<u64> {
        self.keeper().map(|keeper| keeper.note(telling))
    }

    /// Waits until the note `number` is on disk, or cannot be.
    pub(crate) async fn noted(&self, number: u64) {
        if let Some(keeper) = self.keeper() {
            keeper.noted(number).await;
        }
    }

    /// Keeps `alert` on disk until all `sinks` have it. `None` where there is no disk; else who tells when it is there.
    pub(crate) fn dispatch(
        &self,
        alert: &Arc<Alert>,
        sinks: Vec<String>,
    ) -> Option<(Arc<Parcel>, oneshot::Receiver<()>)> {
        self.keeper().map(|keeper| keeper.dispatch(alert, sinks, &self.run))
    }

    /// The death of the run called `run` has been told, or is not to be.
    pub(crate) fn told(&self, run: String) {
        if let Some(keeper) = self.keeper() {
            keeper.told(run);
        }
    }

    /// The alerts on disk that have not arrived everywhere; `None` without a disk.
    pub(crate) fn waiting(&self) -> Option<Waiting> {
        self.keeper().map(|keeper| keeper.shelf().waiting)
    }

    /// Has everything written and a clean end noted; gives up after `patience`.
    pub(crate) fn end(&self, patience: Duration) {
        if self.keeper().is_some_and(|keeper| !keeper.end(patience)) {
            tracing::warn!("flamewatch: the disk is slow; this run may be taken for one that died");
        }
    }

    /// Where snapshots are kept, in words.
    pub(crate) fn summary(&self) -> String {
        match &self.disk {
            None => "in memory only; with FLAMEWATCH_DIR they outlive the process".to_owned(),
            Some(Disk { keeper: Some(keeper), root, .. }) => keeper.shelf().summary(root),
            Some(Disk { keeper: None, .. }) => "in memory only: no thread to be had".to_owned(),
        }
    }

    fn keeper(&self) -> Option<&Keeper> {
        self.disk.as_ref()?.keeper.as_ref()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn count_message(&mut self, id: &str) {
        if self.messages.len() >= MAX_COUNTED {
            self.messages.retain(|id, _| self.open.iter().any(|open| open.id == *id));
        }
        if self.messages.len() < MAX_COUNTED || self.messages.contains_key(id) {
            *self.messages.entry(id.to_owned()).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests;
