//! The waker of one task, kept where another thread finds it, so that a task that nobody would poll for hours can be
//! asked something. One word: the waker's pointer and three marks below it. No lock, and nobody waits: a task that ends
//! while its waker is in use leaves the last step to who uses it.

use core::mem::ManuallyDrop;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use core::task::{RawWakerVTable, Waker};

/// Somebody is using the waker.
const HELD: usize = 1;

/// The task has ended while somebody used it.
const LEFT: usize = 2;

/// The task was asked and has not answered.
const ASKED: usize = 4;

const MARKS: usize = HELD | LEFT | ASKED;

/// The table of every waker that is kept. All tasks of tokio have one, so that the pointer alone tells a waker; one with
/// another table is not kept.
static TABLE: AtomicPtr<RawWakerVTable> = AtomicPtr::new(ptr::null_mut());

/// A waker, or none yet. A pointer in it stands for one clone of a waker with [`TABLE`]; taking the pointer out is taking
/// the clone.
#[derive(Debug)]
pub(crate) struct Kept(AtomicPtr<()>);

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "cpu"), allow(dead_code, reason = "nobody asks in this build"))]
pub(crate) enum Asked {
    /// There is no waker, or somebody else is using it.
    Nobody,
    /// The task was woken, and will find the question.
    Yes,
    /// The task has ended meanwhile, and what it left behind is the caller's.
    Left,
}

impl Kept {
    /// No waker yet.
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Keeps a clone of `waker`, unless one is kept.
    pub(crate) fn keep(&self, waker: &Waker) {
        if !self.0.load(Ordering::Relaxed).is_null() || !fits(waker) {
            return;
        }
        let ours = waker.clone();
        let data = ours.data().cast_mut();
        // A clone may be another waker than the original, as far as the contract goes.
        if !fits(&ours) {
            return;
        }
        // Release: pairs with the Acquire of `ask`, whose waking sees all that went before.
        if self.0.compare_exchange(ptr::null_mut(), data, Ordering::Release, Ordering::Relaxed).is_ok() {
            let _kept = ManuallyDrop::new(ours);
        }
    }

    /// The address that the waker stands for, which is the task's; `None` when none is kept.
    #[inline]
    pub(crate) fn task(&self) -> Option<u64> {
        let word = self.0.load(Ordering::Relaxed).addr() & !MARKS;
        (word != 0).then_some(word as u64)
    }

    /// True when somebody has asked and there was no answer.
    #[inline]
    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed).addr() & ASKED != 0
    }

    /// Asks the task: marks the question and wakes it.
    #[cfg_attr(not(feature = "cpu"), allow(dead_code, reason = "nobody asks in this build"))]
    pub(crate) fn ask(&self) -> Asked {
        let held = |word: *mut ()| {
            (!word.is_null() && word.addr() & HELD == 0).then(|| word.map_addr(|addr| addr | HELD | ASKED))
        };
        // Acquire: pairs with the Release of `keep`, and with that of who held it before.
        match self.0.fetch_update(Ordering::Acquire, Ordering::Relaxed, held) {
            Ok(word) => {
                let waker = ManuallyDrop::new(waker_of(word));
                waker.wake_by_ref();
                self.let_go()
            }
            Err(_) => Asked::Nobody,
        }
    }

    /// The question is answered, or withdrawn.
    #[cfg_attr(not(feature = "cpu"), allow(dead_code, reason = "nobody asks in this build"))]
    pub(crate) fn answered(&self) {
        let unasked = |word: *mut ()| (word.addr() & ASKED != 0).then(|| word.map_addr(|addr| addr & !ASKED));
        // Release: pairs with the Acquire of who looks for the answer, see `has_answered`.
        let _ = self.0.fetch_update(Ordering::Release, Ordering::Relaxed, unasked);
    }

    /// True when there is no question any more: what was answered can be read now.
    #[cfg_attr(not(feature = "cpu"), allow(dead_code, reason = "nobody asks in this build"))]
    pub(crate) fn has_answered(&self) -> bool {
        // Acquire: pairs with the Release of `answered`.
        self.0.load(Ordering::Acquire).addr() & ASKED == 0
    }

    /// The task ends: lets its waker go. False when somebody is using it at this moment; they get [`Asked::Left`], and
    /// until then the place is not to be used again.
    #[inline]
    pub(crate) fn leave(&self) -> bool {
        self.0.load(Ordering::Relaxed).is_null() || self.leave_behind()
    }

    fn leave_behind(&self) -> bool {
        let left = |word: *mut ()| {
            Some(if word.addr() & HELD == 0 { ptr::null_mut() } else { word.map_addr(|addr| addr | LEFT) })
        };
        // Acquire: pairs with the Release of `let_go`. Release: pairs with its Acquire.
        match self.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, left) {
            Ok(word) if word.addr() & HELD == 0 => {
                if !word.is_null() {
                    drop(waker_of(word));
                }
                true
            }
            _ => false,
        }
    }

    /// Ends the use of the waker.
    fn let_go(&self) -> Asked {
        let free = |word: *mut ()| {
            Some(if word.addr() & LEFT == 0 { word.map_addr(|addr| addr & !HELD) } else { ptr::null_mut() })
        };
        // Release: pairs with the Acquire of who takes it next. Acquire: pairs with the Release of who left.
        match self.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, free) {
            Ok(word) if word.addr() & LEFT != 0 => {
                drop(waker_of(word));
                Asked::Left
            }
            _ => Asked::Yes,
        }
    }
}

