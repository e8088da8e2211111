//! The work of the thread that reads and writes the folder: all of it is done here, one thing after the other.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::oneshot;

use crate::gauge;

use super::bound::Bounds;
use super::folder::{Contents, Folder};
use super::heritage::{self, Found, Legacy};
use super::keeper::{End, Inbox, Shared};
use super::run::{Open, Run};
use super::runs::{Fate, Ours};
use super::snapshot::Kept;
use super::spool::Spool;

/// What the thread works on.
pub(super) struct Work {
    folder: Folder,
    runs: PathBuf,
    root: PathBuf,
    run: Run,
    ours: Option<Ours>,
    spool: Spool,
    shared: Arc<Shared>,
    logged: bool,
}

impl Work {
    /// The work of `run` on the folder at `root`.
    pub(super) fn on(root: &Path, run: &Run, bounds: Bounds, shared: Arc<Shared>) -> Self {
        let runs = root.join("runs");
        Self {
            folder: Folder::at(root.join("snapshots"), &run.id, bounds),
            spool: Spool::of(&run.id, &runs, shared.clone()),
            runs,
            root: root.to_owned(),
            run: run.clone(),
            ours: None,
            shared,
            logged: false,
        }
    }

    /// Until the end.
    pub(super) fn run(mut self, legacy: oneshot::Sender<Legacy>) {
        let found = self.begin();
        // Nobody may want to know.
        let _ = legacy.send(found);
        loop {
            let Inbox { snapshots, open, telling, parcels, settled, told, end, .. } = self.shared.next();
            if end.is_none() || open.is_some() || telling.is_some() {
                self.live(open, telling);
            }
            for (parcel, written) in parcels {
                self.spool(|spool| spool.write(&parcel));
                let _ = written.send(());
            }
            settled.iter().for_each(|(number, place)| self.spool(|spool| spool.settle(*number, *place)));
            for run in told {
                let noted = heritage::told(&self.runs, &run);
                self.note(noted);
            }
            snapshots.iter().for_each(|kept| self.write(kept));
            if let Some(end) = end {
                return self.end(end);
            }
        }
    }

    fn end(mut self, how: End) {
        match self.ours.take() {
            Some(ours) if how == End::Clean => {
                let ended = ours.end(self.spool.holds_any());
                self.note(ended);
            }
            Some(ours) => ours.abandon(),
            None => {}
        }
        let mut inbox = self.shared.inbox();
        // Whoever waits for something to be written waits no longer.
        *inbox = Inbox { ended: true, ..Inbox::default() };
        drop(inbox);
        self.shared.noted.send_replace(u64::MAX);
        self.shared.changed.notify_all();
    }

    /// Looks at what earlier runs have left, and begins our own.
    fn begin(&mut self) -> Legacy {
        let now = gauge::oom_kills();
        match Ours::begin(&self.runs, &self.run, now.clone()) {
            Ok(ours) => self.ours = Some(ours),
            Err(error) => self.note(Err(error)),
        }
        let (found, done) =
            heritage::take_over(&self.runs, &self.run, self.ours.as_mut(), &mut self.spool, now.as_ref());
        self.note(done);
        let Found { fates, unreadable, legacy } = found;
        if unreadable > 0 {
            tracing::warn!(
                "flamewatch: {unreadable} runs below {} left a state that cannot be read; it is not gone on with",
                self.runs.display()
            );
        }
        self.folder.sweep(|run| matches!(fates.get(run), Some(Fate::Ended(_) | Fate::Died(_))));
        let read = self.folder.read();
        let mut shelf = self.shared.shelf();
        (shelf.fates, shelf.unreadable_runs) = (fates, unreadable);
        drop(shelf);
        self.shelve(read);
        legacy
    }

    /// Works on the alerts that wait, where there is a run of ours to have them.
    fn spool(&mut self, work: impl FnOnce(&mut Spool) -> io::Result<()>) {
        if self.ours.is_none() {
            return;
        }
        let done = work(&mut self.spool);
        self.note(done);
    }

    fn write(&mut self, kept: &Kept) {
        let written = self.folder.write(kept);
        if written.is_err() {
            self.shared.shelf().unwritten += 1;
        }
        let well = written.is_ok();
        self.shelve(written);
        if well {
            self.shared.shelf().problem = None;
        }
    }

    /// A sign of life, and what has changed.
    fn live(&mut self, open: Option<Vec<Open>>, telling: Option<(u64, Value)>) {
        let (number, telling) = telling.unzip();
        if let Some(ours) = &mut self.ours {
            let now = gauge::oom_kills();
            let done = if open.is_none() && telling.is_none() {
                ours.live(now)
            } else {
                ours.tell(open, telling, now)
            };
            self.note(done);
        }
        if let Some(number) = number {
            self.shared.noted.send_replace(number);
        }
    }

    fn shelve(&mut self, contents: io::Result<Contents>) {
        match contents {
            Ok(contents) => {
                let mut shelf = self.shared.shelf();
                (shelf.snapshots, shelf.unreadable) = (contents.snapshots, contents.unreadable);
            }
            Err(error) => self.note(Err(error)),
        }
    }

    /// A disk that cannot be written to is told once in the log, and on the page for as long as it lasts.
    fn note(&mut self, done: io::Result<()>) {
        let Err(error) = done else { return };
        let problem = format!("cannot write below {}: {}", self.root.display(), error.kind());
        if !std::mem::replace(&mut self.logged, true) {
            tracing::warn!("flamewatch: snapshots and alerts are kept in memory only, {problem}");
        }
        self.shared.shelf().problem = Some(problem);
    }
}
