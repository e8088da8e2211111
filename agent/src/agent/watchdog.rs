//! Looks at the workers of the service's runtimes a hundred times a second, and at their threads when one stands still.
//! A thread of its own: the loop of the agent is too slow for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::desk::Desk;
use crate::gauge::Gauge;
use crate::source::workers::{Block, Blocks, Verdict, judge, look_twice};
use crate::spawn::{Runtime, in_one_poll, runtimes};
use crate::watch::{Look, Standing, Worker};
use crate::{Error, ErrorKind, Unit};

/// Between two looks, of about 1 µs for each worker.
const PERIOD: Duration = Duration::from_millis(10);

/// How often it is looked for new runtimes.
const NEW_RUNTIMES: Duration = Duration::from_secs(1);

/// The longest pause between two looks at the threads.
const MAX_PAUSE: Duration = Duration::from_millis(100);

/// At most one look at all threads in this time: where many workers are often blocked, one tells enough.
const BETWEEN_DUMPS: Duration = Duration::from_secs(1);

/// Ends its thread when dropped.
#[derive(Debug)]
pub(super) struct Watchdog(Arc<AtomicBool>);

/// `tokio.workers.blocked`: the workers that are blocked, or have been since the last reading.
#[derive(Debug)]
pub(super) struct BlockedWorkers(pub(super) Arc<Blocks>);

/// What the thread works with.
struct Dog {
    desk: Arc<Desk>,
    blocks: Arc<Blocks>,
    /// The agent's own runtime, where threads' stacks get their names.
    agent: Handle,
    main: Option<Handle>,
    threshold: Duration,
    packs: Vec<Pack>,
    dumped: Option<Instant>,
}

/// The workers of one runtime.
struct Pack {
    runtime: Runtime,
    workers: Vec<(Worker, Option<Arc<Progress>>)>,
}

/// What becomes of a block while its stacks get their names.
#[derive(Debug, Default)]
struct Progress {
    /// Its number in the log, 0 before it is there.
    number: AtomicU64,
    lasted_ms: AtomicU64,
    over: AtomicBool,
}

/// A worker that stands still.
struct Suspicion {
    runtime: Arc<str>,
    worker: usize,
    at: Duration,
    progress: Arc<Progress>,
}

