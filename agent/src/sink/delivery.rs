//! Brings alerts to one sink, on a thread of its own: a sink that hangs, fails or panics holds up nobody, and its
//! alerts arrive when it is back. It decides when to try again; it knows nothing of what a sink does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use super::backoff::Backoff;
use super::queue::{Queue, Ticket};
use crate::sink::{Alert, Outcome, Sink};
use crate::{Error, ErrorKind};

/// The stack of a delivery thread. The deepest thing on it is a TLS handshake, which passes with 144 KiB in an
/// unoptimized build (48 KiB optimized) and overflows with 128; the rest is room for the system's host look-up and
/// for sinks of the service's own. Untouched pages cost nothing but address space.
const STACK_BYTES: usize = 512 * 1024;

/// No attempt gets more time, whatever the options say.
const MAX_ATTEMPT: Duration = Duration::from_secs(600);

/// The longest rest that a sink takes in the middle of a delivery.
const MAX_REST: Duration = Duration::from_secs(60);

/// How long stopping waits for a delivery that is under way.
const GRACE: Duration = Duration::from_secs(1);

/// An alert whose delivery panicked this often is dropped, lest it keep all others waiting.
const MAX_PANICS: u32 = 3;

/// How a delivery goes about it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Time for one attempt, at most 10 min. Default: 10 s.
    pub attempt: Duration,
    /// The wait after the first failure; it doubles with each further one. Default: 1 s.
    pub first_wait: Duration,
    /// The longest wait between attempts, at most a day. Default: 5 min.
    pub longest_wait: Duration,
    /// Runs first on the new thread, so that an agent can leave it out of its own profiles.
    pub on_thread_start: Option<fn()>,
}

/// A sink, its thread and its queue. Dropping it stops it.
#[derive(Debug)]
#[must_use = "dropping it stops the delivery"]
pub struct Delivery {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// How a sink is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The sink's name.
    pub name: String,
    /// Alerts that arrived.
    pub sent: u64,
    /// Attempts that failed and were to be made again.
    pub retried: u64,
    /// Alerts that will never arrive: refused by the sink, or too old in a full queue.
    pub dropped: u64,
    /// Files left out of alerts for want of room in the queue.
    pub files_left_out: u64,
    /// Alerts that wait.
    pub waiting: usize,
    /// What went wrong last; none after a success.
    pub last_error: Option<String>,
    /// When an alert arrived last.
    pub last_sent: Option<SystemTime>,
    /// Since when none has arrived, though at least one was tried; none after a success.
    pub down_since: Option<SystemTime>,
}

#[derive(Debug)]
struct Shared {
    name: String,
    attempt: Duration,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: Queue,
    sent: u64,
    retried: u64,
    refused: u64,
    last_error: Option<String>,
    last_sent: Option<SystemTime>,
    down_since: Option<SystemTime>,
    /// When the attempt under way began.
    began: Option<Instant>,
    stopping: bool,
    ended: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(10),
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(300),
            on_thread_start: None,
        }
    }
}

