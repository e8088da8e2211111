//! The tasks that have lived for a while: where many come and go, a few that stay are lost in the sum, and stand out here.

use std::collections::HashMap;
use std::time::Duration;

use super::{add, count_of, frames, left_out};
use crate::profile::Profile;
use crate::source::{Source, Window, counting};
use crate::spawn::{self, Registry};
use crate::sys::clock;
use crate::{Error, spawn::Group};

/// Tasks of `flamewatch::spawn` that are older than `age`, by line, route, name and state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lasting {
    age: Duration,
}

impl Lasting {
    /// Those older than `age`.
    pub(crate) const fn new(age: Duration) -> Self {
        Self { age }
    }

    fn groups(&self) -> Vec<(Group, u64)> {
        let age = u64::try_from(self.age.as_millis()).unwrap_or(u64::MAX);
        // Nobody was born before the clock began.
        clock::coarse_ms().checked_sub(age).map(spawn::groups_born_before).unwrap_or_default()
    }
}

impl Source for Lasting {
    fn name(&self) -> &'static str {
        "lasting"
    }

    fn about(&self) -> &'static str {
        "Tasks alive for half a growth window already, by the line that spawned them, by route and state. Who comes and goes is not here. Costs microseconds."
    }

    fn count(&self) -> Option<u64> {
        Some(self.groups().iter().map(|(_, count)| count).sum())
    }

    fn collect(&self, _window: &Window) -> Result<Profile, Error> {
        let groups = self.groups();
        let counts = Registry::global().counts();
        let sites: HashMap<_, _> = counts.iter().map(|count| (count.number, count)).collect();
        let mut profile = counting(self.name(), "tasks");
        for (group, alive) in &groups {
            if let Some(site) = count_of(&sites, group.site) {
                add(&mut profile, frames(site, Some(group)), *alive);
            }
        }
        profile.comments.push(format!("tasks older than {:?}", self.age));
        profile.comments.extend(left_out());
        Ok(profile)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn only_those_of_some_age_are_counted() {
        let line = line!() + 1;
        let task = crate::spawn(pending::<()>());
        let place = |profile: &Profile| {
            profile.frames().any(|frame| {
                matches!(frame, crate::profile::Frame::Named(at) if at.line == line && at.file == file!())
            })
        };
        let seen = |age| place(&Lasting::new(age).collect(&Window::now()).expect("tasks"));
        assert!(seen(Duration::ZERO));
        assert!(!seen(Duration::from_secs(60)) && !seen(Duration::MAX));
        while !seen(Duration::from_millis(20)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        task.abort();
    }
}
