//! The thread that writes what is kept: snapshots, which alerts are open, and a sign of life every minute. Whoever hands it
//! something waits for nothing, and nobody waits for a lock while it writes.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::{Unit, sys};

use super::bound::Bounds;
use super::run::{Open, Run};
use super::runs::{Death, Fate};
use super::snapshot::Kept;
use super::writer::Work;

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
pub(super) struct Shared {
    desk: Mutex<Inbox>,
    pub(super) changed: Condvar,
    shelf: Mutex<Shelf>,
}

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    pub(super) snapshots: VecDeque<Arc<Kept>>,
    /// The alerts that are open now, where that has changed.
    pub(super) open: Option<Vec<Open>>,
    pub(super) end: Option<End>,
    /// The thread is gone, and how it went.
    pub(super) ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
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
    pub(super) unreadable: usize,
    /// Snapshots that no disk has.
    pub(super) unwritten: u64,
    /// What keeps us from writing, for the page.
    pub(super) problem: Option<String>,
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
        let work = Work::on(root, run, bounds, shared.clone());
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
    pub(super) fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be done next; nothing but a sign of life when nobody has wanted anything for a while.
    pub(super) fn next(&self) -> Inbox {
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
