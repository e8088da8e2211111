//! Starts fixture programs and asks them questions.

mod fixture;
pub mod go;
pub mod port;

pub use fixture::{Fixture, Running};
