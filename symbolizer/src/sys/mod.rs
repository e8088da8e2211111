//! The crate's unsafe code: looking at what the loader has mapped.

mod file;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod loaded;

pub(crate) use file::read_at;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub(crate) use loaded::{loaded_build_ids, vdso};

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
pub(crate) fn loaded_build_ids() -> Vec<(u64, String)> {
    Vec::new()
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
pub(crate) fn vdso(_start: u64, _end: u64) -> Option<Vec<u8>> {
    None
}
