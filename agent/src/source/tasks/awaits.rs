//! Where tasks wait: the `awaits` profile. Each task of `flamewatch::spawn` is polled once more and tells its chain of
//! futures, down to the one that holds its waker.

use std::collections::HashMap;

use super::{count_of, name_of, route_of, state};
use crate::context::{self, Key};
use crate::profile::{Addr, Frame, Owner, Profile, Stack};
use crate::source::{Source, Window, counting};
use crate::spawn::{self, Kind, MAX_ASKED, Place, Registry, SiteCount, Wait};
use crate::{Error, ErrorKind};

/// How the name of the function begins in which every chain of a task has its root.
const ROOT: &str = "<flamewatch::spawn::task::Task<";

/// Tasks by where they wait: a stack for each distinct chain of futures, task, route and state.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Awaits;

impl Awaits {
    /// The tasks of this process that were spawned through [`spawn`](crate::spawn()) and its kin.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Source for Awaits {
    fn name(&self) -> &'static str {
        "awaits"
    }

    fn about(&self) -> &'static str {
        "Where tasks of flamewatch::spawn wait, by chain of futures. Polls each once more: about 1.5 µs a task, none is stopped."
    }

    fn count(&self) -> Option<u64> {
        Some(Registry::global().alive_of(&[Kind::Task, Kind::Local]))
    }

    fn is_cheap(&self) -> bool {
        false
    }

    fn collect(&self, window: &Window) -> Result<Profile, Error> {
        let awaits = spawn::awaits(|| window.is_canceled());
        let awaits = awaits.ok_or_else(|| {
            Error::new(ErrorKind::Busy, "the tasks are being asked where they wait; try again in a moment")
        })?;
        Ok(profile(&awaits, &Registry::global().counts()))
    }

    fn refine(&self, named: Profile) -> Profile {
        named.rebuilt(chain)
    }
}

fn profile(awaits: &spawn::Awaits, counts: &[SiteCount]) -> Profile {
    let mut profile = counting("awaits", "awaits");
    let sites: HashMap<u32, &SiteCount> = counts.iter().map(|count| (count.number, count)).collect();
    let mut places = 0;
    for wait in &awaits.waits {
        let Some(site) = count_of(&sites, wait.site) else { continue };
        // What runs where blocking is allowed waits on its thread, and what is watched within a task waits with it.
        if !matches!(site.kind, Kind::Task | Kind::Local) {
            continue;
        }
        if !matches!(wait.place, Place::Unknown(_)) {
            places += wait.tasks;
        }
        profile.add(frames(wait, site), &[i64::try_from(wait.tasks).unwrap_or(i64::MAX)], 0);
    }
    profile.losses.dropped = awaits.dropped;
    profile.losses.truncated = awaits.truncated;
    profile.losses.incomplete = awaits.incomplete;
    profile.comments = remarks(awaits, places);
    profile
}

/// What a reader must know beyond the stacks.
fn remarks(awaits: &spawn::Awaits, places: u64) -> Vec<String> {
    let told = awaits.told;
    let mut remarks = vec![format!("{} tasks were asked where they wait, {told} have told", awaits.asked)];
    if places > told {
        remarks.push(format!(
            "{} of the stacks are further places where tasks wait at once, as in select!",
            places - told
        ));
    }
    if awaits.ended > 0 {
        remarks.push(format!("{} had something to do instead, and are done", awaits.ended));
    }
    if awaits.left_out > 0 {
        remarks
            .push(format!("{} tasks were not asked: at most {MAX_ASKED} are, and for 3 s", awaits.left_out));
    }
    if awaits.waits.iter().any(|wait| wait.place == Place::Nowhere) {
        let remark = "state=no waker: the task was polled and kept no waker. As far as can be seen nothing will ever wake it, unless a \
                      future of its own keeps one from an earlier poll";
        remarks.push(remark.to_owned());
    }
    remarks
}

fn frames(wait: &Wait, site: &SiteCount) -> Vec<Frame> {
    let mut frames = Vec::new();
    let state = match &wait.place {
        Place::At(addresses) => {
            frames.extend(addresses.iter().map(|address| Frame::Address(Addr::Return(*address))));
            "waiting"
        }
        Place::Nowhere => "no waker",
        Place::Unknown(spawn::State::Waiting) => "no answer",
        Place::Unknown(known) => state(*known),
    };
    let function = super::function(site);
    let task = name_of(wait.name)
        .or_else(|| context::label(wait.tag, Key::Task))
        .unwrap_or_else(|| function.name.as_str().into());
    if frames.is_empty() {
        frames.push(Frame::named(function));
    }
    frames.push(Frame::label("state", state));
    frames.extend(route_of(wait.tag).map(|route| Frame::label("route", route)));
    frames.push(Frame::label("task", task));
    frames
}

/// The chain of a named stack: without the clone of the waker at its tip, and without who polls the task at its root.
fn chain(stack: &Stack<'_>) -> Vec<Frame> {
    let is_tip = |frame: &&Frame| matches!(frame.owner(), Owner::Std | Owner::Flamewatch);
    let is_root = |frame: &Frame| matches!(frame, Frame::Named(function) if function.name.starts_with(ROOT));
    let (labels, all): (Vec<_>, Vec<_>) =
        stack.frames().cloned().partition(|frame| matches!(frame, Frame::Label { .. }));
    let tip = all.iter().take_while(is_tip).count();
    let root = all.iter().position(is_root).unwrap_or(all.len());
    let chain = all.get(tip..root).filter(|chain| !chain.is_empty()).unwrap_or(&all);
    chain.iter().cloned().chain(labels).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Function;

    #[test]
    fn a_chain_is_what_lies_between_the_waker_and_the_poll_of_the_task() {
        let check = |names: &[&str], expected: &[&str]| {
            let mut profile = counting("awaits", "awaits");
            let frames = names.iter().map(|name| Frame::named(Function::new(*name, "", 0)));
            profile.add(frames.chain([Frame::label("state", "waiting")]), &[3], 0);
            let refined = Awaits::new().refine(profile);
            let stack = refined.iter().next().expect("a stack");
            assert_eq!(stack.frames().map(Frame::show).collect::<Vec<_>>(), expected);
            assert_eq!(stack.value(0), 3);
        };
        let task = "<flamewatch::spawn::task::Task<F> as core::future::future::Future>::poll";
        check(
            &[
                "<core::task::wake::Waker as core::clone::Clone>::clone",
                "tokio::sync::oneshot::Inner<T>::poll_recv",
                "shop::load::{{closure}}",
                task,
                "tokio::runtime::task::core::Core<T,S>::poll",
            ],
            &["tokio::sync::oneshot::Inner<T>::poll_recv", "shop::load::{{closure}}", "state=waiting"],
        );
        check(
            &["shop::load", "tokio::runtime::task::raw::poll"],
            &["shop::load", "tokio::runtime::task::raw::poll", "state=waiting"],
        );
        check(&["core::x", task], &["core::x", task, "state=waiting"]);
        check(&[], &["state=waiting"]);
    }
}
