//! Walks stacks by the unwind tables of the loaded images, prepared beforehand so that a walk neither allocates nor
//! waits: fit for an allocator's hook and for a signal handler. Shared by the heap profiler, the CPU sampler and the
//! thread dump, so that the tables are in memory once.

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod arch;
#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) mod asleep;
#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod call;
#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) mod copy;
#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) mod frame_pointers;
#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) mod here;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) mod modules;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod pool;
#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod prologue;
#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod scratch;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) mod stack;

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) use arch::Registers;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[cfg_attr(not(feature = "cpu"), allow(unused_imports, reason = "the signal handler's"))]
pub(crate) use pool::{First, Pool, User, Walker};

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// At the root of the thread.
    Root,
    /// Somewhere on the way.
    Lost,
    /// Whoever takes the addresses had no more room.
    Full,
    /// It could not begin: everything was busy.
    Busy,
}

#[cfg(feature = "cpu")]
impl End {
    /// As a number in a record.
    pub(crate) const fn code(self) -> u64 {
        match self {
            Self::Root => 0,
            Self::Lost => 1,
            Self::Full => 2,
            Self::Busy => 3,
        }
    }

    /// The reverse of [`End::code`].
    pub(crate) const fn from_code(code: u64) -> Self {
        match code {
            0 => Self::Root,
            1 => Self::Lost,
            2 => Self::Full,
            _ => Self::Busy,
        }
    }
}
