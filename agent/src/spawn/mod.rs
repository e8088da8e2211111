//! `tokio::spawn` under the name of the place that calls it. In an inert build the call is forwarded and nothing else.

#[cfg(feature = "__agent")]
mod guarded;
#[cfg(feature = "__agent")]
mod name;
#[cfg(feature = "__agent")]
mod registry;
mod watch;

use std::future::Future;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

#[cfg(feature = "__agent")]
pub(crate) use registry::{Kind, Registry, SiteCount};
pub use watch::{InScope, Watch};

/// Spawns `future` as [`tokio::spawn`] does, and counts it as alive under the line that called this until it ends,
/// is aborted or panics. The counts are the `goroutine` profile.
///
/// # Panics
/// Outside of a tokio runtime, as [`tokio::spawn`] does.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    #[cfg(feature = "__agent")]
    let future = watched(future);
    tokio::spawn(future)
}

/// Spawns `future` on the runtime of `handle`, as [`Handle::spawn`] does, and counts it as [`spawn`] does.
#[track_caller]
pub fn spawn_on<F>(handle: &Handle, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    #[cfg(feature = "__agent")]
    let future = watched(future);
    handle.spawn(future)
}

/// Runs `function` where blocking is allowed, as [`tokio::task::spawn_blocking`] does, and counts it as [`spawn`]
/// does, from when it is queued.
///
/// # Panics
/// Outside of a tokio runtime, as [`tokio::task::spawn_blocking`] does.
#[track_caller]
pub fn spawn_blocking<F, R>(function: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    #[cfg(feature = "__agent")]
    let function = {
        let alive = registry::enter::<F>(std::panic::Location::caller(), Kind::Blocking);
        move || {
            let _alive = alive;
            function()
        }
    };
    tokio::task::spawn_blocking(function)
}

/// The tasks alive in `runtime`, ours and all others.
#[cfg(feature = "__agent")]
pub(crate) fn alive_in(runtime: &Handle) -> u64 {
    runtime.metrics().num_alive_tasks() as u64
}

/// The tasks alive: those of `runtime` where one is known, else those spawned through [`spawn`].
#[cfg(feature = "__agent")]
pub(crate) fn alive(runtime: Option<&Handle>) -> u64 {
    runtime.map_or_else(|| Registry::global().alive(), alive_in)
}

#[cfg(feature = "__agent")]
#[track_caller]
fn watched<F: Future>(future: F) -> guarded::Guarded<F, registry::Alive> {
    let alive = registry::enter::<F>(std::panic::Location::caller(), Kind::Task);
    guarded::Guarded::new(future, alive)
}

#[cfg(all(test, feature = "__agent"))]
mod tests {
    use std::future::pending;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    /// Alive and spawned in this file at `line`.
    fn counts(line: u32) -> (u64, u64) {
        let at_line = |count: &SiteCount| {
            count.place.is_some_and(|place| place.line() == line && place.file() == file!())
        };
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
}
