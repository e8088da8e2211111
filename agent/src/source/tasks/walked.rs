//! Tasks as they were read from memory, all of them, by what they have in common: what they wait for, in which state they
//! are, and where they were spawned when [`spawn`](crate::spawn()) knows that.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use super::{add, count_of, function, kind_label, name_of, route_of};
use crate::profile::{Addr, Frame, Function, Owner, Profile, shortened};
use crate::source::walk::{
    Account, BOXED, MAX_WALKED, OURS, Plan, Reading, Refusal, Step, Task, Told, TypeId, Whose, bare,
};
use crate::spawn::{Finder, Runtime, SiteCount};

/// The most kinds that are told apart; a service has a few hundred. Each takes some 200 bytes.
const MAX_KINDS: usize = 8_192;

/// The most tasks that are looked at once more because nobody seems to be left to wake them.
const MAX_FORGOTTEN: usize = 65_536;

/// How many tasks of a type without a name are kept to find out whether the type is one of ours.
const SAMPLES: usize = 4;

/// The longest type that a label shows, in characters.
const MAX_TYPE: usize = 160;

/// The state of a task that waits, and that nobody can wake any more.
pub(in crate::source) const NEVER_WAKES: &str = "never-wakes";

/// All tasks of some runtimes.
#[derive(Debug)]
pub(super) struct Walked {
    kinds: Vec<(Common, u64)>,
    index: HashMap<u64, usize>,
    runtimes: Vec<Arc<str>>,
    plan: Option<Arc<Plan>>,
    /// How many tasks of ours were read, by site, labels and name.
    ours: HashMap<(u32, u32, u32), u64>,
    account: Account,
    unlisted: u64,
    forgotten: u64,
}

/// What tasks have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Common {
    runtime: usize,
    state: &'static str,
    vtable: u64,
    function: u64,
    of_type: Option<TypeId>,
    spawned: Option<(u32, u32, u32)>,
    chain: Vec<Step>,
}

impl Walked {
    /// Reads all tasks of `runtimes`.
    pub(super) fn read(reading: &Reading, runtimes: &[Runtime]) -> Result<Self, Refusal> {
        let mut walked = Self {
            kinds: Vec::new(),
            index: HashMap::new(),
            runtimes: runtimes.iter().map(|runtime| runtime.name.clone()).collect(),
            plan: None,
            ours: HashMap::new(),
            account: Account::default(),
            unlisted: 0,
            forgotten: 0,
        };
        let finder = Finder::new();
        let mut samples: HashMap<u64, Vec<u64>> = HashMap::new();
        let mut suspects: Vec<(Task, u64, usize)> = Vec::new();
        let mut key = Common::default();
        walked.account = reading.walk(runtimes, |told| {
            let mut wakers = 0;
            key.spawned = None;
            match told.seen.whose {
                Whose::Others => {}
                // One that cannot be found is told by its site, as all were before they could be read.
                Whose::Ours(slot) => match finder.row(slot, told.seen.task.header) {
                    Some((row, kept)) => {
                        wakers = kept;
                        let spawned = (row.site, row.tag, row.name);
                        key.spawned = Some(spawned);
                        *walked.ours.entry(spawned).or_default() += 1;
                    }
                    None => return,
                },
                Whose::Unknown => {
                    let samples = samples.entry(told.seen.task.vtable).or_default();
                    if samples.len() < SAMPLES {
                        samples.push(told.seen.task.header);
                    }
                }
            }
            key.fill(&told);
            let Some(kind) = walked.count(&key) else { return };
            if told.seen.task.state.is_forgotten(wakers) && suspects.len() < MAX_FORGOTTEN {
                suspects.push((told.seen.task, wakers, kind));
            }
        })?;
        walked.plan.clone_from(&walked.account.plan);
        walked.leave_out_ours(&samples, &finder);
        walked.look_again(reading, &suspects);
        Ok(walked)
    }

    /// How many of ours were read.
    pub(super) const fn ours(&self) -> &HashMap<(u32, u32, u32), u64> {
        &self.ours
    }

