//! A waker that tells where it is cloned. A future that waits clones the waker it is polled with, at the bottom of the
//! chain of futures that wait for each other: the stack between the poll and the clone is where the task waits.

use core::cell::Cell;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::ptr;
use core::task::{RawWaker, RawWakerVTable, Waker};
use std::sync::{Mutex, PoisonError};

use super::unwinder::here::here;
use super::unwinder::stack::Reader;
use super::unwinder::{End, First, Pool, Registers};

/// The most frames between a task's poll and its innermost future; in a build that inlines nothing there are about five
/// for each `async fn`.
const MAX_FRAMES: usize = 128;

/// The most places that one task waits in at once; `select!` of more shows these.
const MAX_TOLD: usize = 8;

/// Stands on the stack of the poll it listens to, and lends its waker to the future.
#[derive(Debug)]
pub(crate) struct Teller<'poll> {
    waker: &'poll Waker,
    thread: usize,
    told: Mutex<Vec<Told>>,
}

/// One clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// Return addresses, innermost first, down to the function that the [`Teller`] stands in.
    pub(crate) frames: Box<[u64]>,
    pub(crate) end: End,
}

/// The waker that tells, for as long as its [`Teller`] is borrowed.
#[derive(Debug)]
pub(crate) struct Lent<'teller> {
    waker: ManuallyDrop<Waker>,
    lender: PhantomData<&'teller ()>,
}

static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, forget);

impl<'poll> Teller<'poll> {
    /// Listens in for `waker`, on this thread.
    pub(crate) fn new(waker: &'poll Waker) -> Self {
        Self { waker, thread: thread(), told: Mutex::default() }
    }

    /// A waker that is `waker` in all it does: who clones it has a clone of `waker`, and has told where.
    pub(crate) fn lend(&self) -> Lent<'_> {
        // SAFETY: the table's functions take the pointer of a `Teller`, see each; this one outlives what is lent, which
        // is dropped by nobody and given away by reference alone.
        let waker = unsafe { Waker::new(ptr::from_ref(self).cast(), &TABLE) };
        Lent { waker: ManuallyDrop::new(waker), lender: PhantomData }
    }

    /// What was told.
    pub(crate) fn told(&self) -> Vec<Told> {
        std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn tell(&self, from: Registers) {
        // Shared with another thread, the waker can be cloned there: of that stack nothing is known.
        if self.thread != thread() {
            return;
        }
        let Ok(mut told) = self.told.try_lock() else { return };
        if told.len() < MAX_TOLD {
            let one = self.walk(from);
            if !told.contains(&one) {
                told.push(one);
            }
        }
    }

    fn walk(&self, from: Registers) -> Told {
        let Some(mut walker) = Pool::global().take() else {
            return Told { frames: Box::default(), end: End::Busy };
        };
        let root = ptr::from_ref(self).addr();
        let mut stack = Reader::above(from.sp);
        let mut frames = Vec::with_capacity(32);
        let (mut own, mut past) = (true, false);
        let (end, _) = walker.walk_frames(
            First::Interrupted,
            from,
            |address| stack.word(address),
            |frame| {
                // A function's variables lie above its stack pointer: this one called whoever has the teller.
                past = frame.sp > root;
                if !std::mem::take(&mut own) && !past {
                    frames.push(frame.pc as u64);
                }
                !past && frames.len() < MAX_FRAMES
            },
        );
        Told { frames: frames.into(), end: if past { End::Root } else { end } }
    }
}

impl Deref for Lent<'_> {
    type Target = Waker;

    fn deref(&self) -> &Waker {
        &self.waker
    }
}

/// A number that no other thread has while this one lives.
fn thread() -> usize {
    thread_local! {
        static MARK: Cell<u8> = const { Cell::new(0) };
    }
    MARK.with(|mark| ptr::from_ref(mark).addr())
}

/// Not inlined: what it tells begins with its caller.
///
/// SAFETY: for callers, `data` is of a [`Teller`] that lives, as `RawWakerVTable` promises for a waker that does.
#[inline(never)]
unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the caller's promise.
    let teller = unsafe { &*data.cast::<Teller<'_>>() };
    teller.tell(here());
    let real = ManuallyDrop::new(teller.waker.clone());
    RawWaker::new(real.data(), real.vtable())
}

/// Also tells: a task that wakes itself and returns waits here, for its next turn.
///
/// SAFETY: for callers, as for [`clone`].
#[inline(never)]
unsafe fn wake(data: *const ()) {
    // SAFETY: the caller's promise.
    let teller = unsafe { &*data.cast::<Teller<'_>>() };
    teller.tell(here());
    teller.waker.wake_by_ref();
}

/// A teller's waker owns nothing.
unsafe fn forget(_data: *const ()) {}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Counts(AtomicU64);

    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[inline(never)]
    fn clones(waker: &Waker) -> Waker {
        std::hint::black_box(waker.clone())
    }

    #[inline(never)]
    fn listens(waker: &Waker, deep: bool) -> (Waker, Vec<Told>) {
        let teller = Teller::new(waker);
        let lent = teller.lend();
        let clone = if deep { std::hint::black_box(clones)(&lent) } else { lent.clone() };
        let told = teller.told();
        std::hint::black_box((clone, told))
    }

    fn lies_in(function: usize, address: u64) -> bool {
        (function as u64..function as u64 + 4_096).contains(&address)
    }

    #[test]
    fn a_clone_is_the_real_waker_and_tells_the_way_to_it() {
        let _user = Pool::global().used();
        let counts = Arc::new(Counts::default());
        let real = Waker::from(counts.clone());
        let (clone, told) = listens(&real, true);
        assert!(clone.will_wake(&real));
        let [one] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(one.end, End::Root);
        assert!(
            lies_in(clones as fn(&Waker) -> Waker as usize, one.frames[0]) || cfg!(debug_assertions),
            "{one:?}"
        );
        let last = *one.frames.last().expect("a frame");
        assert!(lies_in(listens as fn(&Waker, bool) -> (Waker, Vec<Told>) as usize, last), "{one:?}");
        assert!(one.frames.len() < listens(&real, false).1[0].frames.len() + 3);
        clone.wake();
        assert_eq!(counts.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn waking_is_passed_on_and_equal_stacks_are_one() {
        let counts = Arc::new(Counts::default());
        let real = Waker::from(counts.clone());
        let teller = Teller::new(&real);
        let lent = teller.lend();
        for _ in 0..3 {
            lent.wake_by_ref();
        }
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                let clone = lent.clone();
                assert!(clone.will_wake(&real));
                clone.wake();
            });
            assert!(other.join().is_ok());
        });
        assert_eq!((counts.0.load(Ordering::Relaxed), teller.told().len()), (4, 1));
    }
}
