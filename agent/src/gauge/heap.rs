//! What the service has allocated and not freed, as jemalloc counts it.

use std::io;

use tikv_jemalloc_ctl::{epoch, stats};

use super::Gauge;
use crate::Unit;

/// Bytes allocated and not freed: `stats.allocated` of jemalloc(3).
#[derive(Debug, Default)]
pub struct Heap(());

impl Heap {
    /// The heap of this process.
    #[must_use]
    pub fn new() -> Self {
        Self(())
    }
}

impl Gauge for Heap {
    fn name(&self) -> &str {
        "heap.allocated"
    }

    fn unit(&self) -> Unit {
        Unit::Bytes
    }

    fn read(&mut self) -> io::Result<f64> {
        let failed = |error: tikv_jemalloc_ctl::Error| io::Error::other(error.to_string());
        // jemalloc's statistics are those of the last epoch.
        epoch::advance().map_err(failed)?;
        Ok(stats::allocated::read().map_err(failed)? as f64)
    }

    fn evidence(&self) -> Option<&'static str> {
        Some("heap")
    }
}
