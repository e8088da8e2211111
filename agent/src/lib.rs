//! In-process profiling and leak detection for Rust services.

mod error;
pub mod gauge;
#[cfg(feature = "__agent")]
pub mod profile;
#[cfg(feature = "__agent")]
pub mod render;
#[cfg(feature = "__agent")]
#[allow(dead_code, reason = "called by the agent and the debug port")]
mod resolve;
pub mod sink;
#[cfg(feature = "__agent")]
pub mod source;

pub use error::{Error, ErrorKind};
pub use unit::Unit;

mod unit;
