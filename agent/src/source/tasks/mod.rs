//! The tasks that live now, by the place that spawned them: the `goroutine` profile.

#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod awaits;
mod lasting;
#[cfg_attr(not(feature = "serve"), allow(dead_code, reason = "only the debug port lists single tasks"))]
mod list;
#[cfg_attr(not(feature = "serve"), allow(dead_code, reason = "only the debug port lists single tasks"))]
#[cfg_attr(
    not(all(target_os = "linux", target_pointer_width = "64", target_endian = "little")),
    path = "others/silent.rs"
)]
mod others;
#[cfg(all(target_os = "linux", target_pointer_width = "64", target_endian = "little"))]
mod walked;
#[cfg(not(all(target_os = "linux", target_pointer_width = "64", target_endian = "little")))]
#[path = "walked/silent.rs"]
mod walked;

use std::collections::HashMap;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::{Source, Window, counting};
use crate::Error;
use crate::context::{self, Key, Value};
use crate::profile::{Frame, Function, Profile};
use crate::source::walk::{Reading, Refusal};
use crate::spawn::{self, Group, Kind, MAX_LISTED, Registry, SiteCount, State, alive, alive_in};

#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub use awaits::Awaits;
pub(crate) use lasting::Lasting;
#[cfg_attr(
    not(feature = "serve"),
    allow(unused_imports, reason = "only the debug port lists single tasks")
)]
pub(crate) use list::{MAX_PAGE, MAX_PAGED, TaskList, TaskRow, list};
#[cfg(test)]
pub(crate) use others::OtherTask;
#[cfg_attr(
    not(feature = "serve"),
    allow(unused_imports, reason = "only the debug port lists single tasks")
)]
pub(crate) use others::Others;
use walked::Walked;
#[cfg(all(target_os = "linux", target_pointer_width = "64", target_endian = "little"))]
pub(in crate::source) use walked::{NEVER_WAKES, future_frames, shown_type};

/// Tasks alive, counted exactly: a stack for each `flamewatch::spawn` in the code, route, name and state. With a tokio
/// [`Handle`] the tasks spawned some other way show too: those that the agent can read from memory by what they wait
/// for, else as one sum.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    runtime: Option<Handle>,
    reading: Option<Arc<Reading>>,
}

impl Tasks {
    /// The tasks of this process. `runtime` is the service's, when there is one.
    #[must_use]
    pub const fn new(runtime: Option<Handle>) -> Self {
        Self { runtime, reading: None }
    }

    /// The same, with those that can be read from memory.
    pub(crate) fn read_by(self, reading: Arc<Reading>) -> Self {
        Self { reading: Some(reading), ..self }
    }

    /// All tasks of all runtimes that are known, unless the runtime tells of them by hooks.
    fn walk(&self) -> Option<Result<Walked, Refusal>> {
        let reading = self.reading.as_ref().filter(|_| spawn::hooks_are_set() != Some(true))?;
        let runtimes = spawn::runtimes(self.runtime.as_ref());
        (!runtimes.is_empty()).then(|| Walked::read(reading, &runtimes))
    }
}

impl Source for Tasks {
    fn name(&self) -> &'static str {
        "goroutine"
    }

    fn about(&self) -> &'static str {
        "Tasks alive now, by what they wait for, the line that spawned them with flamewatch::spawn, route and state. Read from memory, about 2 µs a task; none is stopped."
    }

    fn count(&self) -> Option<u64> {
        Some(alive(self.runtime.as_ref()))
    }

    fn collect(&self, _window: &Window) -> Result<Profile, Error> {
        let walked = self.walk();
        let groups = spawn::groups();
        let counts = Registry::global().counts();
        let mut profile = profile(&counts, &groups, self.runtime.as_ref().map(alive_in), walked.as_ref());
        profile.comments.extend(left_out());
        Ok(profile)
    }
}

fn profile(
    counts: &[SiteCount],
    groups: &[(Group, u64)],
    in_runtime: Option<u64>,
    walked: Option<&Result<Walked, Refusal>>,
) -> Profile {
    let mut profile = counting("goroutine", "goroutine");
    let sites: HashMap<u32, &SiteCount> = counts.iter().map(|count| (count.number, count)).collect();
    let mut unlisted: HashMap<u32, u64> = counts.iter().map(|count| (count.number, count.alive)).collect();
    let read = walked.and_then(|walked| walked.as_ref().ok());
    let mut told = read.map(|walked| walked.ours().clone()).unwrap_or_default();
    for (group, listed) in groups {
        // What was read has been told with all that is known of it.
        let told = told.get_mut(&(group.site, group.tag, group.name));
        let read = told.map_or(0, |told| {
            let read = (*told).min(*listed);
            *told -= read;
            read
        });
        if let Some(site) = count_of(&sites, group.site).filter(|_| *listed > read) {
            add(&mut profile, frames(site, Some(group)), *listed - read);
        }
        if let Some(left) = unlisted.get_mut(&group.site) {
            *left = left.saturating_sub(*listed);
        }
    }
    for count in counts {
        if let Some(left @ 1..) = unlisted.get(&count.number) {
            add(&mut profile, frames(count, None), *left);
        }
    }
    if let Some(walked) = read {
        walked.add_to(&mut profile, &sites);
    }
    if read.is_none_or(|walked| !walked.has_first()) {
        add_others(&mut profile, counts, in_runtime);
    }
    if let Some(Err(refusal)) = walked {
        profile
            .comments
            .push(format!("tasks that flamewatch::spawn did not spawn are one number: {refusal}"));
    }
    profile
}

