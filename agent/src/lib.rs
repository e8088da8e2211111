//! In-process profiling and leak detection for Rust services.

mod allocator;
#[cfg(feature = "__agent")]
pub mod doctor;
mod error;
pub mod gauge;
#[cfg(feature = "__agent")]
pub mod profile;
#[cfg(feature = "__agent")]
pub mod render;
pub mod sink;
#[cfg(feature = "__agent")]
pub mod source;
#[cfg(feature = "__agent")]
mod sys;

#[cfg(feature = "heap")]
#[doc(hidden)]
pub use allocator::__private;
pub use error::{Error, ErrorKind};
pub use unit::Unit;

mod unit;
