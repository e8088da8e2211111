//! The signal handler that takes a stack. Everything here may run in it, at any instruction of any thread, also inside
//! malloc and while a lock is held: no allocation, no lock, no waiting, no panic path, no thread-local with a
//! destructor. So this file knows `core`, `libc` and its neighbors of the same discipline: the ring, the mailboxes, the
//! prepared unwinder.

use core::cell::Cell;
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use super::mailbox::{self, Mailbox};
use super::ring::{MAX_WORDS, Ring};
use super::switch::call_on;
use crate::sys::tag;
use crate::sys::unwinder::stack::Fresh;
use crate::sys::unwinder::{First, Pool, Registers, Walker};

/// Words of a sample before its addresses: when, who and on what, for how long, how the walk ended.
pub(super) const HEAD: usize = 4;

/// The most frames of one stack; the outermost beyond are cut off and the stack is counted as truncated.
pub(super) const MAX_FRAMES: usize = MAX_WORDS - HEAD - 1;

/// Tells our signals from others': what a timer or an ask carries has this in its upper half. 0 before the first.
pub(super) static SESSION: AtomicU32 = AtomicU32::new(0);

/// Where samples go.
pub(super) static RING: AtomicPtr<Ring<'static>> = AtomicPtr::new(core::ptr::null_mut());

/// What one tick of a timer stands for.
pub(super) static PERIOD_NS: AtomicU64 = AtomicU64::new(0);

/// True when ticks come from perf events, whose signals carry a file descriptor instead of a value of ours.
pub(super) static FROM_PERF: AtomicBool = AtomicBool::new(false);

/// Samples lost because every unwinder was busy.
pub(super) static BUSY: AtomicU64 = AtomicU64::new(0);

/// Signals of our number that were not ours: somebody's `kill -PROF`, or a timer's of an earlier session.
pub(super) static FOREIGN: AtomicU64 = AtomicU64::new(0);

/// False when this code is not part of the program itself but of a library: reading a thread-local may then allocate.
pub(super) static HAS_THREAD_LOCALS: AtomicBool = AtomicBool::new(false);

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// True while the calling thread is in the handler. Async-signal-safe: reads one byte of the thread's own.
pub(crate) fn is_inside() -> bool {
    INSIDE.get()
}

/// What siginfo_t holds for the three kinds of signals we send ourselves, sigaction(2) and `<bits/types/siginfo_t.h>`
/// of 64-bit systems.
#[repr(C)]
struct Info {
    signal: c_int,
    error: c_int,
    code: c_int,
    padding: c_int,
    /// A timer's id; a sender's process.
    first: c_int,
    /// How many more times a timer has expired; a sender's user.
    second: c_int,
    /// What was sent along; of a perf event, its file descriptor.
    value: u64,
}

/// What a signal asks for.
#[derive(Clone, Copy)]
enum Job {
    /// A sample of the thread that has used so much CPU time since the last.
    Sample { thread: u32, weight_ns: u64 },
    /// The stack of this thread, for whoever holds the mailbox.
    Answer { ticket: u32 },
}

struct Work<'pool> {
    job: Job,
    registers: Registers,
    walker: Walker<'pool>,
}

/// Async-signal-safe: see the file's head.
pub(super) unsafe extern "C" fn on_signal(_signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: __errno_location is always valid on the calling thread.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let saved = unsafe { errno.read() };
    // SAFETY: with SA_SIGINFO the kernel passes a siginfo_t, of whose first 32 bytes `Info` is a view, sigaction(2).
    let info = unsafe { &*info.cast::<Info>() };
    // SAFETY: with SA_SIGINFO the third argument is a ucontext_t, sigaction(2).
    let context = unsafe { &*context.cast::<libc::ucontext_t>() };
    handle(info, context);
    // SAFETY: as above.
    unsafe { errno.write(saved) };
}

