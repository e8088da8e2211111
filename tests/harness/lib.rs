//! Starts fixture programs and asks them questions.

mod fixture;
pub mod go;

pub use fixture::{Fixture, Running};
