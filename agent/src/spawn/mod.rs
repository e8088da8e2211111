//! Spawning tasks that are counted under the line that spawned them. In a build without features these are plain
//! forwards to tokio.

#[cfg(feature = "__agent")]
pub(crate) mod registry;
#[cfg(feature = "__agent")]
mod watched;

use std::future::Future;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// [`tokio::spawn`], and the task is counted under the line that calls this: in the `goroutine` profile, in the
/// `tasks` gauge, and in an alert when the tasks of one line only ever become more.
///
/// Costs two atomic additions and a look-up per task, and nothing per poll.
///
/// # Panics
/// Outside a tokio runtime, as [`tokio::spawn`] does.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(counted(future))
}

/// [`spawn`] on the runtime of `handle`, from anywhere.
#[track_caller]
pub fn spawn_on<F>(handle: &Handle, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    handle.spawn(counted(future))
}

/// [`tokio::task::spawn_blocking`], counted as [`spawn`] does: from the call until the closure has returned.
///
/// # Panics
/// Outside a tokio runtime, as [`tokio::task::spawn_blocking`] does.
#[track_caller]
pub fn spawn_blocking<F, R>(work: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    #[cfg(feature = "__agent")]
    {
        let alive = registry::enter(std::panic::Location::caller(), std::any::type_name::<F>());
        tokio::task::spawn_blocking(move || {
            let _alive = alive;
            work()
        })
    }
    #[cfg(not(feature = "__agent"))]
    tokio::task::spawn_blocking(work)
}

#[cfg(feature = "__agent")]
#[track_caller]
fn counted<F: Future>(future: F) -> watched::Watched<F> {
    watched::Watched::new(future, registry::enter(std::panic::Location::caller(), std::any::type_name::<F>()))
}

#[cfg(not(feature = "__agent"))]
fn counted<F: Future>(future: F) -> F {
    future
}
