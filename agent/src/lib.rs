//! In-process profiling and leak detection for Rust services.

#[cfg(feature = "__agent")]
pub mod config;
mod error;
pub mod gauge;
#[cfg(feature = "__agent")]
pub mod profile;
#[cfg(feature = "__agent")]
pub mod render;
pub mod sink;
#[cfg(feature = "__agent")]
pub mod source;
pub mod watch;

pub use error::{Error, ErrorKind};
pub use unit::Unit;

mod unit;
