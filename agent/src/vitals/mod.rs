//! What can be told of this process at any moment: its size and age, its allocator, its runtime, its tasks.
//! Read when somebody asks, which takes less than a millisecond; nothing is remembered.

#[cfg(feature = "heap")]
mod jemalloc;
mod process;
mod runtime;
mod tasks;

use tokio::runtime::Handle;

use crate::figure::Family;

/// All of it. `runtime` is the service's, where one is known; `on_jemalloc` says whether jemalloc is its allocator.
pub(crate) fn families(runtime: Option<&Handle>, on_jemalloc: bool) -> Vec<Family> {
    let mut families = process::families();
    #[cfg(feature = "heap")]
    if on_jemalloc {
        families.extend(jemalloc::families());
    }
    #[cfg(not(feature = "heap"))]
    let _ = on_jemalloc;
    families.extend(runtime.into_iter().flat_map(runtime::families));
    families.extend(tasks::families());
    families
}
