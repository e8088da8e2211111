//! What the allocator says it has handed out.

use std::io;

use tikv_jemalloc_ctl::{epoch, stats};

use super::Gauge;
use crate::Unit;

/// `heap.allocated`: bytes in live allocations, as jemalloc counts them. Means something only where jemalloc is the
/// process's allocator.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct HeapAllocated;

impl HeapAllocated {
    /// The heap of this process.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Gauge for HeapAllocated {
    fn name(&self) -> &'static str {
        "heap.allocated"
    }

    fn unit(&self) -> Unit {
        Unit::Bytes
    }

    /// Advances jemalloc's epoch, without which its statistics stand still.
    fn read(&mut self) -> io::Result<f64> {
        epoch::advance().map_err(|error| io::Error::other(error.to_string()))?;
        Ok(stats::allocated::read().map_err(|error| io::Error::other(error.to_string()))? as f64)
    }

    fn evidence(&self) -> Option<&'static str> {
        Some("heap")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jemalloc_answers() {
        assert!(HeapAllocated::new().read().expect("statistics are built in") >= 0.0);
    }
}
