//! Tasks that are listed, by the place that spawned them and the route they work for.

use std::time::Duration;

use crate::context::{self, Value};
use crate::profile::Frame;
use crate::source::tasks::{function, kind_label};
use crate::spawn::{self, Registry};
use crate::sys::clock;

/// The tasks of this process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tasks;

impl Tasks {
    /// Hands the key and the age of each to `each`. Reading stops nobody; a million take about 10 ms.
    pub(crate) fn visit(self, mut each: impl FnMut(u64, Duration)) {
        let now = clock::coarse_ms();
        // Tasks of a kind often lie side by side.
        let (mut last, mut route) = (0, 0);
        for row in spawn::rows() {
            if row.tag != last {
                (last, route) = (row.tag, context::route(row.tag));
            }
            let age = Duration::from_millis(now.saturating_sub(row.born_ms));
            each(u64::from(row.site) << 32 | u64::from(route), age);
        }
    }

    /// The place that spawned the tasks of `key`, and their labels.
    pub(crate) fn frames(self, key: u64) -> Vec<Frame> {
        let (site, route) = (key >> 32, Value::from_number(u32::try_from(key & 0xffff_ffff).unwrap_or(0)));
        let counts = Registry::global().counts();
        let Some(site) = counts.iter().find(|count| u64::from(count.number) == site) else {
            return Vec::new();
        };
        let mut frames = vec![Frame::named(function(site))];
        frames.extend(context::text(route).map(|route| Frame::label("route", route)));
        frames.extend(kind_label(site));
        frames
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::context::{Entered, Key};

    #[tokio::test]
    async fn a_task_is_one_of_its_place_and_its_route() {
        let route = Entered::new(context::child(0, Key::Route, "GET /living"));
        let tasks = [0; 3].map(|_| crate::spawn(pending::<()>()));
        let line = line!() - 1;
        drop(route);
        let mut found = std::collections::HashMap::<u64, u32>::new();
        Tasks.visit(|key, age| {
            assert!(age < Duration::from_secs(600));
            *found.entry(key).or_default() += 1;
        });
        let place = format!("living/tasks.rs:{line}");
        let of_ours = |key: &u64| {
            let frames = Tasks.frames(*key);
            let here = |frame: &Frame| matches!(frame, Frame::Named(function) if function.short_place().is_some_and(|at| at.ends_with(&place)));
            frames.iter().any(here) && frames.contains(&Frame::label("route", "GET /living"))
        };
        let ours: Vec<u32> = found.iter().filter(|(key, _)| of_ours(key)).map(|(_, count)| *count).collect();
        assert_eq!(ours, [3]);
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
