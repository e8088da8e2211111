//! What jemalloc says about its memory: the numbers behind gauges and behind "is it the heap at all".

use crate::sys::mallctl;
use crate::{Error, ErrorKind};

/// jemalloc's memory at one moment, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Memory {
    /// Handed out to the program.
    pub allocated: u64,
    /// In pages that hold something handed out; less `allocated` is fragmentation.
    pub active: u64,
    /// Resident: active pages, metadata and pages not given back yet.
    pub resident: u64,
    /// Mapped from the system.
    pub mapped: u64,
    /// Address space kept without memory behind it.
    pub retained: u64,
    /// jemalloc's own bookkeeping.
    pub metadata: u64,
    /// Freed pages that the system may take whenever it wants; not part of `resident`.
    pub muzzy: u64,
}

impl Memory {
    /// The numbers of this moment. Takes a few microseconds, more with many arenas.
    ///
    /// # Errors
    /// `Unsupported` when this jemalloc was built without statistics.
    pub fn read() -> Result<Self, Error> {
        let missing =
            |error| Error::new(ErrorKind::Unsupported, "cannot read jemalloc's statistics").because(error);
        mallctl::advance_epoch().map_err(missing)?;
        Ok(Self {
            allocated: mallctl::allocated().map_err(missing)?,
            active: mallctl::active().map_err(missing)?,
            resident: mallctl::resident().map_err(missing)?,
            mapped: mallctl::mapped().map_err(missing)?,
            retained: mallctl::retained().map_err(missing)?,
            metadata: mallctl::metadata().map_err(missing)?,
            // A jemalloc that does not count them by default keeps none.
            muzzy: muzzy().unwrap_or(0),
        })
    }

    /// Gives unused pages of all arenas back to the system. False when jemalloc refuses.
    #[must_use]
    pub fn purge() -> bool {
        mallctl::purge()
    }
}

fn muzzy() -> Option<u64> {
    Some(mallctl::muzzy_pages().ok()?.saturating_mul(mallctl::page_size().ok()?))
}

/// Leaves the calling thread out of the heap profile for good, as every thread of the agent is.
pub fn exclude_this_thread() {
    mallctl::exclude_this_thread();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jemalloc_tells_about_itself() {
        let memory = Memory::read().expect("built with statistics");
        assert!(memory.metadata > 0 && memory.resident > 0 && memory.mapped >= memory.active, "{memory:?}");
        assert!(Memory::purge());
    }
}
