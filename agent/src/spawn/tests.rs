//! How tasks end, and what is seen of them meanwhile.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::{Strategy, proptest};
use tokio::task::{JoinSet, LocalSet};

use super::magazine::SLAB;
use super::slab::{Of, Slab, Slot};
use super::*;
use crate::context::{self, Key};

/// Alive and spawned in this file at `line`.
fn counts(line: u32) -> (u64, u64) {
    let at_line =
        |count: &SiteCount| count.place.is_some_and(|place| place.line() == line && place.file() == file!());
    let counts = Registry::global().counts();
    counts
        .iter()
        .filter(|count| at_line(count))
        .fold((0, 0), |(alive, spawned), count| (alive + count.alive, spawned + count.spawned))
}

async fn ends(end: &str) {
    assert!(end != "panic", "on purpose");
    if end == "wait" {
        pending().await
    }
}

#[tokio::test]
async fn every_end_of_a_task_is_counted() {
    let line = line!() + 1;
    let all = ["return", "panic", "wait"].map(|end| spawn(ends(end)));
    assert_eq!(counts(line), (3, 3), "spawned, not polled yet");
    let [returns, panics, waits] = all;
    returns.await.expect("returned");
    assert!(panics.await.expect_err("panicked").is_panic());
    assert_eq!(counts(line), (1, 3));
    waits.abort();
    assert!(waits.await.expect_err("aborted").is_cancelled());
    assert_eq!(counts(line), (0, 3));
}

#[test]
fn a_task_that_was_never_polled_ends_with_its_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let line = line!() + 1;
    let task = spawn_on(runtime.handle(), pending::<()>());
    assert_eq!(counts(line), (1, 1));
    drop(runtime);
    assert_eq!(counts(line), (0, 1));
    drop(task);
}

#[tokio::test]
async fn blocking_functions_count_too() {
    let line = line!() + 1;
    let task = spawn_blocking(|| 7);
    assert_eq!(task.await.expect("returned"), 7);
    assert_eq!(counts(line), (0, 1));
}

#[test]
fn outside_a_runtime_it_panics_as_tokio_does_and_counts_nothing_alive() {
    let message = |panic: Box<dyn std::any::Any + Send>| {
        panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
    };
    let line = line!() + 1;
    let ours = catch_unwind(|| drop(spawn(async {}))).map_err(message).expect_err("no runtime");
    let tokios = catch_unwind(|| drop(tokio::spawn(async {}))).map_err(message).expect_err("no runtime");
    assert_eq!(ours, tokios);
    assert!(ours.is_some_and(|message| message.contains("no reactor running")));
    assert_eq!(counts(line), (0, 1));
    let blocking = catch_unwind(AssertUnwindSafe(|| drop(spawn_blocking(|| ()))));
    assert!(blocking.is_err());
}

/// The slots of the tasks spawned in this file at `line`.
fn rows(line: u32) -> Vec<Row> {
    let at_line =
        |count: &SiteCount| count.place.is_some_and(|place| place.line() == line && place.file() == file!());
    let counts = Registry::global().counts();
    let sites: Vec<u32> = counts.iter().filter(|count| at_line(count)).map(|count| count.number).collect();
    SLAB.rows().filter(|row| sites.contains(&row.site)).collect()
}

fn states(line: u32) -> Vec<State> {
    let mut states: Vec<_> = rows(line).iter().map(|row| row.state).collect();
    states.sort();
    states
}

/// The label `task` of where this runs.
fn task_here() -> Option<String> {
    context::label(context::current(), Key::Task).map(|name| name.to_string())
}

#[tokio::test]
async fn a_slot_tells_what_its_task_does() {
    let line = line!() + 8;
    let work = || async move {
        assert!(states(line).contains(&State::Running));
        tokio::task::yield_now().await;
        pending::<()>().await
    };
    let mut tasks = Vec::new();
    for _ in 0..2 {
        tasks.push(spawn(work()));
    }
    let (first, second) = (tasks.remove(0), tasks.remove(0));
    assert_eq!(states(line), [State::New, State::New]);
    while states(line) != [State::Waiting, State::Waiting] || rows(line).iter().any(|row| row.polls < 2) {
        tokio::task::yield_now().await;
    }
    second.abort();
    assert!(second.await.is_err());
    assert_eq!(states(line), [State::Waiting]);
    first.abort();
    assert!(first.await.is_err());
    assert_eq!(states(line), []);
}

