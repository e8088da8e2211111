//! What tasks tell, on runtimes of both kinds, and that being asked does them no harm.

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use proptest::prelude::{any, proptest};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::{JoinHandle, LocalSet};

use super::super::site::SiteCount;
use super::super::{Registry, spawn_local, spawn_on};
use super::*;

/// One round at a time, in all tests of this file.
static TURN: Mutex<()> = Mutex::new(());

fn round() -> Awaits {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    awaits(|| false).expect("nobody else asks")
}

/// What tasks spawned in this file at `line` have told.
fn told_at(line: u32, awaits: &Awaits) -> Vec<Wait> {
    let is_there =
        |count: &&SiteCount| count.place.is_some_and(|place| place.line() == line && place.file() == file!());
    let counts = Registry::global().counts();
    let sites: Vec<u32> = counts.iter().filter(is_there).map(|count| count.number).collect();
    awaits.waits.iter().filter(|wait| sites.contains(&wait.site)).cloned().collect()
}

fn multi() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// A future as one writes it by hand: it keeps the waker of its last poll.
#[derive(Clone, Default)]
struct ByHand(Arc<Mutex<(Option<Waker>, bool)>>);

impl ByHand {
    fn open(&self) {
        let (waker, open) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *open = true;
        waker.take().into_iter().for_each(Waker::wake);
    }
}

impl Future for ByHand {
    type Output = ();

    #[inline(never)]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let (waker, open) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *open {
            return Poll::Ready(());
        }
        *waker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// All that opens the doors that [`waits`] waits at.
#[derive(Default)]
struct Doors {
    once: Option<oneshot::Sender<()>>,
    many: Option<mpsc::Sender<()>>,
    notify: Arc<Notify>,
    by_hand: ByHand,
}

/// The tasks that wait, one of each kind, all spawned at [`KINDS`].
const KINDS: u32 = line!() + 3;

fn of_kind<F: Future<Output = u32> + Send + 'static>(runtime: &Runtime, future: F) -> JoinHandle<u32> {
    spawn_on(runtime.handle(), outer(future))
}

#[inline(never)]
async fn outer(future: impl Future<Output = u32>) -> u32 {
    middle(future).await + 1
}

#[inline(never)]
async fn middle(future: impl Future<Output = u32>) -> u32 {
    future.await + 1
}

fn one_of_each(runtime: &Runtime) -> (Doors, Vec<JoinHandle<u32>>) {
    let mut doors = Doors::default();
    let (once, has_come) = oneshot::channel();
    let (many, mut next) = mpsc::channel::<()>(1);
    (doors.once, doors.many) = (Some(once), Some(many));
    let (notify, by_hand, selected) = (doors.notify.clone(), doors.by_hand.clone(), doors.notify.clone());
    let tasks = vec![
        of_kind(runtime, async { has_come.await.map_or(0, |()| 10) }),
        of_kind(runtime, async move { next.recv().await.map_or(0, |()| 20) }),
        of_kind(runtime, async move {
            notify.notified().await;
            30
        }),
        of_kind(runtime, async {
            by_hand.await;
            40
        }),
        of_kind(runtime, async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            50
        }),
        of_kind(runtime, async move {
            tokio::select! {
                () = selected.notified() => 60,
                () = tokio::time::sleep(Duration::from_secs(3_600)) => 0,
            }
        }),
    ];
    (doors, tasks)
}

fn open(doors: Doors) {
    doors.notify.notify_waiters();
    doors.by_hand.open();
    let _ = doors.once.map(|once| once.send(()));
    let _ = doors.many.map(|many| many.try_send(()));
}

/// Rounds until every task at `line` has told where it waits.
fn until_told(line: u32, tasks: u64) -> Vec<Wait> {
    loop {
        let told = told_at(line, &round());
        let at: u64 =
            told.iter().filter(|wait| matches!(wait.place, Place::At(_))).map(|wait| wait.tasks).sum();
        if at >= tasks {
            return told;
        }
    }
}

