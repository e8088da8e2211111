//! Looks at all threads again and again. A thread whose CPU clock has not moved has not run, so it is where it was: its
//! last stack is counted once more. Only what has run is looked at anew, and only what runs is asked by signal.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::profile::{Losses, MAX_STACKS};
use crate::source::Window;
use crate::source::tally::{Tally, Weight, Who};
use crate::source::thread::stacks::{self, Look, Looker, Stack};
use crate::source::thread::{self, OWN};
use crate::sys::unwinder::End;
use crate::sys::{process, task};
use crate::{Error, ErrorKind};

/// How long threads that run may take to answer; one that is late is counted as not answering.
const PATIENCE: Duration = Duration::from_millis(10);

/// The most threads that are followed, at 1 µs a look; those past it are counted as dropped.
const MAX_THREADS: usize = 10_000;

/// A sweep takes at most one in so many of the time, however many threads there are.
const SHARE: u32 = 50;

/// What a thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Doing {
    Running,
    /// In the kernel, in this system call if in any.
    Waiting(Option<u32>),
}

/// What was seen over a window.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) began: SystemTime,
    pub(super) lasted: Duration,
    pub(super) period: Duration,
    pub(super) stretches: Vec<Stretch>,
    pub(super) losses: Losses,
    pub(super) comments: Vec<String>,
}

/// One thread's time on one stack.
#[derive(Debug)]
pub(super) struct Stretch {
    pub(super) thread: Arc<str>,
    pub(super) doing: Doing,
    pub(super) tag: u32,
    pub(super) frames: Box<[u64]>,
    /// How often it was seen there.
    pub(super) looks: u64,
    /// How many separate times it was there: it had run in between.
    pub(super) waits: u64,
    pub(super) time: Duration,
}

struct Known {
    name: Arc<str>,
    clock: Duration,
    doing: Doing,
    stack: Stack,
}

struct Sweeper<'keep> {
    keep: &'keep dyn Fn(Doing) -> bool,
    looker: Looker,
    known: HashMap<u32, Known>,
    tally: Tally,
    waits: HashMap<(u32, u64), u64>,
    losses: Losses,
    sweep: u64,
    asked: u64,
    unanswered: u64,
    /// Looks at threads of which the kernel did not tell where they are.
    unknown: u64,
}

/// Looks at the threads `hertz` times a second for the length of `window`, and keeps the time that `keep` wants.
pub(super) fn record(hertz: u32, window: &Window, keep: impl Fn(Doing) -> bool) -> Result<Recording, Error> {
    let period = Duration::from_secs(1) / hertz.max(1);
    let (began, clock) = (SystemTime::now(), Instant::now());
    let mut sweeper = Sweeper {
        keep: &keep,
        looker: Looker::new(),
        known: HashMap::new(),
        tally: Tally::default(),
        waits: HashMap::new(),
        losses: Losses::default(),
        sweep: 0,
        asked: 0,
        unanswered: 0,
        unknown: 0,
    };
    let mut last = clock;
    loop {
        let (now, used) = (Instant::now(), own_time());
        sweeper.sweep(now.saturating_duration_since(last));
        last = now;
        // What it worked, without its waiting for answers.
        let took = own_time().saturating_sub(used);
        let pause = period.max(took * SHARE).saturating_sub(now.elapsed());
        let left = window.length().saturating_sub(clock.elapsed());
        if window.is_canceled() {
            return Err(Error::new(ErrorKind::TimedOut, "the wall-clock window was ended early"));
        }
        if left.is_zero() {
            break;
        }
        // No step in time with what happens every so many milliseconds: up to a fourth shorter or longer.
        let pause = pause.mul_f64(0.75 + 0.5 * fraction(sweeper.sweep));
        let until = Instant::now() + pause.min(left);
        while !window.is_canceled() {
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                break;
            }
            std::thread::sleep(rest.min(Window::POLL));
        }
    }
    let sweeps = sweeper.sweep;
    let mut recording = sweeper.finish(began, clock.elapsed(), period);
    let looks = sweeps as f64 / recording.lasted.as_secs_f64().max(f64::MIN_POSITIVE);
    if looks < 0.75 * f64::from(hertz) && recording.lasted > 4 * period {
        recording
            .comments
            .push(format!("looked {looks:.0} times a second instead of {hertz}: there are many threads"));
    }
    Ok(recording)
}

/// The CPU time of the thread that sweeps.
fn own_time() -> Duration {
    task::cpu_time(process::this_thread()).unwrap_or_default()
}

/// A number from 0 to 1 that looks random: the fractional part of multiples of the golden ratio (Weyl's sequence).
fn fraction(step: u64) -> f64 {
    (step as f64 * 0.618_033_988_75).fract()
}

