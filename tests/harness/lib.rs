//! Starts fixture programs and asks them questions.

pub mod go;