#[tokio::test]
async fn long_polls_are_counted_each_and_short_ones_by_sample() {
    let line = line!() + 1;
    let task = spawn(async {
        let end = std::time::Instant::now() + std::time::Duration::from_millis(60);
        while std::time::Instant::now() < end {}
        tokio::task::yield_now().await;
        for _ in 0..200 {
            std::hint::black_box((0..10_000).sum::<u64>());
            tokio::task::yield_now().await;
        }
        pending::<()>().await
    });
    while states(line) != [State::Waiting] || rows(line)[0].polls < 202 {
        tokio::task::yield_now().await;
    }
    let busy = rows(line)[0].busy_ns / 1_000_000;
    assert!((40..4_000).contains(&busy), "{busy} ms");
    task.abort();
}

#[tokio::test]
async fn tasks_of_a_thread_and_of_a_set_count_too() {
    let mut set = JoinSet::new();
    let line = line!() + 1;
    set.spawn_watched(pending::<()>());
    assert_eq!((counts(line), rows(line).len()), ((1, 1), 1));
    set.abort_all();
    assert!(set.join_next().await.expect("a task").is_err());
    assert_eq!(counts(line), (0, 1));
    let local = LocalSet::new();
    let line = line!() + 3;
    let not_send = std::rc::Rc::new(7);
    let inside = async move {
        let task = spawn_local(async move { *not_send });
        assert_eq!(counts(line), (1, 1));
        task.await
    };
    assert_eq!(local.run_until(inside).await.expect("returned"), 7);
    assert_eq!(counts(line), (0, 1));
}

#[tokio::test]
async fn a_task_keeps_the_route_it_was_spawned_for() {
    let route = context::child(context::current(), Key::Route, "GET /spawned");
    let entered = context::Entered::new(route);
    let line = line!() + 1;
    let task = spawn(async { context::label(context::current(), Key::Route) });
    drop(entered);
    assert_eq!(context::label(rows(line)[0].tag, Key::Route).as_deref(), Some("GET /spawned"));
    assert_eq!(task.await.expect("returned").as_deref(), Some("GET /spawned"));
    assert_eq!(context::current(), 0);
}

#[tokio::test]
async fn a_watched_future_names_the_task_that_is_spawned_of_it() {
    let name =
        |rows: &[Row]| rows.first().and_then(|row| context::text(context::Value::from_number(row.name)));
    let line = line!() + 1;
    let task = spawn(async { (task_here(), pending::<()>().await) }.watched("importer"));
    assert_eq!((rows(line).len(), name(&rows(line))), (1, None), "not polled yet");
    while states(line) != [State::Waiting] {
        tokio::task::yield_now().await;
    }
    assert_eq!((counts(line), rows(line).len()), ((1, 1), 1), "one task, listed once");
    assert_eq!(name(&rows(line)).as_deref(), Some("importer"));
    task.abort();
    let named = spawn(async { task_here() }.watched("reader")).await.expect("returned");
    assert_eq!(named.as_deref(), Some("reader"));
}

#[tokio::test]
async fn a_watched_future_is_listed_by_itself_elsewhere() {
    let kind = |line| {
        let at_line = |count: &&SiteCount| {
            count.place.is_some_and(|place| place.line() == line && place.file() == file!())
        };
        Registry::global().counts().iter().find(at_line).map(|count| (count.kind, count.alive))
    };
    let others = line!() + 1;
    let task = tokio::spawn(async { (task_here(), tokio::task::yield_now().await).0 }.watched("others"));
    tokio::task::yield_now().await;
    assert_eq!(kind(others), Some((Kind::Task, 1)));
    assert_eq!(task.await.expect("returned").as_deref(), Some("others"));
    assert_eq!(kind(others), Some((Kind::Task, 0)));
    let within = line!() + 2;
    let task = spawn(async move {
        let inner = async move { (kind(within), task_here()) }.watched("inner").await;
        assert_ne!(task_here(), inner.1);
        inner
    });
    let (seen, name) = task.await.expect("returned");
    assert_eq!((seen, name.as_deref()), (Some((Kind::Future, 1)), Some("inner")));
    assert_eq!(kind(within), Some((Kind::Future, 0)));
}

#[test]
fn slots_are_given_back_when_their_thread_ends() {
    let used = || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let tasks = (0..100).map(|_| spawn_on(runtime.handle(), pending::<()>()));
        drop(tasks.collect::<Vec<_>>());
    };
    // Without giving back, a thousand threads would use up 32,000 slots.
    for _ in 0..1_000 {
        std::thread::spawn(used).join().expect("a thread");
    }
    assert!(SLAB.used() < 16_000, "{} slots", SLAB.used());
}

