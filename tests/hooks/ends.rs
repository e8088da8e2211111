//! Whatever becomes of a task, and whoever has spawned it: at the end nobody is left.

use std::future::pending;

use proptest::prelude::{Just, ProptestConfig, Strategy, prop_oneof, proptest};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::{HOOKED, alive, runtime, settles};

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Returns,
    Panics,
    Aborted,
    OutlivesRuntime,
    Detached,
    /// Spawned when its runtime is gone.
    Refused,
}

#[derive(Clone, Copy, Debug)]
enum By {
    Tokio,
    Flamewatch,
    Blocking,
}

async fn ends(end: End) {
    assert!(end != End::Panics, "on purpose");
    if matches!(end, End::Aborted | End::OutlivesRuntime | End::Refused) {
        /// Whoever is dropped says so in a task of its own.
        struct Farewell;
        impl Drop for Farewell {
            fn drop(&mut self) {
                if let Ok(handle) = Handle::try_current() {
                    handle.spawn(async {});
                }
            }
        }
        let _farewell = Farewell;
        pending().await
    }
}

/// One line for all: a service's own wrapper, which hands its caller on.
#[track_caller]
fn spawn(handle: &Handle, by: By, end: End) -> JoinHandle<()> {
    match by {
        By::Tokio => handle.spawn(ends(end)),
        By::Flamewatch => flamewatch::spawn_on(handle, ends(end)),
        By::Blocking => handle.spawn_blocking(move || assert!(end != End::Panics, "on purpose")),
    }
}

fn tasks() -> impl Strategy<Value = Vec<(End, By, usize)>> {
    let end = prop_oneof![
        Just(End::Returns),
        Just(End::Panics),
        Just(End::Aborted),
        Just(End::OutlivesRuntime),
        Just(End::Detached),
        Just(End::Refused)
    ];
    let by = prop_oneof![Just(By::Tokio), Just(By::Flamewatch), Just(By::Blocking)];
    proptest::collection::vec((end, by, 0..2_usize), 0..40)
}

/// Where the property test spawns.
const SPAWNED: u32 = line!() + 2;
fn spawn_one(handle: &Handle, by: By, end: End) -> JoinHandle<()> {
    spawn(handle, by, end)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 8, ..ProptestConfig::default() })]

    #[test]
    fn whatever_becomes_of_tasks_none_is_left(all in tasks()) {
        let runtimes = [(); 2].map(|()| runtime());
        let handles = [0, 1].map(|index: usize| runtimes[index].handle().clone());
        let (refused, all): (Vec<_>, Vec<_>) = all.into_iter().partition(|(end, ..)| *end == End::Refused);
        let mut waiting = [0, 0];
        let mut spawned = Vec::new();
        for (end, by, into) in all {
            let _inside = runtimes[1 - into].enter();
            let waits = matches!(end, End::Aborted | End::OutlivesRuntime);
            match by {
                By::Tokio => waiting[0] += i64::from(waits && HOOKED),
                By::Flamewatch => waiting[1] += i64::from(waits),
                By::Blocking => {}
            }
            spawned.push((end, spawn_one(&handles[into], by, end)));
        }
        settles(&(waiting[0], waiting[1]), || alive(file!(), SPAWNED));
        for (end, task) in spawned {
            match end {
                End::Returns => runtimes[0].block_on(task).expect("returned"),
                End::Panics => assert!(runtimes[0].block_on(task).is_err()),
                End::Aborted => {
                    task.abort();
                    let _a_blocking_one_cannot_be = runtimes[1].block_on(task);
                }
                _ => drop(task),
            }
        }
        drop(runtimes);
        for (end, by, into) in refused {
            drop(spawn_one(&handles[into], by, end));
        }
        assert_eq!(alive(file!(), SPAWNED), (0, 0));
    }
}

/// A runtime that is closed while others spawn into it ends tasks on one thread while another is about to tell of them.
#[test]
fn tasks_that_end_while_they_are_spawned_are_not_left_over() {
    let line = line!() + 7;
    for _ in 0..200 {
        let runtime = runtime();
        std::thread::scope(|scope| {
            for handle in [runtime.handle().clone(), runtime.handle().clone()] {
                scope.spawn(move || {
                    (0..50).for_each(|_| {
                        drop(handle.spawn(pending::<()>()));
                    });
                });
            }
            drop(runtime);
        });
    }
    assert_eq!(alive(file!(), line), (0, 0));
}
