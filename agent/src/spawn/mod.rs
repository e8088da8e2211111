//! `tokio::spawn` under the name of the place that calls it. In an inert build the call is forwarded and nothing else.

#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod awaits;
#[cfg(all(
    feature = "__agent",
    not(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))
))]
#[path = "awaits/silent.rs"]
mod awaits;
#[cfg(feature = "__agent")]
mod census;
#[cfg(feature = "__agent")]
mod finder;
mod hooks;
mod join_set;
#[cfg(feature = "__agent")]
mod lane;
#[cfg(feature = "__agent")]
mod magazine;
#[cfg(feature = "__agent")]
mod name;
#[cfg(feature = "__agent")]
mod registry;
#[cfg(all(feature = "__agent", any(test, tokio_unstable)))]
mod roster;
#[cfg(feature = "__agent")]
mod runtimes;
#[cfg(feature = "__agent")]
mod site;
#[cfg(feature = "__agent")]
mod slab;
#[cfg(feature = "__agent")]
mod task;
#[cfg(feature = "__agent")]
mod ticket;
mod watch;
#[cfg(feature = "__agent")]
mod watched;

use std::future::Future;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) use awaits::{Awaits, MAX_ASKED, Place, Wait, awaits};
#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) use census::in_one_poll;
#[cfg(feature = "__agent")]
pub(crate) use census::{Group, groups, groups_born_before, oldest, rows};
#[cfg(feature = "__agent")]
pub(crate) use finder::Finder;
#[cfg(feature = "__agent")]
pub(crate) use hooks::{are_set as hooks_are_set, unlisted as hooked_unlisted};
#[cfg(feature = "__agent")]
pub(crate) use magazine::MAX_LISTED;
#[cfg(feature = "__agent")]
pub(crate) use name::of_place;
#[cfg(feature = "__agent")]
pub(crate) use registry::Registry;
#[cfg(feature = "__agent")]
pub(crate) use runtimes::{MAX_RUNTIMES, Runtime, runtimes};
#[cfg(feature = "__agent")]
pub(crate) use site::{Kind, SiteCount};
#[cfg(feature = "__agent")]
pub(crate) use slab::{Row, State};

pub use hooks::hook_runtime;
#[cfg(tokio_unstable)]
pub use hooks::{ended, spawned};
pub use join_set::JoinSetExt;
pub use watch::{InScope, Watch, Watched};

/// What the slab is made of. Its model brings its own: atomics that loom can look into, and few slots.
#[cfg(feature = "__agent")]
mod parts {
    pub(super) use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering, fence};

    pub(super) use crate::sys::waker::Kept;

    /// Slots in a chunk: 192 KB, taken when the first of them is needed.
    pub(super) const CHUNK: usize = 4_096;

    /// As many slots as change hands between a thread and the others at once.
    pub(super) const BATCH: usize = 16;
}

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
    let (future, _ours) = (task(future), hooks::Ours::spawn());
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
    let (future, _ours) = (task(future), hooks::Ours::spawn());
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
        let ticket = ticket::Ticket::enter::<F>(std::panic::Location::caller(), Kind::Blocking);
        move || {
            let _poll = ticket.poll();
            function()
        }
    };
    tokio::task::spawn_blocking(function)
}

/// Spawns `future` on this thread, as [`tokio::task::spawn_local`] does, and counts it as [`spawn`] does.
///
/// # Panics
/// Outside of a [`LocalSet`](tokio::task::LocalSet), as [`tokio::task::spawn_local`] does.
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    #[cfg(feature = "__agent")]
    let future = {
        let ticket = ticket::Ticket::enter::<F>(std::panic::Location::caller(), Kind::Local);
        task::Task::new(future, ticket)
    };
    #[cfg(feature = "__agent")]
    let _ours = hooks::Ours::spawn();
    tokio::task::spawn_local(future)
}

/// Watches the workers of one more runtime, called `name` in pages and alerts. The one that the agent is started in is
/// watched without. May be called before the agent is started; at most 32 runtimes are watched, and none twice.
#[cfg_attr(not(feature = "__agent"), allow(unused_variables, reason = "nobody watches in this build"))]
pub fn watch_runtime(handle: &Handle, name: &str) {
    #[cfg(feature = "__agent")]
    runtimes::add(handle, name);
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

/// `future` as it is spawned: with a ticket of the line that spawns it.
#[cfg(feature = "__agent")]
#[inline]
#[track_caller]
fn task<F: Future>(future: F) -> task::Task<F> {
    let ticket = ticket::Ticket::enter::<F>(std::panic::Location::caller(), Kind::Task);
    task::Task::new(future, ticket)
}

#[cfg(all(test, feature = "__agent"))]
mod tests;
