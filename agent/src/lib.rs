#![doc = include_str!("../../README.md")]
// The agent lives in somebody's production process and has no business panicking there.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

#[cfg(feature = "__agent")]
mod agent;
mod allocator;
#[cfg(feature = "__agent")]
mod builder;
#[cfg(feature = "__agent")]
pub mod config;
#[cfg(feature = "__agent")]
mod context;
#[cfg(feature = "__agent")]
#[cfg_attr(not(feature = "serve"), allow(dead_code, reason = "much of it only the debug port asks for"))]
mod desk;
pub mod doctor;
mod error;
#[cfg(feature = "__agent")]
#[cfg_attr(
    not(all(feature = "http", feature = "influx", feature = "metrics", feature = "statsd")),
    allow(dead_code, reason = "each receiver needs a part of it")
)]
mod export;
#[cfg(feature = "__agent")]
#[cfg_attr(not(feature = "serve"), allow(dead_code, reason = "only the debug port shows figures"))]
mod figure;
#[cfg(all(test, feature = "full"))]
mod fuzz;
pub mod gauge;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "inbound")]
mod inbound;
#[cfg(not(feature = "__agent"))]
mod inert;
#[cfg(feature = "__agent")]
mod intern;
#[cfg(feature = "__agent")]
#[cfg_attr(not(feature = "serve"), allow(dead_code, reason = "only the debug port shows all of it"))]
mod leak;
#[cfg(feature = "__agent")]
#[cfg_attr(not(feature = "serve"), allow(dead_code, reason = "only the debug port shows rates"))]
mod meter;
#[cfg(feature = "__agent")]
mod moment;
#[cfg(feature = "__agent")]
pub mod profile;
#[cfg(feature = "__agent")]
pub mod render;
#[cfg(feature = "__agent")]
#[cfg_attr(
    not(feature = "serve"),
    allow(dead_code, reason = "single addresses only the debug port asks for")
)]
mod resolve;
#[cfg(feature = "__agent")]
mod segment;
#[cfg(feature = "serve")]
mod serve;
pub mod sink;
#[cfg(feature = "__agent")]
pub mod source;
#[cfg(feature = "spans")]
mod spans;
mod spawn;
#[cfg(feature = "__agent")]
#[cfg_attr(not(feature = "serve"), allow(dead_code, reason = "snapshots only the debug port reads"))]
mod store;
#[cfg(feature = "__agent")]
mod suspect;
#[cfg(feature = "__agent")]
mod sys;
mod unit;
#[cfg(feature = "serve")]
mod vitals;
pub mod watch;

#[cfg(feature = "__agent")]
pub use agent::{Agent, doctor};
#[cfg(feature = "heap")]
#[doc(hidden)]
pub use allocator::__private;
/// Tells the CPU sampler of the calling thread, at its start: `tokio::runtime::Builder::on_thread_start(
/// flamewatch::on_thread_start)`, or as the first line of a thread's function. Threads are found without it, within
/// milliseconds; it is for those that live no longer than that. Costs some nanoseconds while nobody samples and about
/// 2 µs while somebody does; never waits, never fails. May be called more than once.
pub fn on_thread_start() {
    #[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    source::thread_started();
}

/// For tests: whether the calling thread is in the CPU sampler's signal handler, where it must neither allocate nor wait.
#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[doc(hidden)]
#[must_use]
pub fn __in_signal_handler() -> bool {
    sys::sampler::is_inside()
}
/// For benchmarks: sends the calling thread a tick of the CPU sampler, or one that its handler turns away.
///
/// # Errors
/// When there is no signal to be had.
#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[doc(hidden)]
pub fn __tick_here(ours: bool) -> std::io::Result<()> {
    sys::sampler::tick_here(ours)
}
#[cfg(feature = "__agent")]
pub use builder::{Builder, start};
#[cfg(feature = "__agent")]
pub use context::{Scope, scope};
pub use error::{Error, ErrorKind};
#[cfg(not(feature = "__agent"))]
pub use inert::{Agent, Builder, Scope, Segment, doctor, scope, segment, start};
#[cfg(feature = "__agent")]
pub use segment::{Segment, segment};
#[cfg(feature = "serve")]
pub use serve::Pages;
#[cfg(feature = "spans")]
pub use spans::{SpanLayer, span_layer};
pub use spawn::{
    InScope, JoinSetExt, Watch, Watched, hook_runtime, spawn, spawn_blocking, spawn_local, spawn_on,
    watch_runtime,
};

/// For hooks of a runtime that has some of its own, in a build with `--cfg tokio_unstable`: what
/// [`hook_runtime`] sets. Each is to be called for every task, and neither fails, waits or panics.
#[cfg(tokio_unstable)]
pub mod task_hooks {
    pub use crate::spawn::{ended, spawned};
}
pub use unit::Unit;
pub use watch::Rule;