/// The tasks that were not spawned by us.
fn add_others(profile: &mut Profile, counts: &[SiteCount], in_runtime: Option<u64>) {
    let tasks = counts.iter().filter(|count| matches!(count.kind, Kind::Task | Kind::Runtime));
    let ours: u64 = tasks.map(|count| count.alive).sum();
    let Some(all) = in_runtime else {
        let comment = "no tokio runtime known: only tasks of flamewatch::spawn are counted";
        return profile.comments.push(comment.to_owned());
    };
    if all > ours {
        let other = Function::new("(not spawned through flamewatch::spawn)", "", 0);
        add(profile, vec![Frame::named(other)], all - ours);
    } else if ours > all {
        profile.comments.push(format!("{} tasks ended meanwhile or live in other runtimes", ours - all));
    }
}

/// What found no room, in words.
fn left_out() -> Vec<String> {
    let alive = Registry::global().alive_of(&[Kind::Task, Kind::Local]);
    let unlisted = alive.saturating_sub(MAX_LISTED as u64);
    let labels = context::summary();
    let mut comments = Vec::new();
    if unlisted > 0 {
        comments.push(format!("{unlisted} tasks are more than can be listed: counted by their site alone"));
    }
    let unlisted = spawn::hooked_unlisted();
    if unlisted > 0 {
        comments.push(format!(
            "{unlisted} tasks that others have spawned are more than can be listed: counted by their site alone"
        ));
    }
    if labels.turned_away > 0 {
        comments.push(format!(
            "{} times a label was left out: {} sets of labels and {} values are kept; is a scope or span named after \
             something there is no end of?",
            labels.turned_away, labels.sets, labels.values
        ));
    }
    if labels.cut > 0 {
        comments.push(format!("{} times a label was cut because it is too long", labels.cut));
    }
    comments
}

/// Counted, not sampled: zero samples, so that no error is shown.
fn add(profile: &mut Profile, frames: Vec<Frame>, alive: u64) {
    profile.add(frames, &[i64::try_from(alive).unwrap_or(i64::MAX)], 0);
}

/// The site and, as far as is known, what its tasks have in common.
fn frames(site: &SiteCount, group: Option<&Group>) -> Vec<Frame> {
    let label = |key: &'static str, value: Option<Arc<str>>| value.map(|value| Frame::label(key, value));
    let mut frames = vec![Frame::named(function(site))];
    frames.extend(group.map(|group| Frame::label("state", state(group.state))));
    frames.extend(group.and_then(|group| label("name", name_of(group.name))));
    frames.extend(group.and_then(|group| label("route", route_of(group.tag))));
    frames.extend(kind_label(site));
    frames
}

pub(super) fn kind_label(site: &SiteCount) -> Option<Frame> {
    site.kind.label().map(|kind| Frame::label("kind", kind))
}

pub(super) fn function(site: &SiteCount) -> Function {
    match (&site.function, site.place) {
        (Some(function), Some(place)) => Function::new(function.clone(), place.file(), place.line()),
        (None, Some(place)) => {
            let name = format!("task spawned at {}", spawn::of_place(place));
            Function::new(name, place.file(), place.line())
        }
        (_, None) => Function::new("(other sites)", "", 0),
    }
}

fn count_of<'c>(sites: &HashMap<u32, &'c SiteCount>, number: u32) -> Option<&'c SiteCount> {
    sites.get(&number).copied()
}

fn route_of(tag: u32) -> Option<Arc<str>> {
    context::label(tag, Key::Route)
}

fn name_of(number: u32) -> Option<Arc<str>> {
    context::text(Value::from_number(number))
}

const fn state(state: State) -> &'static str {
    match state {
        State::New => "new",
        State::Running => "running",
        State::Waiting => "waiting",
        State::Alive => "alive",
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::*;

    fn count(number: u32, function: Option<&str>, kind: Kind, alive: u64) -> SiteCount {
        let place = Some(Location::caller());
        SiteCount { number, place, function: function.map(str::to_owned), kind, alive, spawned: alive + 1 }
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
            count(0, Some("shop::checkout"), Kind::Task, 3),
            count(1, None, Kind::Task, 2),
            count(2, Some("shop::hash"), Kind::Blocking, 4),
            count(3, Some("shop::done"), Kind::Task, 0),
            SiteCount { place: None, ..count(4, None, Kind::Task, 1) },
        ];
        let tag = context::child(0, Key::Route, "GET /");
        let group = |site, tag, state| Group { site, tag, name: 0, state };
        let name = context::value(Key::Task, "hasher").number();
        let groups = [
            (group(0, 0, State::Running), 1),
            (group(0, tag, State::Waiting), 1),
            (Group { name, ..group(2, 0, State::New) }, 4),
            (group(9, 0, State::Waiting), 1),
        ];
        let unnamed = format!("task spawned at mod.rs:{} 2", counts[1].place.map_or(0, Location::line));
        let sites = [
            "state=running;shop::checkout 1",
            "route=GET /;state=waiting;shop::checkout 1",
            "kind=blocking;name=hasher;state=new;shop::hash 4",
            "shop::checkout 1",
            &unnamed,
            "(other sites) 1",
        ]
        .map(str::to_owned);
        let with = |last: &str| sites.iter().cloned().chain([last.to_owned()]).collect::<Vec<_>>();
        assert_eq!(lines(&profile(&counts, &groups, Some(6), None)), sites);
        assert_eq!(
            lines(&profile(&counts, &groups, Some(16), None)),
            with("(not spawned through flamewatch::spawn) 10")
        );
        assert_eq!(
            lines(&profile(&counts, &groups, Some(5), None)),
            with("1 tasks ended meanwhile or live in other runtimes")
        );
        assert_eq!(
            lines(&profile(&counts, &groups, None, None)),
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
            ["flamewatch::source::tasks::tests::waits_for_ever", "state=new"]
        );
        assert_eq!(source.count(), Some(5));
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
        others.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
