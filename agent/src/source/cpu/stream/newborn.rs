//! Threads that tell of themselves when they start, so that the first milliseconds of one are sampled too: a thread that
//! lives for less than the time between two looks would not be seen at all.

use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::source::cpu::engine::ticker::{Kind, Ticker};
use crate::sys::process;
use crate::sys::sampler::timer::Tick;

/// So many can tell of themselves between two looks; more are found by the look.
const MOST: usize = 1_024;

/// How threads are to tick while the stream runs, and those that have begun to.
struct Cradle {
    kind: Kind,
    tick: Tick,
    period: Duration,
    /// So many may tell of themselves between two looks.
    most: usize,
    born: Vec<(u32, Ticker)>,
}

static CRADLE: Mutex<Option<Cradle>> = Mutex::new(None);

thread_local! {
    /// The session to which this thread has told of itself.
    static TOLD: Cell<u32> = const { Cell::new(0) };
}

/// Lets the calling thread tick from now on, if somebody samples. About 2 µs then, and some nanoseconds else; never
/// waits.
pub(in crate::source) fn tell() {
    let Ok(mut cradle) = CRADLE.try_lock() else { return };
    let Some(cradle) = cradle.as_mut().filter(|cradle| cradle.born.len() < cradle.most) else { return };
    if TOLD.replace(cradle.tick.session) == cradle.tick.session {
        return;
    }
    let thread = process::this_thread();
    // Neighbors in number begin at different points of their first period: the multiplier is the golden ratio's.
    let share = f64::from(thread.wrapping_mul(0x9e37_79b9)) / f64::from(u32::MAX);
    if let Ok(ticker) = cradle.kind.start(thread, cradle.tick, cradle.period, cradle.period.mul_f64(share)) {
        cradle.born.push((thread, ticker));
    }
}

/// From now on threads may tell of themselves, or at another pace.
pub(super) fn open(kind: Kind, tick: Tick, period: Duration) {
    let mut cradle = cradle();
    let born = cradle.take().map_or_else(|| Vec::with_capacity(MOST), |cradle| cradle.born);
    // A part of what all threads together may have, which `threads` looks after.
    let most = MOST.min(kind.most_threads() / 4);
    *cradle = Some(Cradle { kind, tick, period, most, born });
}

/// Those who have told of themselves since the last time.
pub(super) fn take() -> Vec<(u32, Ticker)> {
    cradle().as_mut().map(|cradle| cradle.born.drain(..).collect()).unwrap_or_default()
}

/// Nobody samples any more.
pub(super) fn close() {
    *cradle() = None;
}

fn cradle() -> MutexGuard<'static, Option<Cradle>> {
    CRADLE.lock().unwrap_or_else(PoisonError::into_inner)
}
