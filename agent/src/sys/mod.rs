//! The one place with `unsafe` code: what the system and the allocator offer, wrapped so that the rest cannot go wrong.

#[cfg(feature = "heap")]
pub(crate) mod arena;
pub(crate) mod clock;
#[cfg(any(feature = "heap", feature = "cpu"))]
pub(crate) mod fork;
pub(crate) mod lock;
#[cfg(feature = "heap")]
pub(crate) mod mallctl;
#[cfg(feature = "heap")]
pub(crate) mod malloc_conf;
#[cfg(all(target_os = "linux", target_pointer_width = "64", target_endian = "little"))]
pub(crate) mod memory;
pub(crate) mod process;
#[cfg(feature = "heap")]
pub(crate) mod prof_hooks;
#[cfg(any(feature = "heap", feature = "cpu"))]
pub(crate) mod reserve;
#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) mod sampler;
#[cfg(feature = "pprof")]
pub(crate) mod signal;
#[cfg(target_os = "linux")]
pub(crate) mod socket;
#[cfg(all(
    feature = "lock-profile",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(crate) mod syscall;
pub(crate) mod tag;
#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) mod task;
#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) mod teller;
pub(crate) mod thread;
#[cfg(target_os = "linux")]
pub(crate) mod trial;
#[cfg(any(feature = "heap", feature = "cpu"))]
pub(crate) mod unwinder;
pub(crate) mod waker;
