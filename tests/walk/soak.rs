//! Walks back to back for as long as one likes, while tasks of all sizes come and go as fast as they can and their memory is
//! given back. Tasks that stay must be told right each time. One that goes may be told or not, and as torn; but what is told
//! of it as whole must be a stack that its code can have: each function in it is called by the one before, in that line.

use std::collections::{BTreeMap, HashMap};
use std::future::{Future, ready};
use std::hint::black_box;
use std::io::{self, Write};
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use crate::check::{Asked, Census};
use crate::flavor::{Flavor, Running};
use crate::zoo::{Zoo, held};

/// A function, and the line where it waits.
type Place = (&'static str, u32);

/// What may be waited for in a line: the functions of this file, and whether anything else may.
type Calls = (Place, &'static [&'static str], bool);

async fn leaf<const WORDS: usize>(number: u64) -> u64 {
    let words = [number; WORDS];
    if number.is_multiple_of(3) {
        yield_now().await;
    } else {
        sleep(Duration::from_micros(number % 3_000)).await;
    }
    words.iter().fold(0, |sum, word| sum ^ black_box(*word))
}
const LEAF_YIELDS: Calls = (("leaf", line!() - 6), &[], true);
const LEAF_SLEEPS: Calls = (("leaf", line!() - 5), &[], true);
const LEAF_BEGINS: Place = ("leaf", line!() - 11);

async fn through<const WORDS: usize>(number: u64) -> u64 {
    let first = leaf::<WORDS>(number).await;
    let words = [first; 40];
    leaf::<3>(number + 1).await + black_box(&words)[7]
}
const THROUGH_FIRST: Calls = (("through", line!() - 4), &["leaf"], false);
const THROUGH_SECOND: Calls = (("through", line!() - 3), &["leaf"], false);
const THROUGH_BEGINS: Place = ("through", line!() - 7);

async fn boxes(number: u64) -> u64 {
    let inside: Pin<Box<dyn Future<Output = u64> + Send>> =
        if number.is_multiple_of(2) { Box::pin(through::<200>(number)) } else { Box::pin(leaf::<2>(number)) };
    inside.await
}
const BOXES: Calls = (("boxes", line!() - 2), &["through", "leaf"], false);
const BOXES_BEGINS: Place = ("boxes", line!() - 6);

async fn limits(number: u64) -> u64 {
    timeout(Duration::from_micros(number % 2_000), boxes(number)).await.unwrap_or(0)
}
const LIMITS: Calls = (("limits", line!() - 2), &["boxes"], false);
const LIMITS_BEGINS: Place = ("limits", line!() - 4);

async fn joins(number: u64) -> u64 {
    let (one, other) = tokio::join!(through::<9>(number), leaf::<60>(number + 1));
    one + other
}
const JOINS: Calls = (("joins", crate::zoo::IN_A_MACRO), &["through", "leaf"], true);

async fn selects(number: u64) -> u64 {
    tokio::select! {
        one = boxes(number) => one,
        () = sleep(Duration::from_micros(number % 1_000)) => 0,
    }
}
const SELECTS: Calls = (("selects", crate::zoo::IN_A_MACRO), &["boxes"], true);

async fn awaits_a_task(number: u64) -> u64 {
    tokio::spawn(through::<30>(number)).await.unwrap_or(0)
}
const AWAITS_A_TASK: Calls = (("awaits_a_task", line!() - 2), &[], true);
const AWAITS_BEGINS: Place = ("awaits_a_task", line!() - 4);

/// Spawns without end.
async fn churns(spawned: Arc<AtomicU64>, stop: Arc<AtomicBool>) {
    while !stop.load(Relaxed) {
        let number = spawned.fetch_add(1, Relaxed);
        match number % 9 {
            0 => drop(tokio::spawn(leaf::<1>(number))),
            1 => drop(tokio::spawn(leaf::<700>(number))),
            2 => drop(tokio::spawn(through::<100>(number))),
            3 => drop(tokio::spawn(boxes(number))),
            4 => drop(tokio::spawn(limits(number))),
            5 => drop(tokio::spawn(joins(number))),
            6 => drop(tokio::spawn(selects(number))),
            7 => drop(tokio::spawn(awaits_a_task(number))),
            _ => drop(tokio::spawn(ready(()))),
        }
        if number.is_multiple_of(64) {
            // So that there are thousands at a time, and not millions.
            sleep(Duration::from_millis(1)).await;
        }
    }
}
const CHURNS: Calls = (("churns", line!() - 4), &[], true);
const CHURNS_BEGINS: Place = ("churns", line!() - 21);

