//! The tasks that live now, by the place that spawned them: the `goroutine` profile.

use tokio::runtime::Handle;

use super::{Source, Window};
use crate::Error;
use crate::profile::{Frame, Function, Profile, Unit, ValueType};
use crate::spawn::{Kind, Registry, SiteCount, alive, alive_in};

/// Tasks alive, counted exactly, one stack for each `flamewatch::spawn` in the code. With a tokio [`Handle`] the
/// tasks spawned some other way show too, as one sum.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    runtime: Option<Handle>,
}

impl Tasks {
    /// The tasks of this process. `runtime` is the service's, when there is one.
    #[must_use]
    pub const fn new(runtime: Option<Handle>) -> Self {
        Self { runtime }
    }
}

impl Source for Tasks {
    fn name(&self) -> &'static str {
        "goroutine"
    }

    fn about(&self) -> &'static str {
        "Tasks alive now, by the line that spawned them with flamewatch::spawn. Costs microseconds."
    }

    fn count(&self) -> Option<u64> {
        Some(alive(self.runtime.as_ref()))
    }

    fn collect(&self, _window: &Window) -> Result<Profile, Error> {
        let counts = Registry::global().counts();
        Ok(profile(&counts, self.runtime.as_ref().map(alive_in)))
    }
}

fn profile(counts: &[SiteCount], in_runtime: Option<u64>) -> Profile {
    let mut profile = Profile::new("goroutine", [ValueType::new("goroutine", Unit::Count)]);
    for count in counts.iter().filter(|count| count.alive > 0) {
        add(&mut profile, frames(count), count.alive);
    }
    let tasks = counts.iter().filter(|count| count.kind == Kind::Task);
    let ours: u64 = tasks.map(|count| count.alive).sum();
    let Some(all) = in_runtime else {
        profile
            .comments
            .push("no tokio runtime known: only tasks of flamewatch::spawn are counted".to_owned());
        return profile;
    };
    if all > ours {
        let other = Function::new("(not spawned through flamewatch::spawn)", "", 0);
        add(&mut profile, vec![Frame::named(other)], all - ours);
    } else if ours > all {
        profile.comments.push(format!("{} tasks ended meanwhile or live in other runtimes", ours - all));
    }
    profile
}

/// Counted, not sampled: zero samples, so that no error is shown.
fn add(profile: &mut Profile, frames: Vec<Frame>, alive: u64) {
    profile.add(frames, &[i64::try_from(alive).unwrap_or(i64::MAX)], 0);
}

fn frames(count: &SiteCount) -> Vec<Frame> {
    let function = match (&count.function, count.place) {
        (Some(function), Some(place)) => Function::new(function.clone(), place.file(), place.line()),
        (None, Some(place)) => {
            let file = place.file().rsplit(['/', '\\']).next().unwrap_or_default();
            Function::new(format!("task spawned at {file}:{}", place.line()), place.file(), place.line())
        }
        (_, None) => Function::new("(other sites)", "", 0),
    };
    let mut frames = vec![Frame::named(function)];
    if count.kind == Kind::Blocking {
        frames.push(Frame::label("kind", "blocking"));
    }
    frames
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::*;

    fn count(function: Option<&str>, kind: Kind, alive: u64) -> SiteCount {
        let place = Some(Location::caller());
        SiteCount { place, function: function.map(str::to_owned), kind, alive, spawned: alive + 1 }
    }

    /// Each stack as `root;leaf weight`, and the comments.
    fn lines(profile: &Profile) -> Vec<String> {
        let folded = profile.iter().map(|stack| {
            let frames: Vec<_> = stack.frames().rev().map(Frame::show).collect();
            format!("{} {}", frames.join(";"), stack.value(0))
        });
        folded.chain(profile.comments.clone()).collect()
    }

    #[test]
    fn a_stack_for_each_site_and_one_for_the_rest() {
        let counts = [
            count(Some("shop::checkout"), Kind::Task, 3),
            count(None, Kind::Task, 2),
            count(Some("shop::hash"), Kind::Blocking, 4),
            count(Some("shop::done"), Kind::Task, 0),
            SiteCount { place: None, ..count(None, Kind::Task, 1) },
        ];
        let unnamed = format!("task spawned at tasks.rs:{} 2", counts[1].place.map_or(0, Location::line));
        let sites = ["shop::checkout 3", &unnamed, "kind=blocking;shop::hash 4", "(other sites) 1"]
            .map(str::to_owned);
        let with = |last: &str| sites.iter().cloned().chain([last.to_owned()]).collect::<Vec<_>>();
        assert_eq!(lines(&profile(&counts, Some(6))), sites);
        assert_eq!(lines(&profile(&counts, Some(16))), with("(not spawned through flamewatch::spawn) 10"));
        assert_eq!(
            lines(&profile(&counts, Some(5))),
            with("1 tasks ended meanwhile or live in other runtimes")
        );
        assert_eq!(
            lines(&profile(&counts, None)),
            with("no tokio runtime known: only tasks of flamewatch::spawn are counted")
        );
    }

    async fn waits_for_ever() {
        std::future::pending::<()>().await;
    }

    #[tokio::test]
    async fn a_live_task_is_found_under_its_function() {
        let line = line!() + 1;
        let tasks = [(); 3].map(|()| crate::spawn(waits_for_ever()));
        let others = [(); 2].map(|()| tokio::spawn(waits_for_ever()));
        let source = Tasks::new(Some(Handle::current()));
        let profile = source.collect(&Window::now()).expect("tasks");
        let ours = profile.iter().find(|stack| {
            stack
                .frames()
                .any(|frame| matches!(frame, Frame::Named(at) if at.line == line && at.file == file!()))
        });
        let ours = ours.expect("our site");
        assert_eq!(ours.value(0), 3);
        assert_eq!(
            ours.frames().map(Frame::show).collect::<Vec<_>>(),
            ["flamewatch::source::tasks::tests::waits_for_ever"]
        );
        assert_eq!(source.count(), Some(5));
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
        others.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
