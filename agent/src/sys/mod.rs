//! Everything unsafe, behind functions that are safe to call. Nothing here knows what a profile is.

#[cfg(feature = "heap")]
pub(crate) mod clock;
#[cfg(feature = "heap")]
pub(crate) mod fork;
#[cfg(feature = "heap")]
pub(crate) mod mallctl;
#[cfg(feature = "heap")]
pub(crate) mod malloc_conf;
#[cfg(all(feature = "heap", target_os = "linux", target_arch = "x86_64"))]
pub(crate) mod modules;
#[cfg(feature = "heap")]
pub(crate) mod prof_hooks;
#[cfg(feature = "heap")]
pub(crate) mod reserve;
#[cfg(all(feature = "heap", target_os = "linux", target_arch = "x86_64"))]
pub(crate) mod stack;
