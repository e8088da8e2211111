//! The tasks alive now, by the line that spawned them: the profile Go calls `goroutine`.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::{Source, Window};
use crate::profile::{Frame, Function, Profile, Unit, ValueType};
use crate::spawn::registry::{self, Site};
use crate::Error;

/// The tasks that were spawned through [`crate::spawn`], and how many others the runtime has.
#[derive(Debug)]
pub struct Tasks {
    runtime: Option<Handle>,
}

impl Tasks {
    /// The tasks of this process; with `runtime`, its other tasks are counted too, all in one.
    #[must_use]
    pub fn new(runtime: Option<Handle>) -> Self {
        Self { runtime }
    }

    fn alive_in_runtime(&self) -> Option<u64> {
        self.runtime.as_ref().map(|runtime| runtime.metrics().num_alive_tasks() as u64)
    }
}

impl Source for Tasks {
    fn name(&self) -> &'static str {
        "goroutine"
    }

    fn about(&self) -> &'static str {
        "Tasks alive now, by the line that spawned them with flamewatch::spawn. Costs nothing worth naming."
    }

    fn count(&self) -> Option<u64> {
        Some(self.alive_in_runtime().unwrap_or(0).max(registry::alive()))
    }

    fn collect(&self, _window: &Window) -> Result<Profile, Error> {
        let mut profile = Profile::new(self.name(), [ValueType::new("goroutine", Unit::Count)]);
        let mut ours = 0;
        for (site, alive) in registry::sites().into_iter().filter(|(_, alive)| *alive > 0) {
            ours += alive;
            profile.add([frame(site)], &[signed(alive)], 0);
        }
        let others = self.alive_in_runtime().unwrap_or(0).saturating_sub(ours);
        if others > 0 {
            let name = "(not spawned through flamewatch::spawn)";
            profile.add([Frame::named(Function::new(name, "", 0))], &[signed(others)], 0);
        }
        if self.runtime.is_none() {
            profile.comments.push("started outside a tokio runtime: only tasks of flamewatch::spawn are counted".into());
        }
        Ok(profile)
    }
}

/// A site as a frame: what runs there, and the line that spawned it.
fn frame(site: &Site) -> Frame {
    let (file, line) = site.location.map_or(("", 0), |location| (location.file(), location.line()));
    Frame::Named(Arc::new(Function::new(function(site.type_name), file, line)))
}

/// The function behind the type of a future: `shop::checkout::{{closure}}::{{closure}}` is an async block in
/// `shop::checkout`.
fn function(type_name: &str) -> String {
    let mut name = type_name;
    while let Some(outer) = name.strip_suffix("::{{closure}}") {
        name = outer;
    }
    name.to_owned()
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_behind_a_future() {
        assert_eq!(function("shop::checkout::{{closure}}::{{closure}}"), "shop::checkout");
        assert_eq!(function("core::future::pending::Pending<()>"), "core::future::pending::Pending<()>");
    }

    #[tokio::test]
    async fn tasks_are_listed_by_line_and_the_rest_in_one() {
        let tasks: Vec<_> = (0..7).map(|_| crate::spawn(std::future::pending::<()>())).collect();
        let line = line!() - 1;
        tokio::spawn(std::future::pending::<()>());
        let profile = Tasks::new(Some(Handle::current())).collect(&Window::now()).expect("a profile");
        let of = |wanted: &str| {
            let matches = |frame: &Frame| match frame {
                Frame::Named(function) => function.place().unwrap_or(function.name.clone()).ends_with(wanted),
                _ => false,
            };
            profile.iter().filter(|stack| stack.frames().any(matches)).map(|stack| stack.value(0)).sum::<i64>()
        };
        assert_eq!(of(&format!("source/tasks.rs:{line}")), 7);
        // Other tests of this process may have tasks of their own in the registry, never fewer.
        assert!(of("(not spawned through flamewatch::spawn)") <= 1);
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
