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
pub mod gauge;
#[cfg(feature = "http")]
pub mod http;
#[cfg(not(feature = "__agent"))]
mod inert;
#[cfg(feature = "__agent")]
mod intern;
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
pub mod watch;

#[cfg(feature = "__agent")]
pub use agent::{Agent, doctor};
#[cfg(feature = "heap")]
#[doc(hidden)]
pub use allocator::__private;
#[cfg(feature = "__agent")]
pub use builder::{Builder, start};
#[cfg(feature = "__agent")]
pub use context::{Scope, scope};
pub use error::{Error, ErrorKind};
#[cfg(not(feature = "__agent"))]
pub use inert::{Agent, Builder, Scope, Segment, doctor, scope, segment, start};
#[cfg(feature = "__agent")]
pub use segment::{Segment, segment};
#[cfg(feature = "spans")]
pub use spans::{SpanLayer, span_layer};
pub use spawn::{InScope, JoinSetExt, Watch, Watched, spawn, spawn_blocking, spawn_local, spawn_on};
pub use unit::Unit;
pub use watch::Rule;
