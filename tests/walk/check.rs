//! Held against what is known: how many tasks there are, which, in which state, and where each of them waits.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use flamewatch_symbolizer::plan::{Plan, Shape};
use tokio::runtime::Handle;
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::flavor::{Flavor, Running};
use crate::source::walk::{Course, Lists, Placed, Step, Walker};
use crate::zoo::{IN_A_MACRO, Kind, Zoo, held};

/// What a task is called that waits to be woken.
const IDLE: &str = "waiting";

/// No runtime has as many.
const ALL: u64 = 1_000_000;

/// How long the tasks may take to come to rest.
const REST: Duration = Duration::from_secs(10);

/// How long tasks come and go beside the walks.
const CHURN: Duration = Duration::from_millis(300);

/// How it went.
#[derive(Debug)]
pub(crate) enum Outcome {
    Fine(String),
    Refused(String),
    Wrong(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fine(what) => write!(formatter, "fine: {what}"),
            Self::Refused(why) => write!(formatter, "refused: {why}"),
            Self::Wrong(what) => write!(formatter, "WRONG: {what}"),
        }
    }
}

/// One task as a walk saw it.
pub(crate) struct Seen {
    doing: &'static str,
    forgotten: bool,
    pub(crate) torn: bool,
    name: Option<String>,
    chain: Vec<Step>,
}

pub(crate) type Census = HashMap<u64, Seen>;

/// A walker with what it needs to be asked.
pub(crate) struct Asked {
    walker: Walker,
    lists: Lists,
    plan: Option<Arc<Plan>>,
    /// What was needed to learn how tokio keeps its tasks, and why there is no plan.
    calibrated: Duration,
    remark: Option<String>,
}

pub(crate) fn check(flavor: Flavor) -> Outcome {
    let running = Running::start(flavor);
    let mut asked = match Asked::new(&running) {
        Ok(asked) => asked,
        Err(refusal) => return Outcome::Refused(refusal),
    };
    match asked.all(&running) {
        Ok(what) => {
            let names = asked.remark.unwrap_or_else(|| "with stacks".to_owned());
            let calibrated = asked.calibrated.as_secs_f64() * 1e3;
            Outcome::Fine(format!("{what}, {names}, calibrated in {calibrated:.1} ms"))
        }
        Err(what) => Outcome::Wrong(what),
    }
}

impl Asked {
    /// Learns how tokio keeps its tasks, or says why it does not.
    pub(crate) fn new(running: &Running) -> Result<Self, String> {
        let begun = Instant::now();
        let mut walker = Walker::calibrate().map_err(|refusal| refusal.to_string())?;
        let calibrated = begun.elapsed();
        let plan = plan().map(Arc::new);
        if let Ok(plan) = &plan {
            walker.follow(Placed { plan: Arc::clone(plan), base: base().wrapping_sub(plan.head) });
        }
        let lists = walker.find(&running.handle).map_err(|refusal| refusal.to_string())?;
        let remark = match &plan {
            Ok(plan) => (!has_insides(plan)).then(|| "with names".to_owned()),
            Err(why) => Some(why.clone()),
        };
        Ok(Self { walker, lists, plan: plan.ok(), calibrated, remark })
    }

    fn all(&mut self, running: &Running) -> Result<String, String> {
        // Another runtime of the same kind, whose tasks are none of ours.
        let other = Running::start(Flavor::MultiThread(2));
        let (lock, _guard) = held();
        let _others = Zoo::spawn(&other.handle, &lock);
        let mut zoo = Zoo::spawn(&running.handle, &lock);
        let children = zoo.gather(&running.handle);
        let expected = zoo.tasks.len() + children;
        let quiet = self.at_rest(&running.handle, expected)?;
        self.judge(&quiet, &zoo).map_err(|what| format!("quiet: {what}"))?;
        let beside = quiet.keys().filter(|id| !zoo.tasks.contains_key(id)).count();
        if beside != children {
            return Err(format!("quiet: {beside} tasks that were not spawned here, {children} are expected"));
        }
        running.blocked(|blockers| self.blocked(&running.handle, &zoo, blockers, expected))?;
        let walks = self.churned(&running.handle, &zoo)?;
        Ok(format!("{expected} tasks, quiet, with all workers blocked, and {walks} times in churn"))
    }

