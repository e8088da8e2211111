//! The crate's unsafe code: looking at what the loader has mapped, and what room there is on a disk.

#[cfg(test)]
pub(crate) mod counting;
mod file;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod loaded;
mod space;

pub(crate) use file::read_at;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub(crate) use loaded::{loaded_build_ids, vdso};
pub(crate) use space::{largest_file, space};

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
pub(crate) fn loaded_build_ids() -> Vec<(u64, String)> {
    Vec::new()
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
pub(crate) fn vdso(_start: u64, _end: u64) -> Option<Vec<u8>> {
    None
}
