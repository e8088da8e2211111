//! The thread that writes what is kept: snapshots, which alerts are open, and a sign of life every minute. Whoever hands it
//! something waits for nothing, and nobody waits for a lock while it writes.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::{Unit, gauge, sys};

use super::bound::Bounds;
use super::folder::{Contents, Folder};
use super::run::{Open, Run};
use super::runs::{self, Death, Fate, Ours};
use super::snapshot::Kept;

/// How often a run gives a sign of life.
pub(crate) const SIGN_OF_LIFE: Duration = Duration::from_secs(60);

/// The most snapshots that wait for a slow disk; one beyond that is in memory alone, and counted.
const MAX_WAITING: usize = 8;

/// Files are read and written whole, none of them onto the stack; the most room is for the service's own log.
const STACK_BYTES: usize = 512 * 1024;

/// Hands work to the thread, and shows what it has done.
#[derive(Debug)]
pub(super) struct Keeper(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    desk: Mutex<Inbox>,
    changed: Condvar,
    shelf: Mutex<Shelf>,
}

/// What is to be done.
#[derive(Debug, Default)]
struct Inbox {
    snapshots: VecDeque<Arc<Kept>>,
    /// The alerts that are open now, where that has changed.
    open: Option<Vec<Open>>,
    end: Option<End>,
    /// The thread is gone, and how it went.
    ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Clean,
    /// Without the agent having said so: the process may well live on.
    Abandoned,
}

/// What is on disk, as it was when it was last looked at.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// Oldest first.
    pub(super) snapshots: Vec<Arc<Kept>>,
    pub(super) fates: HashMap<String, Fate>,
    unreadable: usize,
    /// Snapshots that no disk has.
    unwritten: u64,
    /// What keeps us from writing, for the page.
    problem: Option<String>,
}

impl Keeper {
    /// Starts the thread for the folder at `root`. It begins by looking at what earlier runs have left, and sends those who
    /// died on `deaths`.
    pub(super) fn start(
        root: &Path,
        run: &Run,
        bounds: Bounds,
        deaths: oneshot::Sender<Vec<Death>>,
    ) -> io::Result<Self> {
        let shared =
            Arc::new(Shared { desk: Mutex::default(), changed: Condvar::new(), shelf: Mutex::default() });
        let work = Work {
            folder: Folder::at(root.join("snapshots"), &run.id, bounds),
            runs: root.join("runs"),
            root: root.to_owned(),
            run: run.clone(),
            ours: None,
            shared: shared.clone(),
            logged: false,
        };
        std::thread::Builder::new().name("flamewatch-store".to_owned()).stack_size(STACK_BYTES).spawn(
            move || {
                sys::thread::withdraw();
                work.run(deaths);
            },
        )?;
        Ok(Self(shared))
    }

    /// Has `kept` written.
    pub(super) fn write(&self, kept: Arc<Kept>) {
        let mut inbox = self.0.inbox();
        if inbox.snapshots.len() < MAX_WAITING && !inbox.ended {
            inbox.snapshots.push_back(kept);
        } else {
            drop(inbox);
            self.0.shelf().unwritten += 1;
        }
        self.0.changed.notify_all();
    }

    /// Has the alerts that are `open` written down.
    pub(super) fn open(&self, open: Vec<Open>) {
        self.0.inbox().open = Some(open);
        self.0.changed.notify_all();
    }

    /// What is on disk. Held for a moment only.
    pub(super) fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.shelf()
    }

    /// Has everything written that waits, and a clean end. `false` when that took longer than `patience`.
    pub(super) fn end(&self, patience: Duration) -> bool {
        self.stop(End::Clean);
        let deadline = Instant::now() + patience;
        let mut inbox = self.0.inbox();
        while !inbox.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            inbox = self.0.changed.wait_timeout(inbox, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn stop(&self, how: End) {
        self.0.inbox().end.get_or_insert(how);
        self.0.changed.notify_all();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop(End::Abandoned);
    }
}

impl Shared {
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be done next; nothing but a sign of life when nobody has wanted anything for a while.
    fn next(&self) -> Inbox {
        let idle =
            |inbox: &mut Inbox| inbox.snapshots.is_empty() && inbox.open.is_none() && inbox.end.is_none();
        let waited = self.changed.wait_timeout_while(self.inbox(), SIGN_OF_LIFE, idle);
        let mut inbox = waited.unwrap_or_else(PoisonError::into_inner).0;
        std::mem::take(&mut *inbox)
    }
}

impl Shelf {
    /// What the index page says of it.
    pub(super) fn summary(&self, root: &Path) -> String {
        let bytes: u64 = self.snapshots.iter().map(|kept| kept.about.bytes).sum();
        let (count, size) = (self.snapshots.len(), Unit::Bytes.show(bytes as f64));
        let mut text = match &self.problem {
            Some(problem) => format!("in memory only: {problem}"),
            None => format!("{count} in {}, {size}", root.display()),
        };
        for (count, what) in [(self.unwritten, "not on disk"), (self.unreadable as u64, "unreadable")] {
            if count > 0 {
                text.push_str(&format!("; {count} {what}"));
            }
        }
        text
    }
}

/// What the thread works on.
struct Work {
    folder: Folder,
    runs: PathBuf,
    root: PathBuf,
    run: Run,
    ours: Option<Ours>,
    shared: Arc<Shared>,
    logged: bool,
}

impl Work {
    fn run(mut self, deaths: oneshot::Sender<Vec<Death>>) {
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