    /// One walk, in which nothing may have been lost.
    fn census(&mut self) -> Result<Census, String> {
        let (census, course, twice) = self.census_with_account();
        match (twice, course.given_up) {
            (0, 0) => Ok(census),
            _ => Err(format!("{twice} tasks told twice, {course:?}")),
        }
    }

    /// One walk, how it went, and how many tasks were told twice.
    pub(crate) fn census_with_account(&mut self) -> (Census, Course, u64) {
        let mut census = Census::new();
        let mut twice = 0;
        let course = self.walker.walk(&self.lists, ALL, |seen| {
            let state = seen.task.state;
            let (doing, forgotten) = (state.doing().name(), state.is_forgotten(0));
            let name = seen.name.map(str::to_owned);
            let one = Seen { doing, forgotten, torn: seen.torn, name, chain: seen.chain.to_vec() };
            twice += u64::from(census.insert(seen.task.id, one).is_some());
        });
        (census, course, twice)
    }

    /// The `async` bodies of a task that are below `module`, the outermost first, with the line of each.
    pub(crate) fn bodies(&self, seen: &Seen, module: &str) -> Vec<(String, u32)> {
        let Some(plan) = &self.plan else { return Vec::new() };
        seen.chain.iter().filter_map(|step| body(plan, module, *step)).collect()
    }

