//! The one place with `unsafe` code: what the system and the allocator offer, wrapped so that the rest cannot go wrong.

pub(crate) mod guarded;
pub(crate) mod process;
#[cfg(feature = "cpu")]
pub(crate) mod signal;
pub(crate) mod thread;
