//! Which counters a thread counts in. The first sixteen threads have lanes of their own, where counting is a plain
//! addition; later ones share a few, where it is a locked one. A lane goes to the next thread when its thread ends.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Lanes that one thread has for itself.
const OWN: usize = 16;

/// Lanes for all other threads.
const SHARED: usize = 4;

/// All of them.
pub(super) const LANES: usize = OWN + SHARED;

/// Not assigned yet.
const NONE: usize = usize::MAX;

/// The lanes of its own that a thread has, one bit each.
static TAKEN: AtomicU32 = AtomicU32::new(0);

thread_local! {
    // Without a destructor: a task can be dropped while its thread is being torn down.
    static LANE: Cell<usize> = const { Cell::new(NONE) };
    static RETURN: Return = const { Return };
}

/// Gives the lane back when the thread ends.
struct Return;

/// The lane of this thread, below [`LANES`].
#[inline]
pub(super) fn lane() -> usize {
    match LANE.get() {
        NONE => assign(),
        lane => lane,
    }
}

/// One more in `counter`, which is this `lane`'s.
#[inline]
pub(super) fn count(counter: &AtomicU64, lane: usize) {
    // Release: who sees this number sees what was counted before it, in whichever lane. See `Site::sums`.
    if lane < OWN {
        counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Release);
    } else {
        counter.fetch_add(1, Ordering::Release);
    }
}

#[cold]
fn assign() -> usize {
    let returned = RETURN.try_with(|_| ()).is_ok();
    let own = if returned { (0..OWN).find(|lane| claim(*lane)) } else { None };
    let lane = own.unwrap_or_else(shared);
    LANE.set(lane);
    lane
}

/// True when `lane` was free and is ours.
fn claim(lane: usize) -> bool {
    // Acquire: pairs with the Release of the thread that had it; its counts are seen.
    TAKEN.fetch_or(1 << lane, Ordering::Acquire) & (1 << lane) == 0
}

fn shared() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    OWN + NEXT.fetch_add(1, Ordering::Relaxed) % SHARED
}

impl Drop for Return {
    fn drop(&mut self) {
        let lane = LANE.replace(shared());
        if lane < OWN {
            // Release: pairs with the Acquire of the thread that has it next.
            TAKEN.fetch_and(!(1 << lane), Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn no_two_threads_share_a_lane_of_their_own() {
        let lanes = || -> Vec<usize> {
            let all_there = Barrier::new(2 * LANES);
            std::thread::scope(|scope| {
                let work = || {
                    let mine = lane();
                    all_there.wait();
                    assert_eq!(lane(), mine);
                    mine
                };
                let threads: Vec<_> = (0..2 * LANES).map(|_| scope.spawn(work)).collect();
                threads.into_iter().map(|thread| thread.join().expect("a thread")).collect()
            })
        };
        // A second time, so that lanes were given back.
        for lanes in [lanes(), lanes()] {
            let mut own: Vec<_> = lanes.iter().filter(|lane| **lane < OWN).collect();
            own.sort();
            own.dedup_by(|a, b| a == b);
            assert_eq!(own.len(), lanes.iter().filter(|lane| **lane < OWN).count());
            assert!(lanes.iter().all(|lane| *lane < LANES));
        }
    }
}