    /// A walk of tasks that are all idle, once they are as many as they should be; tokio must count as many.
    fn at_rest(&mut self, handle: &Handle, expected: usize) -> Result<Census, String> {
        let end = Instant::now() + REST;
        loop {
            let before = handle.metrics().num_alive_tasks();
            let census = self.census()?;
            let counted = before == census.len() && handle.metrics().num_alive_tasks() == before;
            if counted && before == expected && census.values().all(|seen| seen.doing == IDLE) {
                return Ok(census);
            }
            if Instant::now() > end {
                return Err(format!("{} tasks seen, {before} alive, {expected} expected", census.len()));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn blocked(
        &mut self,
        handle: &Handle,
        zoo: &Zoo,
        blockers: &[u64],
        expected: usize,
    ) -> Result<(), String> {
        let census = self.census().map_err(|what| format!("blocked: {what}"))?;
        self.judge(&census, zoo).map_err(|what| format!("blocked: {what}"))?;
        let alive = handle.metrics().num_alive_tasks();
        if census.len() != expected + blockers.len() || alive != census.len() {
            let count = census.len();
            return Err(format!(
                "blocked: {count} seen, {alive} alive, {expected} and the blockers expected"
            ));
        }
        let running = |id: &&u64| census.get(*id).is_some_and(|seen| seen.doing == "running");
        if let Some(id) = blockers.iter().find(|id| !running(id)) {
            return Err(format!("blocked: task {id} blocks a worker, and is not seen running"));
        }
        // A runtime can be met for the first time when it is too late for it.
        match self.walker.find(handle) {
            Ok(lists) => {
                let again = self.walker.walk(&lists, ALL, |_| ()).tasks;
                let same = again == census.len() as u64;
                same.then_some(())
                    .ok_or_else(|| format!("blocked: found again, the lists have {again} tasks"))
            }
            Err(refusal) => Err(format!("blocked: {refusal}")),
        }
    }

    /// Walks while tasks of all sizes come and go: those that stay must be right each time.
    fn churned(&mut self, handle: &Handle, zoo: &Zoo) -> Result<usize, String> {
        let stop = Arc::new(AtomicBool::new(false));
        let churns: Vec<_> = (0..2)
            .map(|_| {
                let (of, stop) = (handle.clone(), Arc::clone(&stop));
                handle.spawn(async move {
                    while !stop.load(Relaxed) {
                        drop(of.spawn(async {}));
                        drop(of.spawn(sleep(Duration::from_millis(1))));
                        let size = [1_u8; 700];
                        let _ = of.spawn(async move { (yield_now().await, size.len()) }).await;
                    }
                })
            })
            .collect();
        let end = Instant::now() + CHURN;
        let mut walks = 0;
        while Instant::now() < end {
            let census = self.census().map_err(|what| format!("churn: {what}"))?;
            self.judge(&census, zoo).map_err(|what| format!("churn, walk {walks}: {what}"))?;
            walks += 1;
        }
        stop.store(true, Relaxed);
        let end = Instant::now() + REST;
        while churns.iter().any(|churn| !churn.is_finished()) && Instant::now() < end {
            thread::sleep(Duration::from_millis(5));
        }
        Ok(walks)
    }

    /// Every task of the zoo is there, and as it must be.
    pub(crate) fn judge(&self, census: &Census, zoo: &Zoo) -> Result<(), String> {
        for (id, kind) in &zoo.tasks {
            let Some(seen) = census.get(id) else {
                return Err(format!("task {id}, which {}, was not seen", kind.name));
            };
            self.judge_task(seen, kind).map_err(|what| format!("task {id}, which {}, {what}", kind.name))?;
        }
        Ok(())
    }

    fn judge_task(&self, seen: &Seen, kind: &Kind) -> Result<(), String> {
        if seen.doing != IDLE {
            return Err(format!("is {}", seen.doing));
        }
        if seen.forgotten != kind.forgotten {
            return Err(format!("is told as forgotten: {}", seen.forgotten));
        }
        let Some(plan) = &self.plan else { return Ok(()) };
        if seen.torn {
            return Err("is told as torn".to_owned());
        }
        if !has_insides(plan) {
            return judge_name(plan, seen, kind);
        }
        let found = self.bodies(seen, "zoo::");
        let same = |((found, at), (name, line)): (&(String, u32), &(&str, u32))| {
            found == name && (at == line || *line == IN_A_MACRO)
        };
        let all = found.len() == kind.bodies.len() && found.iter().zip(kind.bodies).all(same);
        let alone = kind.alone && matches!(seen.chain.as_slice(), [Step { arm: u32::MAX, .. }]);
        if seen.chain.is_empty() || !(all || alone) {
            return Err(format!("waits in {found:?}, not in {:?}", kind.bodies));
        }
        let leaf = seen.chain.last().and_then(|step| plan.types.get(step.of_type as usize));
        if !leaf.is_some_and(|of| of.name.contains(kind.leaf)) {
            return Err(format!("waits for {leaf:?} in the end, not for {}", kind.leaf));
        }
        // What is boxed is called by what is in the box, and what tokio wraps by what is in the wrapper.
        let name = seen.name.as_deref().unwrap_or_default();
        match kind.bodies.first() {
            Some((function, _)) if !name.contains(&format!("zoo::{function}::")) => {
                Err(format!("is called {name}, and is {function}"))
            }
            _ => Ok(()),
        }
    }
}

/// False for the debug info that has names alone.
fn has_insides(plan: &Plan) -> bool {
    plan.types.iter().any(|of| of.name.contains("zoo::") && matches!(of.shape, Shape::Variants { .. }))
}

/// A task is told by its future alone; where that is an `async` function, by its name.
fn judge_name(plan: &Plan, seen: &Seen, kind: &Kind) -> Result<(), String> {
    let named = match seen.chain.as_slice() {
        [] => None,
        [Step { arm: u32::MAX, of_type }] => plan.types.get(*of_type as usize),
        longer => return Err(format!("waits in {longer:?}, of which nothing can be known")),
    };
    let function = named.and_then(|of| of.name.split("zoo::").nth(1)?.split("::").next());
    match (function, kind.bodies.first()) {
        (Some(told), Some((name, _))) if told != *name => Err(format!("is told as {told}, and is {name}")),
        _ => Ok(()),
    }
}

/// The `async` body of `module` that a step is, as its name and the line where it waits.
fn body(plan: &Plan, module: &str, step: Step) -> Option<(String, u32)> {
    let of = plan.types.get(step.of_type as usize)?;
    let name = of.name.split(module).nth(1)?.split("::").next()?;
    let Shape::Variants { arms, .. } = &of.shape else { return None };
    let arm = arms.get(step.arm as usize);
    Some((name.to_owned(), arm.map_or(0, |arm| arm.line)))
}

/// The plan of this program, or why there is none.
fn plan() -> Result<Plan, String> {
    let file =
        std::env::var_os("WALK_PLAN_OF").map_or_else(|| PathBuf::from("/proc/self/exe"), PathBuf::from);
    let plan = Plan::of(&file).map_err(|error| format!("no plan ({error:#})"))?;
    if plan.types.is_empty() { Err("no plan (no futures in the debug info)".to_owned()) } else { Ok(plan) }
}

/// Where this program's file begins in memory.
fn base() -> u64 {
    let maps = fs::read_to_string("/proc/self/maps").expect("our own mappings");
    let first = maps.split('-').next().expect("an address");
    u64::from_str_radix(first, 16).expect("an address")
}
