//! The pprof crate as a sampling engine: one CPU timer for the whole process, `SIGPROF` to whichever thread runs,
//! stacks by the system's unwinder. Everything we know of the crate, and work around, is in this file.
//!
//! It keeps a stack once for each chain of *functions*: the lines are those of the chain's first sample. Its first
//! start names a stack of its own, which reads the debug info (0.4 s for a small program), and makes buffers of 70 MB,
//! made anew before the old are let go when a window ends: measured, 130 MB during the first window, 200 to 250 MB
//! ever after. Hence the timer and the buffers come with a window, never before.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant, SystemTime};

#[cfg(not(target_os = "linux"))]
use flamewatch_pprof as pprof;

use crate::profile::Losses;
use crate::source::Window;
use crate::source::cpu::coverage::Coverage;
use crate::source::cpu::recording::{Recording, Sample};
use crate::source::tally::Weight;
use crate::sys::unwinder::End;
use crate::{Error, ErrorKind, sys};

/// The deepest stack the crate follows (`MAX_DEPTH`, without its `large-depth` feature).
const MAX_DEPTH: usize = 128;

/// Unwinding takes no lock from this glibc on (`_dl_find_object`). On an older one a sample taken inside the loader
/// or the unwinder could wait for itself for ever.
const LOCK_FREE_GLIBC: (u32, u32) = (2, 35);

/// What must not be interrupted there. Samples in them are not taken; the coverage shows how many.
const BLOCKLIST: [&str; 4] = ["libc", "libgcc", "pthread", "vdso"];

/// What the first window takes, measured at 200 to 250 MB, and a margin. It is kept, so later ones take next to nothing.
const FIRST_WINDOW_BYTES: u64 = 300_000_000;

static STARTED: AtomicBool = AtomicBool::new(false);

/// How much memory the next window takes.
pub(in crate::source::cpu) fn needs_memory() -> u64 {
    if STARTED.load(Ordering::Relaxed) { 0 } else { FIRST_WINDOW_BYTES }
}

/// One window at a time in the whole process: the signal and its timer are the process's.
static TURN: Mutex<()> = Mutex::new(());

/// Samples for the length of `window`. The timer and the handler live no longer than this call; afterwards
/// `SIGPROF` is ignored, so that a late one kills nobody.
pub(in crate::source::cpu) fn record(hz: u32, window: &Window) -> Result<Recording, Error> {
    let _turn = turn()?;
    let mut comments = vec![format!("engine pprof: the pprof crate, one timer for the process; {hz} Hz")];
    let guard = start(hz, &mut comments)?;
    STARTED.store(true, Ordering::Relaxed);
    let handler = sys::signal::sigprof_handler().ok().flatten();
    let (began, clock, before) = (SystemTime::now(), Instant::now(), sys::process::cpu_time());
    if !window.wait() {
        return Err(Error::new(ErrorKind::TimedOut, "the CPU window was ended early"));
    }
    let (lasted, after) = (clock.elapsed(), sys::process::cpu_time());
    let report =
        guard.report().build_unresolved().map_err(|error| failed("cannot read the CPU samples", error))?;
    drop(guard);
    let period = period(hz);
    let samples: Vec<Sample> = report
        .data
        .iter()
        .map(|(stack, count)| {
            let name = stack.thread_name.get(..stack.thread_name_length).unwrap_or(&[]);
            let frames = stack.frames.iter().map(|frame| (frame.ip().addr(), frame.symbol_address().addr()));
            let taken = u64::try_from(*count).unwrap_or(0);
            let ns = u64::try_from(period.as_nanos()).unwrap_or(0).saturating_mul(taken);
            Sample {
                thread: String::from_utf8_lossy(name).into(),
                tag: 0,
                addresses: interrupted(frames, handler),
                end: if stack.frames.len() >= MAX_DEPTH { End::Full } else { End::Root },
                weight: Weight { taken, ns },
            }
        })
        .collect();
    let used = before.and_then(|before| Ok(after?.saturating_sub(before))).ok();
    let sampled = Duration::from_nanos(samples.iter().map(|sample| sample.weight.ns).sum());
    let coverage = Coverage::new(used, sampled, period, Vec::new());
    Ok(Recording { began, lasted, period, samples, losses: Losses::default(), coverage, comments })
}