/// Whether `waker` is told by its pointer.
fn fits(waker: &Waker) -> bool {
    let data = waker.data();
    if data.is_null() || data.addr() & MARKS != 0 {
        return false;
    }
    let table = ptr::from_ref(waker.vtable()).cast_mut();
    // Acquire: pairs with the Release below.
    let known = TABLE.load(Ordering::Acquire);
    known == table || known.is_null() && is_first(table)
}

/// Whether `table` is the first that is seen, or equal to the one that another thread has seen first.
#[cold]
fn is_first(table: *mut RawWakerVTable) -> bool {
    match TABLE.compare_exchange(ptr::null_mut(), table, Ordering::Release, Ordering::Acquire) {
        Ok(_) => true,
        Err(first) => ptr::eq(first, table),
    }
}

/// The waker that `word` of a [`Kept`] stands for. Dropping it gives up the clone that the word owns; who does not mean
/// that keeps it from being dropped.
fn waker_of(word: *mut ()) -> Waker {
    let data = word.map_addr(|addr| addr & !MARKS);
    // SAFETY: a word comes into a `Kept` only after `fits` has stored a table, which is never changed again and came
    // from a `&'static` one.
    let table: &'static RawWakerVTable = unsafe { &*TABLE.load(Ordering::Acquire) };
    // SAFETY: `keep` has put the pointer of a clone with this very table into the word, and has not dropped the clone.
    // Each caller has the word to itself: it has just set HELD, or has just taken the word out, which both happen once
    // as long as the word is there.
    unsafe { Waker::new(data.cast_const(), table) }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;
    use std::task::Poll;

    use super::*;

    /// A task that keeps its waker in `kept` at its first poll and counts its polls, until it is aborted.
    fn keeper(kept: &Arc<Kept>, polls: &Arc<AtomicU64>) -> impl Future<Output = ()> + use<> {
        let (kept, polls) = (kept.clone(), polls.clone());
        poll_fn(move |context| {
            if polls.fetch_add(1, Ordering::Relaxed) == 0 {
                kept.keep(context.waker());
            }
            kept.answered();
            Poll::Pending
        })
    }

    #[tokio::test]
    async fn a_task_that_nobody_else_can_wake_is_woken() {
        let (kept, polls) = (Arc::new(Kept::new()), Arc::default());
        assert_eq!(kept.ask(), Asked::Nobody);
        let task = tokio::spawn(keeper(&kept, &polls));
        for asked in 0..10 {
            while polls.load(Ordering::Relaxed) < asked + 1 || kept.is_asked() {
                tokio::task::yield_now().await;
            }
            assert_eq!(kept.ask(), Asked::Yes);
            assert!(kept.is_asked());
        }
        task.abort();
        assert!(task.await.is_err() && kept.leave());
        assert_eq!((kept.ask(), kept.is_asked(), kept.leave()), (Asked::Nobody, false, true));
    }

    #[test]
    fn a_waker_of_another_kind_is_not_kept() {
        let kept = Kept::new();
        kept.keep(Waker::noop());
        assert_eq!(kept.ask(), Asked::Nobody);
        assert!(kept.leave());
    }

    #[test]
    fn who_leaves_while_asked_is_let_go_once() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
        let mut ends = [0_u64; 3];
        for _ in 0..2_000 {
            let kept = Arc::new(Kept::new());
            let task = runtime.spawn(keeper(&kept, &Arc::default()));
            while kept.0.load(Ordering::Relaxed).is_null() {
                std::thread::yield_now();
            }
            let other = std::thread::scope(|scope| {
                let asker = scope.spawn(|| kept.ask());
                let left = kept.leave();
                let asked = asker.join().expect("a thread");
                assert_eq!(left, asked != Asked::Left, "one of the two lets it go");
                asked
            });
            ends[other as usize] += 1;
            assert!(kept.0.load(Ordering::Relaxed).is_null() && kept.leave());
            task.abort();
            assert!(runtime.block_on(task).is_err());
        }
        assert_eq!(ends.iter().sum::<u64>(), 2_000);
        // A task that has ended is counted until its worker has put it away.
        while runtime.metrics().num_alive_tasks() > 0 {
            std::thread::yield_now();
        }
    }
}
