//! Stacks of other threads by signal: on the ticks of their CPU clocks, and on request. This file is what the rest of
//! the crate sees: sessions, samples, answers; the rules of the handler are at its own head.

mod handler;
mod mailbox;
pub(crate) mod perf;
mod ring;
mod signal;
mod switch;
pub(crate) mod timer;

/// The atomics of the ring, which the model checker replaces by its own.
mod atomic {
    pub(super) use core::sync::atomic::{AtomicU64, Ordering};
}

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, Once, OnceLock, PoisonError};
use std::time::{Duration, Instant};

pub(crate) use handler::is_inside;
pub(crate) use mailbox::MAILBOXES;
use mailbox::Mailbox;
use ring::{MAX_WORDS, Ring};
pub(crate) use signal::Claim;
use timer::Tick;

use super::reserve;
use super::unwinder::modules::Code;
use super::unwinder::{End, Pool, User};

/// Words of the ring: 2 MiB, of which what is used becomes memory. A stack of 40 frames takes 45 words, so 5,800 of
/// them wait here until the stream takes them, which it does every few milliseconds.
const RING_WORDS: usize = 1 << 18;

/// One sample as the ring brought it.
#[derive(Debug)]
pub(crate) struct Sample<'record> {
    /// By the monotonic clock.
    pub(crate) at_ns: u64,
    pub(crate) thread: u32,
    pub(crate) tag: u32,
    /// The CPU time it stands for.
    pub(crate) weight_ns: u64,
    pub(crate) end: End,
    /// Innermost first: the interrupted instruction, then return addresses.
    pub(crate) frames: &'record [u64],
}

/// One thread's stack on request.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) tag: u32,
    pub(crate) end: End,
    pub(crate) frames: Vec<u64>,
}

/// What was lost since the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// The ring was full.
    pub(crate) full: u64,
    /// Every unwinder was busy.
    pub(crate) busy: u64,
    /// Signals of the same number that were not ours.
    pub(crate) foreign: u64,
}

/// The right to sample: the signal, the ring and the prepared unwinder. One at a time; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Session {
    claim: Claim,
    number: u32,
    _user: User,
    record: Box<[u64; MAX_WORDS]>,
}

static SAMPLING: Mutex<()> = Mutex::new(());

impl Session {
    /// Prepares everything the handler needs and lets it work. Allocates.
    ///
    /// # Errors
    /// When there is no signal or no address space to be had.
    pub(crate) fn begin() -> io::Result<Self> {
        let _alone = SAMPLING.lock().unwrap_or_else(PoisonError::into_inner);
        ring_of_process()?;
        let user = Pool::global().used();
        let claim = prepare()?;
        let number = session();
        Ok(Self { claim, number, _user: user, record: Box::new([0; MAX_WORDS]) })
    }

    /// What each timer sends.
    pub(crate) fn tick(&self) -> Tick {
        Tick { signal: self.claim.number(), session: self.number }
    }

    /// Sets what one tick stands for.
    pub(crate) fn set_period(&self, period: Duration, from_perf: bool) {
        let period = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
        handler::PERIOD_NS.store(period, Ordering::Relaxed);
        handler::FROM_PERF.store(from_perf, Ordering::Relaxed);
    }

    /// Takes another signal, when somebody has taken over ours.
    ///
    /// # Errors
    /// When every signal is somebody's.
    pub(crate) fn reclaim(&mut self) -> io::Result<()> {
        self.claim = Claim::take()?;
        Ok(())
    }

    /// The signal, and whether it is still ours.
    pub(crate) const fn claim(&self) -> &Claim {
        &self.claim
    }

