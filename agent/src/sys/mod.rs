//! Everything unsafe, behind functions that are safe to call. Nothing here knows what a profile is.

pub(crate) mod process;
#[cfg(feature = "cpu")]
pub(crate) mod signal;
pub(crate) mod thread;