fn handle(info: &Info, context: &libc::ucontext_t) {
    let Some(job) = job(info) else {
        FOREIGN.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let walker = Pool::get().and_then(Pool::take).filter(|walker| walker.scratch_end() != 0);
    let Some(walker) = walker else {
        BUSY.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let has_thread_locals = HAS_THREAD_LOCALS.load(Ordering::Relaxed);
    if has_thread_locals {
        INSIDE.set(true);
    }
    let end = walker.scratch_end();
    let mut work = Work { job, registers: Registers::of_signal(context), walker };
    // SAFETY: the scratch stack belongs to the walker, which is ours until `work` is dropped; `take_stack` returns and
    // as an `extern "C"` function cannot unwind; the handler was installed with every signal blocked.
    unsafe { call_on(end, take_stack, (&raw mut work).cast()) };
    if has_thread_locals {
        INSIDE.set(false);
    }
}

fn job(info: &Info) -> Option<Job> {
    let session = SESSION.load(Ordering::Relaxed);
    if session == 0 {
        return None;
    }
    let period = PERIOD_NS.load(Ordering::Relaxed);
    let low = u32::try_from(info.value & u64::from(u32::MAX)).ok()?;
    let is_ours = info.value >> 32 == u64::from(session);
    match info.code {
        libc::SI_TIMER if is_ours => {
            let ticks = u64::from(info.second.unsigned_abs()).saturating_add(1);
            Some(Job::Sample { thread: low, weight_ns: period.saturating_mul(ticks) })
        }
        libc::SI_QUEUE if is_ours => Some(Job::Answer { ticket: low }),
        // POLL_IN to POLL_HUP: from a file descriptor, perf_event_open(2), "Overflow handling".
        1..=6 if FROM_PERF.load(Ordering::Relaxed) => {
            // SAFETY: gettid(2) has no conditions.
            let thread = unsafe { libc::syscall(libc::SYS_gettid) };
            Some(Job::Sample { thread: u32::try_from(thread).ok()?, weight_ns: period })
        }
        _ => None,
    }
}

/// On the scratch stack: walks, and hands over what it found.
extern "C" fn take_stack(work: *mut c_void) {
    // SAFETY: `handle` passes its `Work`, which nobody else has until we return.
    let work = unsafe { &mut *work.cast::<Work<'_>>() };
    let mut frames = [0_u64; MAX_FRAMES];
    let mut depth = 0_usize;
    let mut stack = Fresh::above(work.registers.sp);
    let (end, _) = work.walker.walk(
        First::Interrupted,
        work.registers,
        |address| stack.word(address),
        |address| match frames.get_mut(depth) {
            Some(place) => {
                *place = address as u64;
                depth = depth.wrapping_add(1);
                true
            }
            None => false,
        },
    );
    let frames = frames.get(..depth).unwrap_or(&[]);
    let has_thread_locals = HAS_THREAD_LOCALS.load(Ordering::Relaxed);
    let tag = if has_thread_locals { tag::get() } else { 0 };
    match work.job {
        Job::Sample { thread, weight_ns } => {
            let head = [now_ns(), u64::from(tag) << 32 | u64::from(thread), weight_ns, end.code()];
            // Acquire: pairs with the Release that published the ring.
            let ring = RING.load(Ordering::Acquire);
            // SAFETY: null, or the ring that `super::ring` made, which is never taken down.
            if let Some(ring) = unsafe { ring.as_ref() } {
                ring.push(&head, frames);
            }
        }
        Job::Answer { ticket } => {
            if let Some(mailbox) = Mailbox::of(ticket) {
                mailbox.answer(ticket, mailbox::Header { tag, end: end.code() }, frames);
            }
        }
    }
}

/// The monotonic clock: clock_gettime(2) is async-signal-safe, signal-safety(7).
fn now_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime(2) writes one timespec, which `time` is.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec.cast_unsigned().wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec.cast_unsigned())
}
