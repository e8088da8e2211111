//! In-process profiling and leak detection for Rust services.

mod error;
pub mod gauge;
#[cfg(feature = "__agent")]
pub mod profile;
#[cfg(feature = "__agent")]
pub mod render;
pub mod sink;
#[cfg(feature = "__agent")]
pub mod source;
mod spawn;
#[cfg(feature = "__agent")]
mod sys;
pub mod watch;

pub use error::{Error, ErrorKind};
pub use spawn::{spawn, spawn_blocking, spawn_on};
pub use unit::Unit;

mod unit;
