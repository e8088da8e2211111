//! Starts fixture programs and asks them questions.

mod findings;
mod fixture;
pub mod go;
pub mod port;

pub use findings::{Build, findings};
pub use fixture::{Fixture, Running};
