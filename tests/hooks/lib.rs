//! A service whose libraries spawn tasks of their own, on runtimes that were handed to `flamewatch::hook_runtime`. Tokio's
//! hooks take a program that is built with `--cfg tokio_unstable` as a whole, so these tests are a package of their own
//! with next to no dependencies: `scripts/check hooks` runs them in such a build, and `cargo test` in any other, where
//! the same calls must do nothing. The lock profile is tried here, too: it takes another build as well.
#![cfg(test)]

mod ends;
mod library;
#[cfg(feature = "locks")]
mod locks;
mod port;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use flamewatch::source::{Source as _, Tasks, Window};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// True in a build where the hooks are there.
const HOOKED: bool = cfg!(tokio_unstable);

/// A process has one agent at a time.
fn alone() -> MutexGuard<'static, ()> {
    static AGENT: Mutex<()> = Mutex::new(());
    AGENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A runtime that tells of its tasks.
fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    flamewatch::hook_runtime(builder.worker_threads(2).enable_all()).build().expect("a runtime")
}

/// How many tasks are alive that were spawned in `file` at `line`: those that have the label `kind=runtime`, and the others.
fn alive(file: &str, line: u32) -> (i64, i64) {
    use flamewatch::profile::Frame;
    let profile = Tasks::new(None).collect(&Window::now()).expect("tasks");
    let at = |frame: &Frame| matches!(frame, Frame::Named(function) if &*function.file == file && function.line == line);
    let told = |frame: &Frame| matches!(frame, Frame::Label { key, value } if &**key == "kind" && &**value == "runtime");
    profile.iter().filter(|stack| stack.frames().any(at)).fold((0, 0), |(others, ours), stack| {
        if stack.frames().any(told) {
            (others + stack.value(0), ours)
        } else {
            (others, ours + stack.value(0))
        }
    })
}

/// Waits until `found` is what it should be; what is wrong after 10 s stays wrong.
#[track_caller]
fn settles<T: PartialEq + std::fmt::Debug>(expected: &T, found: impl Fn() -> T) {
    let end = Instant::now() + Duration::from_secs(10);
    while found() != *expected && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(found(), *expected);
}

/// A service's own line.
fn ours() -> JoinHandle<()> {
    flamewatch::spawn(std::future::pending())
}

const OURS: u32 = line!() - 3;

/// The block of `text` with `place`, as its count and its labels.
fn block(text: &str, place: &str) -> Option<(u64, String)> {
    let block = text.split("\n\n").find(|block| block.lines().any(|line| line.ends_with(place)))?;
    let count = block.lines().find_map(|line| line.split_once(" @ ")?.0.parse().ok())?;
    Some((count, block.lines().find(|line| line.contains("# labels")).unwrap_or_default().to_owned()))
}

#[test]
fn what_libraries_spawn_is_seen_over_the_port_and_what_we_spawn_is_seen_once() {
    let _alone = alone();
    let runtime = runtime();
    let _inside = runtime.enter();
    let agent = flamewatch::Agent::builder().bind(([127, 0, 0, 1], 0).into()).start().expect("an agent");
    let address = agent.debug_address().expect("a port");
    let connections = library::Server::serve(30);
    let tasks: Vec<_> = (0..20).map(|_| ours()).collect();
    let place = format!("hooks/library.rs:{}", library::CONNECTION);
    let text = port::get(address, "/debug/pprof/goroutine?debug=1");
    let labels = "# labels: {\"kind\":\"runtime\", \"state\":\"alive\"}";
    let expected = HOOKED.then(|| (30, labels.to_owned()));
    assert_eq!(block(&text, &place), expected, "{text}");
    // Where the runtime does not tell of them they are read from memory, and told by their type.
    let read = text.split("\n\n").any(|block| block.contains("30 @") && block.contains("library"));
    assert!(read, "{text}");
    assert_eq!(text.contains("were read from tokio's lists"), !HOOKED, "{text}");
    let ours = format!("hooks/lib.rs:{OURS}");
    assert_eq!(text.lines().filter(|line| line.ends_with(&ours)).count(), 1, "{text}");
    assert_eq!(block(&text, &ours).map(|(count, _)| count), Some(20), "{text}");
    let list = port::get(address, "/debug/tasks");
    let rows = list.lines().filter(|line| line.contains(&place) && line.ends_with("kind=runtime"));
    assert_eq!(rows.count(), if HOOKED { 30 } else { 0 }, "{list}");
    let metrics = port::get(address, "/metrics");
    let figure = metrics.lines().find(|line| line.contains(&place)).unwrap_or_default();
    assert_eq!(figure.contains("kind=\"runtime\"} 30"), HOOKED, "{figure}");
    drop(connections);
    tasks.iter().for_each(JoinHandle::abort);
    settles(&((0, 0), (0, 0)), || (alive(library::FILE, library::CONNECTION), alive(file!(), OURS)));
    let text = port::get(address, "/debug/pprof/goroutine?debug=1");
    assert_eq!((block(&text, &place), block(&text, &ours)), (None, None), "{text}");
}

#[test]
fn the_doctor_says_whether_there_are_hooks() {
    let finding = || {
        let report = flamewatch::doctor();
        let check = report.checks.iter().find(|check| check.name == "tasks of libraries");
        check.map(|check| check.finding.clone()).expect("a check")
    };
    // With hooks another test may have set them already.
    assert!(HOOKED || finding().starts_with("read from tokio's lists"), "{}", finding());
    runtime().block_on(async { library::Server::serve(1) });
    assert_eq!(finding().starts_with("told of by the runtime's hooks"), HOOKED, "{}", finding());
}

/// Users who have hooks of their own.
#[cfg(tokio_unstable)]
#[test]
fn hooks_of_others_can_pass_on_what_they_are_told() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    let told = Arc::new(AtomicU32::new(0));
    let count = told.clone();
    let spawned = move |task: &tokio::runtime::TaskMeta<'_>| {
        count.fetch_add(1, Ordering::Relaxed);
        flamewatch::task_hooks::spawned(task);
    };
    let mut builder = Builder::new_current_thread();
    builder.on_task_spawn(spawned).on_task_terminate(flamewatch::task_hooks::ended);
    let runtime = builder.build().expect("a runtime");
    let line = line!() + 1;
    let tasks: Vec<_> = (0..3).map(|_| runtime.spawn(std::future::pending::<()>())).collect();
    assert_eq!((told.load(Ordering::Relaxed), alive(file!(), line)), (3, (3, 0)));
    drop((runtime, tasks));
    assert_eq!(alive(file!(), line), (0, 0));
}
