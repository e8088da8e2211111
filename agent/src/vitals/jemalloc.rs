//! What jemalloc says of its memory.

use crate::figure::Family;
use crate::sys::mallctl;

/// A family for each of its six sums. One that it does not tell is left out.
pub(super) fn families() -> impl Iterator<Item = Family> {
    // Without it the sums stand still; should it fail, they are old and not wrong.
    let _ = mallctl::advance_epoch();
    let sums = [
        (Family::gauge("jemalloc_allocated_bytes", "Bytes handed out to the program."), mallctl::allocated()),
        (
            Family::gauge("jemalloc_active_bytes", "Bytes in pages that hold something handed out."),
            mallctl::active(),
        ),
        (
            Family::gauge("jemalloc_metadata_bytes", "Bytes of the allocator's own bookkeeping."),
            mallctl::metadata(),
        ),
        (
            Family::gauge(
                "jemalloc_resident_bytes",
                "Bytes of pages in memory: active, metadata, not given back yet.",
            ),
            mallctl::resident(),
        ),
        (Family::gauge("jemalloc_mapped_bytes", "Bytes of the extents in use."), mallctl::mapped()),
        (
            Family::gauge("jemalloc_retained_bytes", "Bytes of address space kept without memory behind it."),
            mallctl::retained(),
        ),
    ];
    sums.into_iter().filter_map(|(family, sum)| Some(family.of(sum.ok()? as f64)))
}
