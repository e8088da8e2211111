//! Starts fixture programs and asks them questions.

mod fixture;

pub use fixture::{Build, findings};
