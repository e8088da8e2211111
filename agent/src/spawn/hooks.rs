//! Tasks that others spawn. Tokio's runtime tells of each task's spawn and end, in a program that is built with
//! `--cfg tokio_unstable`; then what hyper, tower or tonic spawn counts under its line as well. In any other program the
//! same names do nothing. Hooks run within the tasks of the service: nothing here can fail, and nothing waits.

use tokio::runtime::Builder;

#[cfg(all(feature = "__agent", any(test, tokio_unstable)))]
mod told;
#[cfg(all(feature = "__agent", not(any(test, tokio_unstable))))]
#[path = "hooks/silent.rs"]
mod told;

#[cfg(feature = "__agent")]
pub(super) use told::{Ours, knows_this_task, rows};
#[cfg(feature = "__agent")]
pub(crate) use told::{are_set, unlisted};

/// Has `builder`'s runtime tell flamewatch of every task, so that those which libraries spawn through [`tokio::spawn`]
/// count under the line that spawned them, with `kind="runtime"`. What is spawned through [`spawn`](crate::spawn()) is
/// counted once, as before.
///
/// Tokio's hooks are there only in a program that is built with `RUSTFLAGS="--cfg tokio_unstable"`; in any other this
/// does nothing, so that it can stay where it is. A spawn costs some 40 ns more, a poll nothing. At most 131,072 such
/// tasks are listed one by one, with route and age, and the rest is counted.
///
/// A builder keeps one hook of a kind: this takes the places of `on_task_spawn` and `on_task_terminate`. With hooks of your
/// own, leave this out and call `flamewatch::task_hooks::spawned` and `ended` from them, which are there in a build with
/// `tokio_unstable`.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let mut builder = tokio::runtime::Builder::new_current_thread();
/// let runtime = flamewatch::hook_runtime(&mut builder).build()?;
/// runtime.block_on(async { /* the service */ });
/// # Ok(())
/// # }
/// ```
pub fn hook_runtime(builder: &mut Builder) -> &mut Builder {
    #[cfg(tokio_unstable)]
    builder.on_task_spawn(spawned).on_task_terminate(ended);
    builder
}

/// A task was spawned: for `on_task_spawn`.
#[cfg(tokio_unstable)]
#[inline]
pub fn spawned(task: &tokio::runtime::TaskMeta<'_>) {
    #[cfg(feature = "__agent")]
    told::spawned(told::number(task.id()), task.spawned_at());
    #[cfg(not(feature = "__agent"))]
    let _ = task;
}

/// A task has ended: for `on_task_terminate`.
#[cfg(tokio_unstable)]
#[inline]
pub fn ended(task: &tokio::runtime::TaskMeta<'_>) {
    #[cfg(feature = "__agent")]
    told::ended(told::number(task.id()), task.spawned_at());
    #[cfg(not(feature = "__agent"))]
    let _ = task;
}