    /// Whether the tasks of the first runtime were read.
    pub(super) fn has_first(&self) -> bool {
        self.account.refused.iter().all(|(runtime, _)| *runtime != 0)
    }

    /// Counts one more of `key`: its place among the kinds.
    fn count(&mut self, key: &Common) -> Option<usize> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let mut hash = hasher.finish();
        while let Some(place) = self.index.get(&hash).copied() {
            if let Some((_, count)) = self.kinds.get_mut(place).filter(|(kind, _)| kind == key) {
                *count += 1;
                return Some(place);
            }
            hash = hash.wrapping_add(1);
        }
        if self.kinds.len() >= MAX_KINDS {
            self.unlisted += 1;
            return None;
        }
        self.index.insert(hash, self.kinds.len());
        self.kinds.push((key.clone(), 1));
        Some(self.kinds.len() - 1)
    }

    /// Without a plan nobody says which types are ours, but our slots know some of their tasks.
    fn leave_out_ours(&mut self, samples: &HashMap<u64, Vec<u64>>, finder: &Finder) {
        if samples.is_empty() {
            return;
        }
        let ours = finder.ours(&samples.values().flatten().copied().collect());
        let is_ours = |vtable: &u64| {
            samples.get(vtable).is_some_and(|tasks| tasks.iter().any(|task| ours.contains(task)))
        };
        let types: HashSet<u64> = samples.keys().copied().filter(is_ours).collect();
        self.kinds
            .iter_mut()
            .filter(|(kind, _)| types.contains(&kind.vtable))
            .for_each(|(_, count)| *count = 0);
    }

    /// A task that is forgotten both times is called so.
    fn look_again(&mut self, reading: &Reading, suspects: &[(Task, u64, usize)]) {
        let tasks: Vec<_> = suspects.iter().map(|(task, wakers, _)| (*task, *wakers)).collect();
        for ((_, _, kind), forgotten) in suspects.iter().zip(reading.second_look(&tasks)) {
            let Some((common, count)) =
                self.kinds.get_mut(*kind).filter(|(_, count)| forgotten && *count > 0)
            else {
                continue;
            };
            *count -= 1;
            let forgotten = Common { state: NEVER_WAKES, ..common.clone() };
            self.forgotten += 1;
            if self.count(&forgotten).is_none() {
                // No room for one more kind: it stays what it was.
                if let Some((_, count)) = self.kinds.get_mut(*kind) {
                    *count += 1;
                    self.unlisted -= 1;
                }
            }
        }
    }

    /// Adds all that was read, and how it went.
    pub(super) fn add_to(&self, profile: &mut Profile, sites: &HashMap<u32, &SiteCount>) {
        for (kind, count) in self.kinds.iter().filter(|(_, count)| *count > 0) {
            add(profile, self.frames(kind, sites), *count);
        }
        if self.unlisted > 0 {
            let rest = Function::new("(more kinds of tasks than are told apart)", "", 0);
            add(profile, vec![Frame::named(rest)], self.unlisted);
        }
        profile.losses.incomplete += self.account.course.torn;
        profile.comments.extend(self.remarks());
    }

    fn remarks(&self) -> Vec<String> {
        let Account { course, took, refused, remarks, is_cut, .. } = &self.account;
        let ms = took.as_secs_f64() * 1_000.0;
        let mut all = vec![format!("{} tasks were read from tokio's lists in {ms:.1} ms", course.tasks)];
        all.extend(remarks.iter().cloned());
        if self.forgotten > 0 {
            all.push(format!(
                "{} tasks have state={NEVER_WAKES}: they wait, and no waker of theirs is left anywhere; they can only be aborted",
                self.forgotten
            ));
        }
        if course.torn > 0 {
            all.push(format!(
                "{} tasks changed while they were read, and are told by their type alone",
                course.torn
            ));
        }
        if course.given_up > 0 {
            all.push(format!(
                "{} lists changed faster than they could be read; some of their tasks are missing",
                course.given_up
            ));
        }
        if *is_cut {
            all.push(format!("there are more tasks than are read at once: {MAX_WALKED}"));
        }
        for (runtime, refusal) in refused {
            let name = self.runtimes.get(*runtime).map_or("?", |name| name);
            all.push(format!("the tasks of runtime {name} were not read: {refusal}"));
        }
        all
    }

    /// Innermost first: what it waits for, its future, the line that spawned it, and what else is known.
    fn frames(&self, kind: &Common, sites: &HashMap<u32, &SiteCount>) -> Vec<Frame> {
        let site = kind.spawned.and_then(|(site, ..)| count_of(sites, site));
        let typed = self.plan.as_ref().zip(kind.of_type);
        let mut frames = match typed {
            Some((plan, of_type)) => future_frames(plan, of_type, &kind.chain),
            None => vec![Frame::Address(Addr::Pc(kind.function))],
        };
        if site.is_some() && frames.len() > kind.chain.len() {
            // The line that spawned it stands for the type.
            frames.pop();
        }
        frames.extend(site.map(|site| Frame::named(function(site))));
        frames.push(Frame::label("state", kind.state));
        let name = typed.and_then(|(plan, of_type)| plan.types.get(of_type as usize));
        frames.extend(name.map(|of| Frame::label("type", shortened(unwrapped(&of.name), MAX_TYPE))));
        frames.extend(self.runtimes.get(kind.runtime).map(|name| Frame::label("runtime", name.clone())));
        if let Some((_, tag, name)) = kind.spawned {
            frames.extend(name_of(name).map(|name| Frame::label("name", name)));
            frames.extend(route_of(tag).map(|route| Frame::label("route", route)));
        }
        frames.extend(site.and_then(kind_label));
        frames
    }
}

