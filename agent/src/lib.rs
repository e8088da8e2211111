//! In-process profiling and leak detection for Rust services.

#[cfg(feature = "serve")]
mod desk;
mod error;
pub mod gauge;
#[cfg(feature = "__agent")]
pub mod profile;
#[cfg(feature = "__agent")]
pub mod render;
#[cfg(feature = "serve")]
mod serve;
pub mod sink;
#[cfg(feature = "__agent")]
pub mod source;
#[cfg(feature = "serve")]
mod store;

pub use error::{Error, ErrorKind};
pub use unit::Unit;

mod unit;
