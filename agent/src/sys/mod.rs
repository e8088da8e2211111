//! The one place with `unsafe` code: what the system and the allocator offer, wrapped so that the rest cannot go wrong.

#[cfg(feature = "heap")]
pub(crate) mod arena;
pub(crate) mod clock;
#[cfg(feature = "heap")]
pub(crate) mod fork;
#[cfg(feature = "heap")]
pub(crate) mod mallctl;
#[cfg(feature = "heap")]
pub(crate) mod malloc_conf;
#[cfg(all(feature = "heap", target_os = "linux", target_arch = "x86_64"))]
pub(crate) mod modules;
pub(crate) mod process;
#[cfg(feature = "heap")]
pub(crate) mod prof_hooks;
#[cfg(feature = "heap")]
pub(crate) mod reserve;
#[cfg(feature = "cpu")]
pub(crate) mod signal;
#[cfg(all(feature = "heap", target_os = "linux", target_arch = "x86_64"))]
pub(crate) mod stack;
pub(crate) mod tag;
pub(crate) mod thread;
