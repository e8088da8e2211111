//! The tasks alive: the runtime's own count where there is a runtime, else those spawned through flamewatch.

use std::io;

use tokio::runtime::Handle;

use super::Gauge;
use crate::Unit;
use crate::spawn::registry;

/// How many tasks are alive.
#[derive(Debug)]
pub struct Tasks {
    runtime: Option<Handle>,
}

impl Tasks {
    /// The tasks of `runtime`, or with none those spawned through [`crate::spawn`].
    #[must_use]
    pub fn new(runtime: Option<Handle>) -> Self {
        Self { runtime }
    }
}

impl Gauge for Tasks {
    fn name(&self) -> &str {
        "tasks"
    }

    fn unit(&self) -> Unit {
        Unit::Count
    }

    fn read(&mut self) -> io::Result<f64> {
        let alive = self.runtime.as_ref().map(|runtime| runtime.metrics().num_alive_tasks() as u64);
        Ok(alive.unwrap_or_else(registry::alive) as f64)
    }

    fn evidence(&self) -> Option<&'static str> {
        Some("goroutine")
    }
}
