//! The thread that writes what is kept: snapshots, which alerts are open and what was told, alerts on their way, and a sign of
//! life every minute. Whoever hands it something waits for nothing, and nobody waits for a lock while it writes.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use tokio::sync::{oneshot, watch};

use crate::sink::Alert;
use crate::{Unit, sys};

use super::bound::Bounds;
use super::heritage::Legacy;
use super::parcel::Parcel;
use super::run::{Open, Run};
use super::runs::Fate;
use super::snapshot::Kept;
use super::spool::{MAX_LETTERS, Waiting};
use super::writer::Work;

/// How often a run gives a sign of life.
pub(crate) const SIGN_OF_LIFE: Duration = Duration::from_secs(60);

/// The most snapshots that wait for a slow disk; one beyond that is in memory alone, and counted.
const MAX_WAITING: usize = 8;

/// Files are read and written whole, none of them onto the stack; the most room is for the service's own log.
const STACK_BYTES: usize = 512 * 1024;

/// An alert on its way, and who tells when it is on disk.
pub(super) type Dispatched = (Arc<Parcel>, oneshot::Receiver<()>);

/// Hands work to the thread, and shows what it has done.
#[derive(Debug)]
pub(super) struct Keeper(Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    desk: Mutex<Inbox>,
    pub(super) changed: Condvar,
    shelf: Mutex<Shelf>,
    /// Which of the [`Keeper::note`]s is on disk, or never will be.
    pub(super) noted: watch::Sender<u64>,
    numbered: AtomicU64,
}

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    pub(super) snapshots: VecDeque<Arc<Kept>>,
    /// The alerts that are open now, where that has changed.
    pub(super) open: Option<Vec<Open>>,
    /// What has been told, and the number of this note, where that has changed.
    pub(super) telling: Option<(u64, Value)>,
    /// Alerts that are on their way, and who waits until they are on disk.
    pub(super) parcels: VecDeque<(Arc<Parcel>, oneshot::Sender<()>)>,
    /// Deliveries that have come to an end: the parcel, and the place of the sink. Each sink of a parcel comes once.
    pub(super) settled: Vec<(u64, usize)>,
    /// Runs whose deaths have been told.
    pub(super) told: Vec<String>,
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
    /// Runs whose state cannot be read.
    pub(super) unreadable_runs: usize,
    /// The alerts that have not arrived everywhere.
    pub(super) waiting: Waiting,
    /// Snapshots that no disk has.
    pub(super) unwritten: u64,
    /// What keeps us from writing, for the page.
    pub(super) problem: Option<String>,
}

impl Keeper {
    /// Starts the thread for the folder at `root`. It begins by looking at what earlier runs have left, and sends that on
    /// `legacy`.
    pub(super) fn start(
        root: &Path,
        run: &Run,
        bounds: Bounds,
        legacy: oneshot::Sender<Legacy>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            desk: Mutex::default(),
            changed: Condvar::new(),
            shelf: Mutex::default(),
            noted: watch::Sender::new(0),
            numbered: AtomicU64::new(0),
        });
        let work = Work::on(root, run, bounds, shared.clone());
        std::thread::Builder::new().name("flamewatch-store".to_owned()).stack_size(STACK_BYTES).spawn(
            move || {
                sys::thread::withdraw();
                work.run(legacy);
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

    /// Has what was told written down, and returns the number of this note.
    pub(super) fn note(&self, telling: Value) -> u64 {
        let mut inbox = self.0.inbox();
        let number = self.0.number();
        inbox.telling = Some((number, telling));
        drop(inbox);
        self.0.changed.notify_all();
        number
    }

    /// Waits until the note `number`, or a later one, is on disk or cannot be.
    pub(super) async fn noted(&self, number: u64) {
        let mut noted = self.0.noted.subscribe();
        // The sender lives as long as we do.
        let _ = noted.wait_for(|noted| *noted >= number).await;
    }

    /// What an alert on its way to `sinks` is to them and to the disk, and when it is there.
    pub(super) fn dispatch(&self, alert: &Arc<Alert>, sinks: Vec<String>, run: &Run) -> Dispatched {
        let stops = sinks.into_iter().map(|sink| (sink, false));
        let (number, now) = (self.0.number(), SystemTime::now());
        let parcel = Arc::new(Parcel::new(number, alert.clone(), stops, now, run.id.clone(), &self.0));
        let (written, is_written) = oneshot::channel();
        let mut inbox = self.0.inbox();
        if inbox.parcels.len() < MAX_LETTERS && !inbox.ended {
            inbox.parcels.push_back((parcel.clone(), written));
        } else {
            drop(inbox);
            self.0.shelf().waiting.dropped += 1;
        }
        self.0.changed.notify_all();
        (parcel, is_written)
    }

    /// Has noted that the death of `run` has been told.
    pub(super) fn told(&self, run: String) {
        self.0.inbox().told.push(run);
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

    /// One more number, unlike all before it.
    pub(super) fn number(&self) -> u64 {
        self.numbered.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The sink at `place` has the parcel called `number`, or never will.
    pub(super) fn settled(&self, number: u64, place: usize) {
        let mut inbox = self.inbox();
        if !inbox.ended {
            inbox.settled.push((number, place));
            self.changed.notify_all();
        }
    }

    /// What is to be done next; nothing but a sign of life when nobody has wanted anything for a while.
    pub(super) fn next(&self) -> Inbox {
        let idle = |inbox: &mut Inbox| inbox.is_empty();
        let waited = self.changed.wait_timeout_while(self.inbox(), SIGN_OF_LIFE, idle);
        let mut inbox = waited.unwrap_or_else(PoisonError::into_inner).0;
        std::mem::take(&mut *inbox)
    }
}

impl Inbox {
    fn is_empty(&self) -> bool {
        let news = self.open.is_none() && self.telling.is_none() && self.end.is_none();
        let lists = self.snapshots.is_empty() && self.parcels.is_empty();
        news && lists && self.settled.is_empty() && self.told.is_empty()
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
        let counts = [
            (self.unwritten, "not on disk"),
            (self.unreadable as u64, "unreadable"),
            (self.unreadable_runs as u64, "earlier runs unreadable"),
        ];
        for (count, what) in counts {
            if count > 0 {
                text.push_str(&format!("; {count} {what}"));
            }
        }
        text
    }
}
