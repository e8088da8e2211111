//! Addresses to functions, files, lines and inlined frames.

mod addr;

pub use addr::Addr;
