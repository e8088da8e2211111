//! The work of the thread that reads and writes the folder: all of it is done here, one thing after the other.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::gauge;

use super::bound::Bounds;
use super::folder::{Contents, Folder};
use super::keeper::{End, Inbox, Shared};
use super::run::{Open, Run};
use super::runs::{self, Death, Fate, Ours};
use super::snapshot::Kept;

/// What the thread works on.
pub(super) struct Work {
    folder: Folder,
    runs: PathBuf,
    root: PathBuf,
    run: Run,
    ours: Option<Ours>,
    shared: Arc<Shared>,
    logged: bool,
}

impl Work {
    /// The work of `run` on the folder at `root`.
    pub(super) fn on(root: &Path, run: &Run, bounds: Bounds, shared: Arc<Shared>) -> Self {
        Self {
            folder: Folder::at(root.join("snapshots"), &run.id, bounds),
            runs: root.join("runs"),
            root: root.to_owned(),
            run: run.clone(),
            ours: None,
            shared,
            logged: false,
        }
    }

    /// Until the end.
    pub(super) fn run(mut self, deaths: oneshot::Sender<Vec<Death>>) {
        let found = self.begin();
        // Nobody may want to know.
        let _ = deaths.send(found);
        loop {
            let Inbox { snapshots, open, end, .. } = self.shared.next();
            snapshots.iter().for_each(|kept| self.write(kept));
            if end.is_none() {
                self.live(open);
                continue;
            }
            if let Some(open) = open {
                self.live(Some(open));
            }
            match (self.ours.take(), end) {
                (Some(ours), Some(End::Clean)) => self.note(ours.end()),
                (Some(ours), _) => ours.abandon(),
                (None, _) => {}
            }
            self.shared.inbox().ended = true;
            self.shared.changed.notify_all();
            return;
        }
    }

    /// Looks at what earlier runs have left, and begins our own.
    fn begin(&mut self) -> Vec<Death> {
        let now = gauge::oom_kills();
        match Ours::begin(&self.runs, &self.run, now.clone()) {
            Ok(ours) => self.ours = Some(ours),
            Err(error) => self.note(Err(error)),
        }
        let (fates, deaths) = match runs::examine(&self.runs, &self.run, now.as_ref()) {
            Ok(found) => found,
            Err(error) => {
                self.note(Err(error));
                Default::default()
            }
        };
        self.folder.sweep(|run| matches!(fates.get(run), Some(Fate::Ended(_) | Fate::Died(_))));
        let read = self.folder.read();
        self.shared.shelf().fates = fates;
        self.shelve(read);
        deaths
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
    fn live(&mut self, open: Option<Vec<Open>>) {
        let Some(ours) = &mut self.ours else { return };
        let done = match open {
            Some(open) => ours.tell(open, gauge::oom_kills()),
            None => ours.live(gauge::oom_kills()),
        };
        self.note(done);
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
            tracing::warn!("flamewatch: snapshots and open alerts are kept in memory only, {problem}");
        }
        self.shared.shelf().problem = Some(problem);
    }
}