#[test]
fn tasks_may_end_while_their_thread_is_torn_down() {
    use std::cell::RefCell;

    thread_local! {
        static KEPT: RefCell<Option<tokio::runtime::Runtime>> = const { RefCell::new(None) };
    }
    const LINE: u32 = line!() + 2;
    fn fill(handle: &Handle) {
        drop(spawn_on(handle, pending::<()>()));
    }
    for first in [false, true] {
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            // Destructors run in the reverse order of first use: once the magazine's before this one's, once after.
            let keep = |runtime| KEPT.with_borrow_mut(|kept| *kept = Some(runtime));
            let handle = runtime.handle().clone();
            if first {
                keep(runtime);
                (0..40).for_each(|_| fill(&handle));
            } else {
                (0..40).for_each(|_| fill(&handle));
                keep(runtime);
            }
            assert_eq!(counts(LINE).0, 40);
        });
        thread.join().expect("a thread");
        assert_eq!((counts(LINE).0, rows(LINE)), (0, Vec::new()));
    }
}

/// What happens to a task, in an order that a property test makes up.
#[derive(Clone, Copy, Debug)]
enum End {
    Returns,
    Panics,
    Aborted,
    OutlivesRuntime,
    Detached,
}

/// Where [`spawn_ending`] spawns.
const ENDING: u32 = line!() + 3;

fn spawn_ending(handle: &Handle, end: End) -> JoinHandle<()> {
    spawn_on(handle, ends_as(end))
}

async fn ends_as(end: End) {
    ends(match end {
        End::Returns | End::Detached => "return",
        End::Panics => "panic",
        End::Aborted | End::OutlivesRuntime => "wait",
    })
    .await;
}

fn ends_of_tasks() -> impl Strategy<Value = Vec<(End, usize)>> {
    use proptest::prelude::{Just, prop_oneof};
    let end = prop_oneof![
        Just(End::Returns),
        Just(End::Panics),
        Just(End::Aborted),
        Just(End::OutlivesRuntime),
        Just(End::Detached)
    ];
    proptest::collection::vec((end, 0..2_usize), 0..40)
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    /// Tasks of two runtimes, spawned into each from the other, whatever becomes of them.
    #[test]
    fn whatever_becomes_of_tasks_none_is_left(all in ends_of_tasks()) {
        let runtimes = [(); 2].map(|()| {
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime")
        });
        let handles: Vec<Handle> = runtimes.iter().map(|runtime| runtime.handle().clone()).collect();
        let mut tasks = Vec::new();
        for (end, into) in &all {
            let (from, into) = (&runtimes[1 - into], handles[*into].clone());
            let end = *end;
            let _inside = from.enter();
            tasks.push((end, spawn_ending(&into, end)));
        }
        for (end, task) in tasks {
            match end {
                End::Returns => runtimes[0].block_on(task).expect("returned"),
                End::Panics => assert!(runtimes[0].block_on(task).is_err()),
                End::Aborted => {
                    task.abort();
                    assert!(runtimes[1].block_on(task).is_err());
                }
                End::OutlivesRuntime | End::Detached => drop(task),
            }
        }
        drop(runtimes);
        assert_eq!(rows(ENDING), []);
        assert_eq!(counts(ENDING).0, 0);
    }
}

#[test]
fn a_slot_takes_48_bytes_and_tells_births_years_later() {
    assert_eq!(size_of::<Slot>(), 48);
    let slab = Slab::new(1);
    let mut slots = Vec::new();
    slab.take(|slot| slots.push(slot));
    let apart: Vec<_> = slots
        .windows(2)
        .map(|pair| std::ptr::from_ref(pair[1]).addr() - std::ptr::from_ref(pair[0]).addr())
        .collect();
    assert!(apart.iter().all(|bytes| *bytes >= 128), "no two of one batch in one cache line: {apart:?}");
    let year_ms = 365 * 24 * 3_600_000_u64;
    for (born_ms, age_ms) in [(0, 0), (5, 90_000), (year_ms * 3 + 17, 15), (year_ms * 7 + 1, year_ms * 2)] {
        let of = Of { site: 8_195, name: 8_192, named: true };
        slots[0].enter(of, 16_384, born_ms);
        let begun = slots[0].begin(born_ms + age_ms, || 0);
        slots[0].end(begun, born_ms + age_ms, || 0);
        let row = slots[0].read().expect("a task");
        assert_eq!((row.site, row.name, row.tag, row.polls), (8_195, 8_192, 16_384, 1));
        assert_eq!((slots[0].of(), row.since_ms), (of, born_ms + age_ms));
        assert!(row.born_ms <= born_ms && born_ms - row.born_ms < 16, "{row:?}");
        slots[0].leave();
    }
}
