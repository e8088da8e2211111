//! Locks that threads contend for in known ways, and raw calls whose answers are known: what the lock profile says of the
//! ones, and that it does nothing to the others. Both programs are fixtures, for `scripts/bench locks`; here they are a part
//! of the test, which so is a program with the symbol `syscall`.

#[path = "../../fixtures/src/bin/lock_stress/calls.rs"]
mod calls;
#[path = "../../fixtures/src/bin/lock_truth/contention.rs"]
mod contention;

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::{alone, port, runtime};

/// The sum of the second value of the stacks that have all of `parts` in functions or labels.
fn delay(profile: &Value, parts: &[&str]) -> f64 {
    let has = |stack: &Value, part: &str| {
        let frames = stack["frames"].as_array().expect("frames");
        frames.iter().any(|frame| {
            frame["name"].as_str().or(frame["value"].as_str()).is_some_and(|name| name.contains(part))
        })
    };
    let stacks = profile["stacks"].as_array().expect("stacks").iter();
    stacks
        .filter(|stack| parts.iter().all(|part| has(stack, part)))
        .filter_map(|stack| stack["values"][1].as_f64())
        .sum()
}

const LOCKS: [&str; 4] = ["std_mutex", "parking_lot_mutex", "std_rwlock", "parking_lot_rwlock"];

/// What both profiles say of each lock: what was waited, what was let wait, and what of it by `slow_holder`; and of the
/// condition what was waited.
fn seen(block: &Value, mutex: &Value) -> Vec<f64> {
    let mut seen = vec![delay(block, &["awaits_a_notice", "condvar"])];
    for lock in LOCKS {
        let kind = if lock.ends_with("mutex") { "mutex" } else { "rwlock" };
        let here = format!("holders::{lock}::");
        seen.push(delay(block, &[&here, kind]));
        seen.push(delay(mutex, &[&here, kind]));
        seen.push(delay(mutex, &[&format!("{here}slow_holder")]));
    }
    seen
}

/// The same by the threads' own clocks.
fn measured(truth: &Value) -> Vec<f64> {
    let number = |lock: &str, key: &str| truth[lock][key].as_f64().expect("a number");
    let of = |lock| ["waited_ns", "waited_ns", "slow_holder_ns"].map(|key| number(lock, key));
    std::iter::once(number("condvar", "waited_ns")).chain(LOCKS.into_iter().flat_map(of)).collect()
}

#[test]
fn who_waits_and_who_holds_is_told_as_the_threads_measure_it() {
    let _alone = alone();
    let runtime = runtime();
    let _inside = runtime.enter();
    let builder = flamewatch::Agent::builder().bind(([127, 0, 0, 1], 0).into());
    let agent = builder.lock_rate(Duration::from_micros(500)).start().expect("an agent");
    let address = agent.debug_address().expect("a port");
    let profiles = || {
        ["block", "mutex"].map(|name| {
            let text = port::get(address, &format!("/debug/pprof/{name}?format=json"));
            serde_json::from_str::<Value>(&text).expect("JSON")
        })
    };
    let mut before = vec![0.0; 1 + 3 * LOCKS.len()];
    let mut found = Vec::new();
    // A thread that has the lock and not yet a processor waits by its own clock alone, and these tests share two.
    let is_near = (0..5).any(|_| {
        let truth = contention::contend(Duration::from_millis(1_500));
        let [block, mutex] = profiles();
        let now = seen(&block, &mutex);
        let off = |((now, before), truth): ((&f64, &f64), f64)| (now - before) / truth - 1.0;
        found = now.iter().zip(&before).zip(measured(&truth)).map(off).collect();
        before = now;
        found.iter().all(|off| off.abs() < 0.02)
    });
    assert!(is_near, "{found:?} off for {LOCKS:?}");
    let [_, mutex] = profiles();
    assert_eq!(delay(&mutex, &["notices"]), 0.0, "a notice is no unlock");
    assert!(delay(&mutex, &["tokio::"]) < 0.02 * delay(&mutex, &[]), "idle workers contend for nothing");
    let remarks = mutex["comments"].to_string();
    assert!(
        remarks.contains("by every futex call") && remarks.contains("counted since the start"),
        "{remarks}"
    );
    let metrics = port::get(address, "/metrics");
    assert!(metrics.contains("\nflamewatch_lock_waits_total "), "{metrics}");
    assert!(flamewatch::doctor().to_string().contains("every futex call is seen"));
    let text = port::get(address, "/debug/pprof/mutex?debug=1");
    assert!(text.contains("slow_holder"), "{text}");
}

#[test]
fn who_calls_gets_what_the_kernel_answers_whatever_happens_meanwhile() {
    let _alone = alone();
    calls::hear_signals();
    let builder = flamewatch::Agent::builder().without_port().lock_rate(Duration::from_nanos(1));
    let agent = builder.start().expect("an agent");
    let listening = calls::half(Duration::from_secs(1));
    drop(agent);
    assert_eq!(calls::answers(), calls::EXPECTED);
    assert_eq!(listening["answers"], serde_json::json!(calls::EXPECTED));
    assert_eq!(listening["lost"], 0, "{listening}");
    assert!(
        listening["children"].as_array().is_some_and(|all| all.iter().all(|code| *code == 7)),
        "{listening}"
    );
}

/// What tokio's own blocking calls wait for, and its workers without work, by name.
#[test]
fn waits_of_tokio_are_told_apart_from_contention() {
    let _alone = alone();
    let runtime = runtime();
    let _inside = runtime.enter();
    let builder = flamewatch::Agent::builder().bind(([127, 0, 0, 1], 0).into());
    let agent = builder.lock_rate(Duration::from_nanos(1)).start().expect("an agent");
    let lock = std::sync::Arc::new(tokio::sync::Mutex::new(()));
    for _ in 0..3 {
        let pause = Duration::from_millis(30);
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let held = lock.clone();
        let holder = runtime.spawn(async move {
            let guard = held.lock_owned().await;
            tokio::time::sleep(pause).await;
            drop(guard);
            sender.send(()).expect("somebody waits");
        });
        receiver.blocking_recv().expect("a notice");
        runtime.block_on(holder).expect("no panic");
        let guard = lock.clone().try_lock_owned().expect("nobody has it");
        let waiter = lock.clone();
        let waits = std::thread::spawn(move || drop(waiter.blocking_lock()));
        std::thread::sleep(pause);
        drop(guard);
        waits.join().expect("no panic");
        runtime.block_on(async { tokio::time::sleep(pause).await });
        // Wakes both workers, and lets both rest.
        (0..4).map(|_| runtime.spawn(tokio::task::yield_now())).for_each(drop);
        runtime.spawn_blocking(|| ());
    }
    let block = port::get(agent.debug_address().expect("a port"), "/debug/pprof/block?format=json");
    let block: Value = serde_json::from_str(&block).expect("JSON");
    for kind in ["blocking_recv", "blocking_lock", "block_on", "tokio idle"] {
        assert!(delay(&block, &[kind, "tokio::"]) > 30e6, "{kind} of {block}");
    }
}

/// That a program without the feature has none is tried in `tests/it`.
#[test]
fn the_program_has_the_symbol_and_whoever_it_loads_sees_it() {
    let program = std::env::current_exe().expect("a path");
    let symbols = Command::new("nm").arg("-D").arg(program).output().expect("nm, of binutils");
    assert!(String::from_utf8_lossy(&symbols.stdout).contains(" T syscall\n"));
}