impl Watchdog {
    /// Watches the workers of `main` and of all runtimes that the service names. Called in the agent's runtime.
    ///
    /// # Errors
    /// `Io` when there can be no thread.
    pub(super) fn start(
        desk: Arc<Desk>,
        blocks: Arc<Blocks>,
        main: Option<Handle>,
        threshold: Duration,
    ) -> Result<Self, Error> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let agent = Handle::current();
        let mut dog = Dog { desk, blocks, agent, main, threshold, packs: Vec::new(), dumped: None };
        let body = move || {
            crate::sys::thread::withdraw();
            dog.watch(&stopped);
        };
        thread::Builder::new().name("flamewatch-dog".to_owned()).spawn(body).map_err(|error| {
            Error::new(ErrorKind::Io, "cannot start the watchdog's thread").because(error)
        })?;
        Ok(Self(stop))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Dog {
    fn watch(&mut self, stop: &AtomicBool) {
        let mut refreshed: Option<Instant> = None;
        while !stop.load(Ordering::Relaxed) {
            if refreshed.is_none_or(|at| at.elapsed() >= NEW_RUNTIMES) {
                self.refresh();
                refreshed = Some(Instant::now());
            }
            let suspicions = self.look();
            if !suspicions.is_empty() {
                self.investigate(suspicions);
            }
            thread::sleep(PERIOD);
        }
    }

    fn refresh(&mut self) {
        for runtime in runtimes(self.main.as_ref()) {
            if self.packs.iter().all(|pack| pack.runtime.handle.id() != runtime.handle.id()) {
                let workers = runtime.handle.metrics().num_workers();
                let workers = (0..workers).map(|_| (Worker::default(), None)).collect();
                self.packs.push(Pack { runtime, workers });
            }
        }
    }

    /// One look at every worker; who has just been found to stand still.
    fn look(&mut self) -> Vec<Suspicion> {
        let (started, threshold) = (self.desk.identity().started, self.threshold);
        let mut suspicions = Vec::new();
        for pack in &mut self.packs {
            let metrics = pack.runtime.handle.metrics();
            for (worker, (watched, progress)) in pack.workers.iter_mut().enumerate() {
                let at = started.elapsed();
                let parks = metrics.worker_park_unpark_count(worker);
                let busy = metrics.worker_total_busy_duration(worker);
                match watched.observe(Look { at, parks, busy }, threshold) {
                    Standing::Well => {}
                    Standing::Begun(still) => {
                        let begun = Arc::new(Progress::default());
                        begun.lasts(still, false, &self.blocks);
                        *progress = Some(begun.clone());
                        let runtime = pack.runtime.name.clone();
                        suspicions.push(Suspicion { runtime, worker, at, progress: begun });
                    }
                    Standing::Lasting(still) => {
                        if let Some(progress) = progress {
                            progress.lasts(still, false, &self.blocks);
                        }
                    }
                    Standing::Over(still) => {
                        if let Some(progress) = progress.take() {
                            progress.lasts(still, true, &self.blocks);
                        }
                    }
                }
            }
        }
        suspicions
    }

    /// Between two looks at the threads. A poll that is long but not endless is most likely another by then; a block that
    /// has lasted for the threshold most likely lasts for a fifth of it more.
    fn pause(&self) -> Duration {
        (self.threshold / 5).clamp(PERIOD, MAX_PAUSE)
    }

    /// Looks at the threads now; what they do is named and judged meanwhile the looking goes on.
    fn investigate(&mut self, suspicions: Vec<Suspicion>) {
        if self.dumped.is_some_and(|at| at.elapsed() < BETWEEN_DUMPS) {
            return;
        }
        self.dumped = Some(Instant::now());
        let raw = match look_twice(self.pause()) {
            Ok(raw) => raw,
            Err(error) => return tracing::debug!("flamewatch: a worker stands still, and {error:#}"),
        };
        let in_one_poll = in_one_poll(self.threshold) > 0;
        let (desk, blocks) = (self.desk.clone(), self.blocks.clone());
        self.agent.spawn(async move {
            match desk.name(raw).await {
                Ok(named) => write_down(&blocks, suspicions, &judge(&named, in_one_poll)),
                Err(error) => tracing::debug!("flamewatch: a worker stands still, and {error:#}"),
            }
        });
    }
}

/// Puts what was found into the log. Which of several blocked threads is which worker cannot be told: each worker gets
/// one of them, so that the sums are right.
fn write_down(blocks: &Blocks, suspicions: Vec<Suspicion>, verdict: &Verdict) {
    for (index, Suspicion { runtime, worker, at, progress }) in suspicions.into_iter().enumerate() {
        let verdict = match verdict {
            Verdict::Blocked(stacks, suspect) => {
                let own = stacks.get(index).map_or_else(|| stacks.clone(), |stack| vec![stack.clone()]);
                tracing::warn!("flamewatch: worker {worker} of {runtime} is blocked in {suspect}");
                Verdict::Blocked(own, suspect.clone())
            }
            other => other.clone(),
        };
        let block = Block {
            number: 0,
            runtime,
            worker,
            at,
            lasted: progress.lasted(),
            stacks: Vec::new(),
            suspect: String::new(),
        };
        if let Some(number) = blocks.add(block, verdict) {
            // In one order with the two in `Progress::lasts`.
            progress.number.store(number, Ordering::SeqCst);
            blocks.lasts(number, progress.lasted(), progress.over.load(Ordering::SeqCst));
        }
    }
}

impl Progress {
    fn lasts(&self, lasted: Duration, over: bool, blocks: &Blocks) {
        self.lasted_ms.store(u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        // In one order with the two in `write_down`: one of the two sides sees what the other has written.
        self.over.store(over, Ordering::SeqCst);
        let number = self.number.load(Ordering::SeqCst);
        if number > 0 {
            blocks.lasts(number, lasted, over);
        }
    }

    fn lasted(&self) -> Duration {
        Duration::from_millis(self.lasted_ms.load(Ordering::Relaxed))
    }
}

impl Gauge for BlockedWorkers {
    fn name(&self) -> &'static str {
        "tokio.workers.blocked"
    }

    fn unit(&self) -> Unit {
        Unit::Count
    }

    fn read(&mut self) -> std::io::Result<f64> {
        Ok(self.0.news() as f64)
    }

    fn evidence(&self) -> Option<&'static str> {
        Some("workers")
    }
}