    /// Hands all samples that wait to `each`.
    pub(crate) fn drain(&mut self, mut each: impl FnMut(&Sample<'_>)) {
        let Some(ring) = RING.get() else { return };
        while let Some(words) = ring.pop(&mut self.record) {
            let Some((&[at_ns, who, weight_ns, end], frames)) = words.split_first_chunk() else { continue };
            let thread = u32::try_from(who & u64::from(u32::MAX)).unwrap_or(0);
            let tag = u32::try_from(who >> 32).unwrap_or(0);
            each(&Sample { at_ns, thread, tag, weight_ns, end: End::from_code(end), frames });
        }
    }
}

impl Drop for Session {
    /// Gives the ring's memory back, once no handler writes into it: a thread can have been put aside in the middle of
    /// one. If that lasts, the memory stays until the next time.
    fn drop(&mut self) {
        const PATIENCE: u32 = 20;
        handler::FROM_PERF.store(false, Ordering::Relaxed);
        let (Some(ring), Some(words)) = (RING.get(), WORDS.get()) else { return };
        for _ in 0..PATIENCE {
            self.drain(|_| {});
            if ring.clear(|| reserve::give_back(words)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

static WORDS: OnceLock<&'static [atomic::AtomicU64]> = OnceLock::new();
static RING: OnceLock<&'static Ring<'static>> = OnceLock::new();

/// Makes the ring of this process at the first call. It stays: a handler on another thread may be using it.
fn ring_of_process() -> io::Result<()> {
    if RING.get().is_some() {
        return Ok(());
    }
    let words = *WORDS.get_or_init(|| reserve::zeroed(RING_WORDS).unwrap_or(&[]));
    if words.is_empty() {
        return Err(io::Error::other("no address space for the samples"));
    }
    let ring: &'static Ring<'static> = RING.get_or_init(|| Box::leak(Box::new(Ring::new(words))));
    // Release: pairs with the Acquire of the handler.
    handler::RING.store(std::ptr::from_ref(ring).cast_mut(), Ordering::Release);
    Ok(())
}

/// The signal, with everything in place that its handler reads.
fn prepare() -> io::Result<Claim> {
    super::trial::try_early();
    Pool::global().refresh();
    let here = prepare as *const () as usize as u64;
    handler::HAS_THREAD_LOCALS.store(Code::of_process().is_of_program(here), Ordering::Relaxed);
    stop_in_children();
    Claim::take()
}

/// A number for this process's signals, which also lets the handler work. The same for all who sample or ask; a forked
/// child has none until it begins itself.
fn session() -> u32 {
    let old = handler::SESSION.load(Ordering::Relaxed);
    if old != 0 {
        return old;
    }
    // Never 0, and another in each process and at each start: what an earlier life left pending is not ours.
    let [a, b, c, d, ..] = super::clock::coarse_ms().to_le_bytes();
    let fresh = std::process::id().rotate_left(12) ^ 0x5f1a_77ee ^ u32::from_le_bytes([a, b, c, d]);
    // Whoever was quicker, for a reader or for an ask, has named it for both.
    match handler::SESSION.compare_exchange(0, fresh | 1, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => fresh | 1,
        Err(other) => other,
    }
}

/// A forked child takes no signal for ours: it has neither timers nor threads of ours.
fn stop_in_children() {
    static REGISTERED: Once = Once::new();
    /// Async-signal-safe: stores to an atomic.
    unsafe extern "C" fn child() {
        handler::SESSION.store(0, Ordering::Relaxed);
    }
    super::fork::in_children(&REGISTERED, child);
}

/// Takes up libraries that were loaded or unloaded. Waits for the loader's lock.
pub(crate) fn refresh() {
    Pool::global().refresh();
}

/// Whether `address` is our signal handler's.
#[cfg(feature = "pprof")]
pub(crate) fn is_handler(address: usize) -> bool {
    address == handler::on_signal as *const () as usize
}

/// Sends the calling thread one tick, as its timer would; with `ours` false one that is not ours, which the handler turns
/// away at once. What a sample costs is the difference.
pub(crate) fn tick_here(ours: bool) -> io::Result<()> {
    let claim = prepare()?;
    let thread = super::process::this_thread();
    let session = if ours { session() } else { !session() };
    super::task::send(thread, claim.number(), libc::SI_TIMER, u64::from(session) << 32 | u64::from(thread))
}

/// What was lost since the process started.
pub(crate) fn lost() -> Lost {
    Lost {
        full: RING.get().map_or(0, |ring| ring.turned_away()),
        busy: handler::BUSY.load(Ordering::Relaxed),
        foreign: handler::FOREIGN.load(Ordering::Relaxed),
    }
}

/// Asks threads for their stacks, [`MAILBOXES`] at a time, and waits for no longer than `patience` for each batch, ten
/// times that for all together. The signal ends some system calls with EINTR, so only those should be asked that run.
/// An answer for each, in order.
///
/// # Errors
/// When there is no signal to be had.
pub(crate) fn ask(threads: &[u32], patience: Duration) -> io::Result<Vec<Option<Answer>>> {
    let _alone = asking();
    let _user = Pool::global().used();
    let claim = prepare()?;
    let session = session();
    let mut answers = Vec::with_capacity(threads.len());
    let end = Instant::now() + 10 * patience;
    for batch in threads.chunks(MAILBOXES) {
        let patience = patience.min(end.saturating_duration_since(Instant::now()));
        answers.extend(ask_batch(batch, claim.number(), session, patience));
    }
    Ok(answers)
}

fn ask_batch(threads: &[u32], signal: i32, session: u32, patience: Duration) -> Vec<Option<Answer>> {
    static QUESTIONS: AtomicU32 = AtomicU32::new(1);
    let number = QUESTIONS.fetch_add(1, Ordering::Relaxed);
    let send = |(index, thread): (usize, &u32)| {
        let ticket = Mailbox::open(index, number)?;
        let value = u64::from(session) << 32 | u64::from(ticket);
        if super::task::send(*thread, signal, libc::SI_QUEUE, value).is_err() {
            Mailbox::close(ticket);
            return None;
        }
        Some(ticket)
    };
    let tickets: Vec<Option<u32>> = threads.iter().enumerate().map(send).collect();
    let end = Instant::now() + patience;
    let mut answers: Vec<Option<Answer>> = vec![None; tickets.len()];
    loop {
        let mut missing = 0;
        for (answer, ticket) in answers.iter_mut().zip(&tickets) {
            if let (None, Some(ticket)) = (&answer, ticket) {
                *answer = Mailbox::collect(*ticket).map(|(header, frames)| Answer {
                    tag: header.tag,
                    end: End::from_code(header.end),
                    frames,
                });
                missing += usize::from(answer.is_none());
            }
        }
        if missing == 0 || Instant::now() >= end {
            break;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    tickets.into_iter().flatten().for_each(Mailbox::close);
    answers
}

fn asking() -> MutexGuard<'static, ()> {
    static ASKING: Mutex<()> = Mutex::new(());
    ASKING.lock().unwrap_or_else(PoisonError::into_inner)
}