impl Sweeper<'_> {
    fn sweep(&mut self, since: Duration) {
        self.sweep += 1;
        let Ok(mut numbers) = thread::list() else { return };
        if numbers.len() > MAX_THREADS {
            self.losses.dropped += (numbers.len() - MAX_THREADS) as u64;
            numbers.truncate(MAX_THREADS);
        }
        let mut running = Vec::new();
        // The one that looks is none of the service's, and seen from outside it always reads.
        let this = process::this_thread();
        for number in numbers.iter().filter(|number| **number != this) {
            let Ok(clock) = task::cpu_time(*number) else { continue };
            match self.known.get_mut(number) {
                Some(known) if known.clock == clock && known.doing != Doing::Running => {
                    self.count(*number, since, false)
                }
                // A clock that runs backwards is another thread's, with the number of one that has ended.
                Some(known) if clock < known.clock => {
                    self.known.remove(number);
                }
                Some(known) => {
                    known.clock = clock;
                    self.look(*number, since, &mut running);
                }
                None => {
                    let Some(name) = thread::name(*number) else { continue };
                    let stack = Stack { frames: Vec::new(), end: End::Busy, tag: 0 };
                    self.known
                        .insert(*number, Known { name: name.into(), clock, doing: Doing::Running, stack });
                    self.look(*number, since, &mut running);
                }
            }
        }
        self.forget_the_stacks_of_the_dead(&numbers);
        let answers = stacks::ask(&running, PATIENCE);
        self.asked += running.len() as u64;
        for (number, answer) in running.into_iter().zip(answers) {
            self.unanswered += u64::from(answer.is_none());
            if let Some(known) = self.known.get_mut(&number) {
                known.doing = Doing::Running;
                known.stack = answer.unwrap_or(Stack { frames: Vec::new(), end: End::Busy, tag: 0 });
            }
            self.count(number, since, true);
        }
    }

    /// Their names are still needed at the end.
    fn forget_the_stacks_of_the_dead(&mut self, alive: &[u32]) {
        if self.known.len() > alive.len() {
            let alive: HashSet<u32> = alive.iter().copied().collect();
            let dead = self.known.iter_mut().filter(|(number, _)| !alive.contains(number));
            dead.for_each(|(_, known)| known.stack.frames = Vec::new());
        }
    }

    fn look(&mut self, number: u32, since: Duration, running: &mut Vec<u32>) {
        if self.known.get(&number).is_some_and(|known| known.name.starts_with(OWN)) {
            return;
        }
        match self.looker.look(number) {
            Look::Asleep { call, stack } => {
                if let Some(known) = self.known.get_mut(&number) {
                    (known.doing, known.stack) = (Doing::Waiting(call), stack);
                }
                self.count(number, since, true);
            }
            Look::Running => running.push(number),
            Look::Unknown => self.unknown += 1,
        }
    }

    /// Counts the time since the last sweep where the thread is now; the first sweep counts nothing yet.
    fn count(&mut self, number: u32, since: Duration, anew: bool) {
        let Some(known) = self.known.get(&number) else { return };
        if known.name.starts_with(OWN) || self.sweep <= 1 || !(self.keep)(known.doing) {
            return;
        }
        match known.stack.end {
            End::Lost => self.losses.incomplete += 1,
            End::Full => self.losses.truncated += 1,
            End::Root | End::Busy => {}
        }
        let who = Who { thread: number, tag: known.stack.tag, state: code(known.doing) };
        let ns = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        self.tally.add(who, &known.stack.frames, Weight { taken: 1, ns });
        if !anew || !matches!(known.doing, Doing::Waiting(_)) {
            return;
        }
        let wait = (number, hash(&known.stack.frames));
        if self.waits.len() < MAX_STACKS || self.waits.contains_key(&wait) {
            *self.waits.entry(wait).or_default() += 1;
        }
    }

    fn finish(self, began: SystemTime, lasted: Duration, period: Duration) -> Recording {
        let Self { known, tally, waits, mut losses, asked, unanswered, unknown, .. } = self;
        losses.dropped += tally.dropped();
        let mut comments = Vec::new();
        if unanswered > 0 {
            comments.push(format!(
                "{unanswered} of {asked} times a running thread did not answer in {} ms: counted without a stack",
                PATIENCE.as_millis()
            ));
        }
        if unknown > 0 {
            losses.dropped += unknown;
            comments.push(format!(
                "{unknown} times the kernel did not tell where a thread is (/proc/self/task/TID/syscall): not counted"
            ));
        }
        let stretches = tally.into_stacks().filter_map(|(who, frames, weight)| {
            let thread = known.get(&who.thread)?.name.clone();
            let waits = waits.get(&(who.thread, hash(&frames))).copied().unwrap_or(0).max(1);
            Some(Stretch {
                thread,
                doing: doing(who.state),
                tag: who.tag,
                frames,
                looks: weight.taken,
                waits,
                time: Duration::from_nanos(weight.ns),
            })
        });
        Recording { began, lasted, period, stretches: stretches.collect(), losses, comments }
    }
}

fn hash(frames: &[u64]) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    frames.hash(&mut hasher);
    hasher.finish()
}

/// As a number in a key: 0 runs, 1 waits in no call, from 2 on the call's number.
fn code(doing: Doing) -> u64 {
    match doing {
        Doing::Running => 0,
        Doing::Waiting(None) => 1,
        Doing::Waiting(Some(call)) => u64::from(call) + 2,
    }
}

fn doing(code: u64) -> Doing {
    match code {
        0 => Doing::Running,
        1 => Doing::Waiting(None),
        call => Doing::Waiting(u32::try_from(call - 2).ok()),
    }
}