#[test]
fn every_kind_of_future_tells_and_is_woken_all_the_same() {
    let runtime = multi();
    let (doors, tasks) = one_of_each(&runtime);
    // Six tasks, one of which waits in two places at once.
    let told = until_told(KINDS, 7);
    assert_eq!(told.len(), 7, "{told:#?}");
    assert!(told.iter().all(|wait| wait.tasks == 1), "{told:#?}");
    assert_eq!(told_at(KINDS, &round()).len(), 7, "the same again");
    open(doors);
    let results: Vec<u32> = tasks.into_iter().map(|task| runtime.block_on(task).expect("returned")).collect();
    assert_eq!(results, [12, 22, 32, 42, 52, 62]);
    assert_eq!(told_at(KINDS, &round()), []);
}

#[test]
fn the_chain_of_a_task_is_told_in_full() {
    const LINE: u32 = line!() + 3;
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let by_hand = ByHand::default();
    let task = spawn_on(runtime.handle(), deep(by_hand.clone()));
    let stop = Arc::new(Notify::new());
    let told = std::thread::scope(|scope| {
        let asker = scope.spawn(|| {
            let told = until_told(LINE, 1);
            stop.notify_one();
            told
        });
        runtime.block_on(stop.notified());
        asker.join().expect("a thread")
    });
    let [Wait { place: Place::At(frames), tasks: 1, .. }] = told.as_slice() else { panic!("{told:#?}") };
    let poll = <ByHand as Future>::poll as fn(Pin<&mut ByHand>, &mut Context<'_>) -> Poll<()> as usize as u64;
    assert!(frames.iter().take(3).any(|frame| (poll..poll + 4_096).contains(frame)), "{frames:x?}");
    assert!(frames.len() < 60, "{frames:x?}");
    by_hand.open();
    runtime.block_on(task).expect("returned");
}

async fn deep(by_hand: ByHand) {
    deeper(by_hand).await;
}

async fn deeper(by_hand: ByHand) {
    deepest(by_hand).await;
}

async fn deepest(by_hand: ByHand) {
    by_hand.await;
}

#[test]
fn who_keeps_no_waker_is_suspected_and_who_is_not_polled_is_not() {
    const NEVER: u32 = line!() + 3;
    const NEW: u32 = line!() + 3;
    let (runtime, idle) = (multi(), Builder::new_current_thread().build().expect("a runtime"));
    let never = spawn_on(runtime.handle(), pending::<()>());
    let new = spawn_on(idle.handle(), pending::<()>());
    let nowhere = |waits: Vec<Wait>| waits.iter().any(|wait| wait.place == Place::Nowhere);
    while !nowhere(told_at(NEVER, &round())) {}
    let waits = told_at(NEW, &round());
    assert!(
        matches!(waits.as_slice(), [Wait { place: Place::Unknown(State::New), tasks: 1, .. }]),
        "{waits:?}"
    );
    never.abort();
    drop((new, idle));
}

#[test]
fn a_task_on_a_blocked_worker_does_not_hold_up_the_round() {
    const BUSY: u32 = line!() + 6;
    const BEHIND: u32 = line!() + 9;
    let runtime = Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
    let (first, go) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let (going, block) = (go.clone(), first.clone());
    let in_poll = Arc::new(AtomicBool::new(false));
    let busy = spawn_on(runtime.handle(), {
        let in_poll = in_poll.clone();
        async move { block_after(&block, &in_poll, &going).await }
    });
    let behind = spawn_on(runtime.handle(), ByHand::default());
    until_told(BUSY, 1);
    until_told(BEHIND, 1);
    first.notify_one();
    while !in_poll.load(Ordering::Relaxed) {
        std::thread::yield_now();
    }
    let waits = round();
    let place = |line| told_at(line, &waits).first().map(|wait| wait.place.clone());
    go.store(true, Ordering::Relaxed);
    assert_eq!(place(BUSY), Some(Place::Unknown(State::Running)));
    assert_eq!(place(BEHIND), Some(Place::Unknown(State::Waiting)));
    assert_eq!(runtime.block_on(busy).expect("returned"), 7);
    until_told(BEHIND, 1);
    behind.abort();
}

async fn block_after(first: &Notify, in_poll: &AtomicBool, go: &AtomicBool) -> u32 {
    first.notified().await;
    in_poll.store(true, Ordering::Relaxed);
    while !go.load(Ordering::Relaxed) {
        std::thread::yield_now();
    }
    7
}

#[test]
fn a_panic_while_telling_ends_that_task_alone() {
    const LINE: u32 = line!() + 9;
    let runtime = multi();
    let mut polls = 0;
    let future = poll_fn(move |context| {
        polls += 1;
        assert!(polls < 2, "on purpose");
        drop(context.waker().clone());
        Poll::<()>::Pending
    });
    let task = spawn_on(runtime.handle(), future);
    while !task.is_finished() {
        round();
    }
    assert!(runtime.block_on(task).expect_err("panicked").is_panic());
    assert_eq!(told_at(LINE, &round()), []);
}

#[tokio::test]
async fn tasks_of_a_local_set_tell_too() {
    const LINE: u32 = line!() + 4;
    let local = LocalSet::new();
    let by_hand = ByHand::default();
    let door = by_hand.clone();
    let inside = async move { spawn_local(door).await };
    let open = async {
        tokio::task::spawn_blocking(|| until_told(LINE, 1)).await.expect("told");
        by_hand.open();
    };
    let (result, ()) = tokio::join!(local.run_until(inside), open);
    assert!(result.is_ok());
}

#[test]
fn tasks_that_end_or_are_aborted_meanwhile_are_let_go() {
    let runtime = multi();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                round();
            }
        });
        for index in 0..3_000_u32 {
            let by_hand = ByHand::default();
            let task = spawn_on(runtime.handle(), by_hand.clone());
            if index % 3 == 0 {
                std::thread::yield_now();
            }
            if index % 2 == 0 {
                task.abort()
            } else {
                by_hand.open()
            }
            let ended = runtime.block_on(task);
            assert!(ended.is_ok() || index % 2 == 0);
        }
        stop.store(true, Ordering::Relaxed);
    });
    // A task that has ended is counted until its worker has put it away.
    while runtime.metrics().num_alive_tasks() > 0 {
        std::thread::yield_now();
    }
}