/// The frames of a chain, innermost first, and behind them the future itself, unless it is the first step of the chain: what
/// is wrapped around an `async` body is told, too. Not a box whose inside is known.
pub(in crate::source) fn future_frames(plan: &Plan, of_type: TypeId, chain: &[Step]) -> Vec<Frame> {
    let mut frames: Vec<Frame> =
        chain.iter().rev().map(|step| Frame::named(step_function(plan, *step))).collect();
    if chain.first().is_none_or(|first| first.of_type != of_type)
        && let Some(of) = plan.types.get(of_type as usize)
        && (chain.is_empty() || !of.name.starts_with(BOXED))
    {
        frames.push(Frame::named(shown_type(&of.name)));
    }
    frames
}

/// A future of a chain, and the line where it waits.
fn step_function(plan: &Plan, step: Step) -> Function {
    let Some(of) = plan.types.get(step.of_type as usize) else { return Function::default() };
    match of.shape.arm(step.arm).filter(|arm| arm.line != 0) {
        Some(arm) => {
            let file = plan.files.get(arm.file as usize).map_or("", |file| file);
            Function::new(unwrapped(&of.name), file, arm.line)
        }
        None => shown_type(&of.name),
    }
}

impl Common {
    fn fill(&mut self, told: &Told<'_>) {
        self.runtime = told.runtime;
        self.state = told.seen.task.state.doing().name();
        self.vtable = told.seen.task.vtable;
        self.function = told.seen.function;
        self.of_type = told.seen.of_type;
        self.chain.clear();
        self.chain.extend_from_slice(told.seen.chain);
    }
}

/// A type as a frame. Where it is written down we do not know, so that nobody can say whose it is by its file.
pub(in crate::source) fn shown_type(name: &str) -> Function {
    let mut function = Function::new(unwrapped(name), "", 0);
    if function.owner == Owner::User {
        function.owner = Owner::Unknown;
    }
    function
}