impl Delivery {
    /// Starts delivering to `sink` on a thread called `flamewatch-<sink>`.
    ///
    /// # Errors
    /// `Io` when no thread can be had.
    pub fn start(sink: Box<dyn Sink>, options: Options) -> Result<Self, Error> {
        let name = sink.name().to_owned();
        let shared = Arc::new(Shared {
            name: name.clone(),
            attempt: options.attempt,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let worker = Worker { shared: shared.clone(), sink, options, panics: None, told: None };
        let thread = thread::Builder::new()
            .name(format!("flamewatch-{name}"))
            .stack_size(STACK_BYTES)
            .spawn(move || worker.run())
            .map_err(|error| {
                Error::new(ErrorKind::Io, "cannot start the thread of an alert sink").because(error)
            })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Queues `alert` and returns at once. When 64 alerts or 16 MiB wait, the oldest makes room and is counted.
    pub fn send(&self, alert: Arc<Alert>) {
        self.shared.lock().queue.push(alert);
        self.shared.changed.notify_all();
    }

    /// How the sink is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        let state = self.shared.lock();
        let overdue = state
            .began
            .map(|began| began.elapsed())
            .filter(|busy| *busy > self.shared.attempt.saturating_mul(2));
        let stuck_since = overdue.and_then(|busy| SystemTime::now().checked_sub(busy));
        let stuck = overdue.map(|busy| format!("has not come back for {} s", busy.as_secs()));
        Status {
            name: self.shared.name.clone(),
            sent: state.sent,
            retried: state.retried,
            dropped: state.refused.saturating_add(state.queue.dropped()),
            files_left_out: state.queue.files_left_out(),
            waiting: state.queue.len(),
            last_error: stuck.or_else(|| state.last_error.clone()),
            last_sent: state.last_sent,
            down_since: state.down_since.or(stuck_since),
        }
    }

    /// Stops. What waits is not delivered; an attempt under way gets a second to end, and past that its thread is
    /// left to end by itself.
    pub fn stop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        let mut state = self.shared.lock();
        state.stopping = true;
        self.shared.changed.notify_all();
        let ended = self.shared.changed.wait_timeout_while(state, GRACE, |state| !state.ended);
        let (state, _) = ended.unwrap_or_else(PoisonError::into_inner);
        let may_join = state.ended;
        drop(state);
        if may_join {
            let _ = thread.join();
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for an alert. None when it is time to end.
    fn next(&self) -> Option<(Ticket, Arc<Alert>)> {
        let idle = |state: &mut State| !state.stopping && state.queue.len() == 0;
        let mut state = self.changed.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        if state.stopping {
            return None;
        }
        let front = state.queue.front();
        state.began = Some(Instant::now());
        front
    }

    /// Waits for `wait`, less when it is time to end.
    fn rest(&self, wait: Duration) {
        let guard = self.changed.wait_timeout_while(self.lock(), wait, |state| !state.stopping);
        drop(guard.unwrap_or_else(PoisonError::into_inner));
    }

    fn settle(&self, ticket: Ticket, outcome: &Outcome) {
        let mut state = self.lock();
        state.began = None;
        match outcome {
            Outcome::Sent => {
                state.sent = state.sent.saturating_add(1);
                state.last_error = None;
                state.last_sent = Some(SystemTime::now());
                state.down_since = None;
                state.queue.done(ticket);
            }
            Outcome::Wait { .. } => {}
            Outcome::Retry { reason, .. } => {
                state.retried = state.retried.saturating_add(1);
                state.fail(reason);
            }
            Outcome::Drop { reason } => {
                state.refused = state.refused.saturating_add(1);
                state.fail(reason);
                state.queue.done(ticket);
            }
        }
    }
}

impl State {
    fn fail(&mut self, reason: &str) {
        self.last_error = Some(reason.to_owned());
        self.down_since.get_or_insert_with(SystemTime::now);
    }
}

/// What lives on the thread.
struct Worker {
    shared: Arc<Shared>,
    sink: Box<dyn Sink>,
    options: Options,
    /// The alert whose delivery panicked last, and how often.
    panics: Option<(Ticket, u32)>,
    /// The failure that was logged last, so that a dead sink is told once and not every five minutes.
    told: Option<String>,
}

impl Worker {
    fn run(mut self) {
        if let Some(hook) = self.options.on_thread_start {
            let _ = catch_unwind(hook);
        }
        let mut backoff = Backoff::new(self.options.first_wait, self.options.longest_wait);
        while let Some((ticket, alert)) = self.shared.next() {
            let outcome = self.attempt(ticket, &alert);
            self.shared.settle(ticket, &outcome);
            // The subscriber is the service's, and may panic as well as a sink may.
            let _ = catch_unwind(AssertUnwindSafe(|| self.tell(&outcome)));
            match outcome {
                Outcome::Retry { after, .. } => self.shared.rest(backoff.next(after, dice())),
                Outcome::Wait { after } => self.shared.rest(after.min(MAX_REST)),
                Outcome::Sent | Outcome::Drop { .. } => backoff.reset(),
            }
        }
        let Self { shared, sink, .. } = self;
        let _ = catch_unwind(AssertUnwindSafe(|| drop(sink)));
        shared.lock().ended = true;
        shared.changed.notify_all();
    }

    fn attempt(&mut self, ticket: Ticket, alert: &Alert) -> Outcome {
        let deadline = Instant::now() + self.options.attempt.min(MAX_ATTEMPT);
        let delivered = catch_unwind(AssertUnwindSafe(|| self.sink.deliver(alert, deadline)));
        delivered.unwrap_or_else(|_| self.panicked(ticket))
    }

    fn panicked(&mut self, ticket: Ticket) -> Outcome {
        let before = self.panics.filter(|(last, _)| *last == ticket).map_or(0, |(_, count)| count);
        let count = before.saturating_add(1);
        self.panics = Some((ticket, count));
        if count < MAX_PANICS {
            return Outcome::Retry { after: None, reason: String::from("the sink panicked") };
        }
        Outcome::Drop { reason: format!("the sink panicked {MAX_PANICS} times at the same alert") }
    }

    /// Logs a failure once, and the success that ends it.
    fn tell(&mut self, outcome: &Outcome) {
        let sink = self.shared.name.as_str();
        let (reason, lost) = match outcome {
            Outcome::Sent => {
                if self.told.take().is_some() {
                    tracing::info!(target: "flamewatch", sink, "alerts are delivered again");
                }
                return;
            }
            Outcome::Wait { .. } => return,
            Outcome::Retry { reason, .. } => (reason, false),
            Outcome::Drop { reason } => (reason, true),
        };
        if self.told.as_ref() == Some(reason) {
            return;
        }
        if lost {
            tracing::warn!(target: "flamewatch", sink, %reason, "an alert is lost; others like it will not be logged");
        } else {
            tracing::warn!(target: "flamewatch", sink, %reason, "cannot deliver an alert; trying again");
        }
        self.told = Some(reason.clone());
    }
}

/// A random number, from the keys that std draws for its hash maps.
fn dice() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;
