//! How many tasks live.

use std::io;
use std::time::Duration;

use tokio::runtime::Handle;

use super::Gauge;
use crate::Unit;
use crate::spawn::{alive, groups_born_before};
use crate::sys::clock;

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

/// `tasks.lasting`: tasks of `flamewatch::spawn` that have lived for a while. Those that come and go, however many, do not
/// show in it, so that a few that stay do. Looking through a million tasks takes 10 ms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastingTasks {
    age: Duration,
}

impl LastingTasks {
    /// Those older than `age`.
    pub(crate) const fn new(age: Duration) -> Self {
        Self { age }
    }
}

impl Gauge for LastingTasks {
    fn name(&self) -> &'static str {
        "tasks.lasting"
    }

    fn unit(&self) -> Unit {
        Unit::Count
    }

    fn read(&mut self) -> io::Result<f64> {
        let age = u64::try_from(self.age.as_millis()).unwrap_or(u64::MAX);
        let groups = clock::coarse_ms().checked_sub(age).map(groups_born_before).unwrap_or_default();
        Ok(groups.iter().map(|(_, count)| count).sum::<u64>() as f64)
    }

    fn evidence(&self) -> Option<&'static str> {
        Some("lasting")
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
