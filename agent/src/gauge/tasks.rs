//! How many tasks live.

use std::io;

use tokio::runtime::Handle;

use super::Gauge;
use crate::Unit;
use crate::spawn::alive;

/// `tasks`: alive tasks of the service's tokio runtime, or of `flamewatch::spawn` alone where no runtime is known.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    runtime: Option<Handle>,
}

impl Tasks {
    /// The tasks of `runtime`, when there is one.
    #[must_use]
    pub const fn new(runtime: Option<Handle>) -> Self {
        Self { runtime }
    }
}

impl Gauge for Tasks {
    fn name(&self) -> &'static str {
        "tasks"
    }

    fn unit(&self) -> Unit {
        Unit::Count
    }

    fn read(&mut self) -> io::Result<f64> {
        Ok(alive(self.runtime.as_ref()) as f64)
    }

    fn evidence(&self) -> Option<&'static str> {
        Some("goroutine")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tasks_of_the_runtime_are_counted() {
        let mut gauge = Tasks::new(Some(Handle::current()));
        let task = tokio::spawn(std::future::pending::<()>());
        assert_eq!(gauge.read().expect("a number"), 1.0);
        task.abort();
        assert!(task.await.is_err());
        assert_eq!(gauge.read().expect("a number"), 0.0);
    }
}