/// Passes a number round a ring of tasks; each adds one. A lost wake-up ends it for ever.
fn ring(runtime: &Runtime, tasks: usize, rounds: u64, by: u8) -> u64 {
    let total = Arc::new(AtomicU64::new(0));
    let channels: Vec<_> = (0..tasks).map(|_| mpsc::channel::<u64>(1)).collect();
    let (mut senders, receivers): (Vec<_>, Vec<_>) = channels.into_iter().unzip();
    senders.rotate_left(1);
    let first = senders.last().cloned().expect("a task");
    for (mut receiver, sender) in receivers.into_iter().zip(senders) {
        let total = total.clone();
        drop(spawn_on(runtime.handle(), async move {
            loop {
                let next = match by % 3 {
                    0 => receiver.recv().await,
                    1 => {
                        tokio::time::timeout(Duration::from_secs(60), receiver.recv()).await.expect("in time")
                    }
                    _ => tokio::select! {
                        next = receiver.recv() => next,
                        () = pending::<()>() => None,
                    },
                };
                let Some(left) = next else { return };
                total.fetch_add(1, Ordering::Relaxed);
                if left == 0 || sender.send(left - 1).await.is_err() {
                    return;
                }
            }
        }));
    }
    runtime.block_on(first.send(rounds)).expect("a task");
    drop(first);
    let all = async {
        while total.load(Ordering::Relaxed) <= rounds {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
    };
    runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(30), all).await })
        .expect("no wake-up is lost");
    total.load(Ordering::Relaxed)
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(12))]

    /// However often tasks are asked while they work, they work on and come to the same result.
    #[test]
    fn no_wake_up_is_lost(tasks in 2..40_usize, rounds in 100..2_000_u64, by in any::<u8>()) {
        let runtime = multi();
        let stop = AtomicBool::new(false);
        let sum = std::thread::scope(|scope| {
            scope.spawn(|| while !stop.load(Ordering::Relaxed) { round(); });
            let sum = ring(&runtime, tasks, rounds, by);
            stop.store(true, Ordering::Relaxed);
            sum
        });
        assert_eq!(sum, rounds + 1);
    }
}