/// The service's own future, of what [`spawn`](crate::spawn()) makes of it, and of what `select!` is given.
fn unwrapped(name: &str) -> &str {
    let name = bare(name);
    let within = |around: &str| name.strip_prefix(around)?.strip_suffix('>');
    let inside = within(OURS).or_else(|| within("core::pin::Pin<&mut "));
    inside.or_else(|| name.strip_prefix("&mut ")).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};
    use std::task::{Poll, Waker};

    use tokio::runtime::Handle;

    use super::super::Tasks;
    use super::*;
    use crate::source::{Source as _, Window};

    async fn forgotten() {
        pending::<()>().await;
    }

    async fn remembered(keep: std::sync::mpsc::Sender<Waker>) {
        poll_fn(|context| {
            let _ = keep.send(context.waker().clone());
            Poll::<()>::Pending
        })
        .await;
    }

    async fn ours() {
        pending::<()>().await;
    }

    /// So large that tokio puts it into a box.
    async fn large() {
        let rows = [7_u8; 20_000];
        pending::<()>().await;
        std::hint::black_box(&rows);
    }

    /// What the profile has of each function or type that has `name` in it: state and count.
    fn of(profile: &Profile, name: &str) -> Vec<(String, i64)> {
        let has = |frame: &Frame| matches!(frame, Frame::Named(function) if function.name.contains(name));
        let state = |frame: &Frame| matches!(frame, Frame::Label { key, .. } if key == "state");
        let mut found: Vec<_> = profile
            .iter()
            .filter(|stack| stack.frames().any(has))
            .map(|stack| {
                (
                    stack
                        .frames()
                        .find(|frame| state(frame))
                        .map_or_else(String::new, |frame| frame.show().into_owned()),
                    stack.value(0),
                )
            })
            .collect();
        found.sort();
        found
    }

    #[tokio::test]
    async fn every_task_is_told_once_by_its_type_and_its_state() {
        let (keep, kept) = std::sync::mpsc::channel();
        let dead: Vec<_> = (0..3).map(|_| tokio::spawn(forgotten())).collect();
        let alive: Vec<_> = (0..4).map(|_| tokio::spawn(remembered(keep.clone()))).collect();
        let watched: Vec<_> = (0..5).map(|_| crate::spawn(ours())).collect();
        let boxed: Vec<_> = (0..2).map(|_| crate::spawn(large())).collect();
        let mut wakers: Vec<Waker> = Vec::new();
        while wakers.len() < 4 {
            tokio::task::yield_now().await;
            wakers.extend(kept.try_iter());
        }
        let source = Tasks::new(Some(Handle::current())).read_by(Arc::new(Reading::default()));
        let profile = || source.collect(&Window::now()).expect("tasks");
        let told = |profile: &Profile| {
            let is = |name, states: &[(&str, i64)]| {
                let states: Vec<_> =
                    states.iter().map(|(state, count)| (format!("state={state}"), *count)).collect();
                of(profile, name) == states
            };
            is("tests::forgotten", &[("never-wakes", 3)])
                && is("tests::remembered", &[("waiting", 4)])
                && is("walked::tests::ours", &[("waiting", 5)])
        };
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        // The plan may not be there yet, and tasks have to be polled.
        while !told(&profile()) {
            let profile = profile();
            assert!(
                std::time::Instant::now() < deadline,
                "{:?}: {:?}",
                profile.comments,
                profile.frames().collect::<Vec<_>>()
            );
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let profile = profile();
        // Ours are told by their line where the plan has names alone; other tests have other runtimes.
        let in_main = profile
            .iter()
            .filter(|stack| stack.frames().any(|frame| *frame == Frame::label("runtime", "main")));
        assert_eq!(in_main.map(|stack| stack.value(0)).sum::<i64>(), 7);
        assert!(
            profile.comments.iter().any(|comment| comment.contains("3 tasks have state=never-wakes")),
            "{:?}",
            profile.comments
        );
        drop(wakers);
        dead.iter().chain(&alive).chain(&watched).chain(&boxed).for_each(tokio::task::JoinHandle::abort);
    }

    #[test]
    fn a_type_is_the_services_own_and_not_too_long() {
        assert_eq!(
            unwrapped("flamewatch::spawn::task::Task<shop::place::{async fn}>"),
            "shop::place::{async fn}"
        );
        assert_eq!(unwrapped("shop::Task<u8>"), "shop::Task<u8>");
        assert_eq!(unwrapped("core::pin::Pin<&mut shop::Connection<u8>>"), "shop::Connection<u8>");
        assert_eq!(unwrapped("&mut shop::Connection<u8>"), "shop::Connection<u8>");
        assert_eq!(shortened("shop", MAX_TYPE), "shop");
        assert_eq!(shortened(&"ä".repeat(161), MAX_TYPE).chars().count(), 161);
    }
}