/// The right to sample.
fn turn() -> Result<MutexGuard<'static, ()>, Error> {
    let turn = match TURN.try_lock() {
        Ok(turn) => turn,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => {
            return Err(Error::new(ErrorKind::Busy, "cannot sample the CPU: another window is open"));
        }
    };
    match sys::signal::sigprof_handler() {
        Ok(None) => Ok(turn),
        Ok(Some(_)) => {
            Err(Error::new(ErrorKind::Busy, "cannot sample the CPU: another profiler handles SIGPROF"))
        }
        Err(error) => Err(Error::new(ErrorKind::Io, "cannot sample the CPU").because(error)),
    }
}

fn start(hz: u32, comments: &mut Vec<String>) -> Result<pprof::ProfilerGuard<'static>, Error> {
    let hz =
        i32::try_from(hz).map_err(|error| Error::new(ErrorKind::Invalid, "no such rate").because(error))?;
    let mut builder = pprof::ProfilerGuardBuilder::default().frequency(hz);
    if sys::signal::glibc_version().is_none_or(|version| version < LOCK_FREE_GLIBC) {
        builder = builder.blocklist(&BLOCKLIST);
        comments.push("samples inside the C library are left out: its unwinder takes locks".to_owned());
    }
    builder.build().map_err(|error| failed("cannot start the CPU sampler", error))
}

/// The interval the crate really sets: whole microseconds.
fn period(hz: u32) -> Duration {
    Duration::from_micros(u64::from(1_000_000 / hz.max(1)))
}

/// The stack that the signal interrupted, out of one that begins inside the signal's handler. `frames` are code
/// addresses with the addresses of their functions, innermost first: the unwinder's own, the handler's, the frame
/// through which the kernel called it, then the interrupted instruction and its callers. Where no handler is found
/// the stack was taken by something else, and stays whole.
fn interrupted(frames: impl Iterator<Item = (usize, usize)>, handler: Option<usize>) -> Box<[u64]> {
    let frames: Vec<_> = frames.collect();
    let is_handler = |(_, function): &(usize, usize)| handler == Some(*function);
    let first = frames.iter().position(is_handler).map_or(0, |index| index + 2);
    // Where a thread starts, the unwinder ends with an address of 0.
    frames
        .into_iter()
        .skip(first)
        .map(|(address, _)| address as u64)
        .filter(|address| *address != 0)
        .collect()
}

fn failed(context: &'static str, error: pprof::Error) -> Error {
    let kind = match &error {
        pprof::Error::Running => ErrorKind::Busy,
        // Its only cause: no temporary file can be made. It is remembered, so trying again is no use.
        pprof::Error::CreatingError => ErrorKind::Unsupported,
        _ => ErrorKind::Io,
    };
    Error::new(kind, context).because(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_gives_samples_and_only_one_is_open_at_a_time() {
        let turn = turn().expect("nobody samples");
        assert_eq!(record(99, &Window::now()).map_err(|error| error.kind()).err(), Some(ErrorKind::Busy));
        drop(turn);
        let recording = record(99, &Window::of(Duration::from_millis(300))).expect("samples");
        assert!(recording.comments[0].starts_with("engine pprof"));
        assert!(recording.lasted >= Duration::from_millis(300));
    }

    #[test]
    fn the_handlers_own_frames_are_taken_off() {
        let frames = [(11, 10), (21, 20), (31, 30), (41, 40), (51, 50)];
        let taken = |handler| interrupted(frames.into_iter(), handler);
        assert_eq!(*taken(Some(20)), [41, 51]);
        assert!(taken(Some(40)).is_empty());
        assert_eq!(taken(Some(99)).len(), 5);
        assert_eq!(taken(None).first(), Some(&11));
    }
}