const CALLS: [Calls; 10] = [
    LEAF_YIELDS,
    LEAF_SLEEPS,
    THROUGH_FIRST,
    THROUGH_SECOND,
    BOXES,
    LIMITS,
    JOINS,
    SELECTS,
    AWAITS_A_TASK,
    CHURNS,
];

/// Where a task is told that was not polled yet.
const BEGINS: [Place; 6] =
    [LEAF_BEGINS, THROUGH_BEGINS, BOXES_BEGINS, LIMITS_BEGINS, AWAITS_BEGINS, CHURNS_BEGINS];

/// What was seen in all walks.
#[derive(Debug, Default)]
struct Sum {
    walks: u64,
    visits: u64,
    judged: u64,
    torn: u64,
    restarts: u64,
    given_up: u64,
    twice: u64,
    wrong: BTreeMap<String, u64>,
}

pub(crate) fn soak(length: Duration) -> ExitCode {
    let running = Running::start(Flavor::MultiThread(4));
    let mut asked = match Asked::new(&running) {
        Ok(asked) => asked,
        Err(why) => {
            let _ = writeln!(io::stderr(), "{why}");
            return ExitCode::from(3);
        }
    };
    let (lock, _guard) = held();
    let zoo = Zoo::spawn(&running.handle, &lock);
    let (spawned, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    for _ in 0..4 {
        running.handle.spawn(churns(spawned.clone(), stop.clone()));
    }
    let sum = walks(&mut asked, &zoo, length);
    stop.store(true, Relaxed);
    let Sum { walks, visits, judged, torn, restarts, given_up, twice, wrong } = &sum;
    let _ = writeln!(
        io::stdout(),
        "{walks} walks, {visits} tasks, {judged} stacks that come and go held against the code, {torn} torn, {restarts} \
         restarts, {given_up} lists given up, {twice} told twice; {} spawned; at the end {} KiB resident\nwrong: {}",
        spawned.load(Relaxed),
        resident(),
        wrong.values().sum::<u64>(),
    );
    for (what, count) in wrong.iter().take(20) {
        let _ = writeln!(io::stdout(), "  {count} times: {what}");
    }
    if wrong.is_empty() && *judged > 0 { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

fn walks(asked: &mut Asked, zoo: &Zoo, length: Duration) -> Sum {
    let mut sum = Sum::default();
    let end = Instant::now() + length;
    // Those that stay must have come to rest.
    let rest = Instant::now() + Duration::from_secs(5);
    loop {
        let (census, ..) = asked.census_with_account();
        match asked.judge(&census, zoo) {
            Ok(()) => break,
            Err(what) if Instant::now() > rest => {
                sum.wrong.insert(format!("at the beginning: {what}"), 1);
                return sum;
            }
            Err(_) => {}
        }
    }
    while Instant::now() < end {
        let (census, course, twice) = asked.census_with_account();
        sum.walks += 1;
        sum.visits += course.tasks;
        sum.torn += course.torn;
        sum.restarts += course.restarts;
        sum.given_up += course.given_up;
        sum.twice += twice;
        if course.given_up == 0
            && let Err(what) = asked.judge(&census, zoo)
        {
            *sum.wrong.entry(what).or_default() += 1;
        }
        sum.hold(asked, &census, zoo);
    }
    sum
}

impl Sum {
    /// Holds the stacks of those that come and go against the code.
    fn hold(&mut self, asked: &Asked, census: &Census, zoo: &Zoo) {
        let mut stacks: HashMap<Vec<(String, u32)>, u64> = HashMap::new();
        for (_, seen) in census.iter().filter(|(id, seen)| !seen.torn && !zoo.tasks.contains_key(id)) {
            let stack = asked.bodies(seen, "soak::");
            if !stack.is_empty() {
                *stacks.entry(stack).or_default() += 1;
            }
        }
        for (stack, count) in stacks {
            self.judged += count;
            if !is_possible(&stack) {
                *self.wrong.entry(format!("{stack:?}")).or_default() += count;
            }
        }
    }
}

/// True when the code can have this stack, the outermost function first. One that is polled at this moment is told by its
/// type alone, without a line.
fn is_possible(stack: &[(String, u32)]) -> bool {
    if let [(name, line)] = stack
        && (*line == 0 || BEGINS.iter().any(|(function, at)| function == name && at == line))
    {
        return true;
    }
    stack.iter().enumerate().all(|(place, (name, line))| {
        let next = stack.get(place + 1);
        CALLS.iter().any(|((function, at), called, others)| {
            let here = function == name && (at == line || *at == crate::zoo::IN_A_MACRO);
            here && next.map_or(*others, |(next, _)| called.contains(&next.as_str()))
        })
    })
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}
