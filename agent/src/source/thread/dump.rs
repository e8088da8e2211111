//! Every thread with its stack: the `threads` profile. Threads that sleep are not touched; those that run are asked by
//! signal, and who does not answer in time is shown without a stack.

use std::time::Duration;

use super::stacks::{self, Look, Looker, Stack};
use super::stat::{Stat, State};
use super::wait;
use super::{OWN, list, stat};
use crate::profile::{Frame, Profile};
use crate::source::{Labels, Source, Window, addresses, counting};
use crate::sys::process;
use crate::sys::unwinder::End;
use crate::{Error, ErrorKind};

/// The most threads that are shown, about 40 µs each; those past it are counted as dropped.
const MAX_THREADS: usize = 10_000;

/// How long the threads that run may take to answer: on a busy machine a thread waits its turn.
const PATIENCE: Duration = Duration::from_millis(100);

/// Each thread alive, one stack for each, with its name, number, state, system call and CPU time as labels.
#[derive(Clone, Copy, Debug)]
pub struct ThreadStacks {
    labels: Labels,
}

/// What is known of one thread.
struct Seen {
    number: u32,
    stat: Stat,
    call: Option<u32>,
    stack: Option<Stack>,
    /// The kernel says that it runs, which its letter may say a moment later.
    runs: bool,
}

impl ThreadStacks {
    /// The threads of this process.
    #[must_use]
    pub fn new() -> Self {
        Self { labels: |_| Vec::new() }
    }

    /// The same, with what `labels` gives for the tag of a thread that runs.
    #[must_use]
    pub(crate) fn labeled(self, labels: Labels) -> Self {
        Self { labels }
    }
}

impl Default for ThreadStacks {
    fn default() -> Self {
        Self::new()
    }
}

impl Source for ThreadStacks {
    fn name(&self) -> &'static str {
        "threads"
    }

    fn about(&self) -> &'static str {
        "Every thread with its stack, as it is now. Costs about 40 µs a thread; sleeping threads are not touched."
    }

    fn count(&self) -> Option<u64> {
        process::threads_alive().ok()
    }

    fn collect(&self, _window: &Window) -> Result<Profile, Error> {
        let numbers = list()
            .map_err(|error| Error::new(ErrorKind::Unsupported, "cannot list the threads").because(error))?;
        let mut profile = counting("threads", "threads");
        let mut own = 0;
        let mut seen = Vec::new();
        let mut looker = Looker::new();
        // A thread that looks at itself sees that it reads.
        let this = process::this_thread();
        for number in numbers.into_iter().filter(|number| *number != this) {
            match stat(number) {
                Some(stat) if stat.name.starts_with(OWN) => own += 1,
                Some(_) if seen.len() >= MAX_THREADS => profile.losses.dropped += 1,
                Some(stat) => seen.push(see(number, stat, &mut looker)),
                None => {}
            }
        }
        ask_the_running(&mut seen);
        for thread in seen {
            self.add(&mut profile, thread);
        }
        if own > 0 {
            profile.comments.push(format!("{own} threads of flamewatch itself are left out"));
        }
        Ok(profile)
    }
}

fn see(number: u32, stat: Stat, looker: &mut Looker) -> Seen {
    match looker.look(number) {
        Look::Asleep { call, stack } => Seen { number, stat, call, stack: Some(stack), runs: false },
        Look::Running => Seen { number, stat, call: None, stack: None, runs: true },
        Look::Unknown => Seen { number, stat, call: None, stack: None, runs: false },
    }
}

fn ask_the_running(seen: &mut [Seen]) {
    let asked: Vec<u32> =
        seen.iter().filter(|thread| thread.stack.is_none()).map(|thread| thread.number).collect();
    let mut answers = stacks::ask(&asked, PATIENCE).into_iter();
    for thread in seen.iter_mut().filter(|thread| thread.stack.is_none()) {
        thread.stack = answers.next().flatten();
        if thread.runs && thread.stat.state == State::Sleeping {
            thread.stat.state = State::Running;
        }
    }
}

impl ThreadStacks {
    fn add(&self, profile: &mut Profile, thread: Seen) {
        let stack = thread.stack.unwrap_or(Stack { frames: Vec::new(), end: End::Busy, tag: 0 });
        match stack.end {
            End::Root => {}
            End::Full => profile.losses.truncated += 1,
            End::Lost => profile.losses.incomplete += 1,
            End::Busy => profile.losses.dropped += 1,
        }
        let labels = (self.labels)(stack.tag).into_iter().map(|(key, value)| Frame::label(key, value));
        let call = thread.call.map(|call| {
            let name = wait::call_name(call).map_or_else(|| format!("system call {call}"), str::to_owned);
            Frame::label("in", name)
        });
        let frames = addresses(&stack.frames).map(Frame::Address).chain(labels).chain(call);
        let cpu = format!("{:.2} s", thread.stat.cpu.as_secs_f64());
        let about = [
            Frame::label("state", thread.stat.state.as_str()),
            Frame::label("cpu", cpu),
            Frame::label("tid", thread.number.to_string()),
            Frame::label("thread", thread.stat.name),
        ];
        profile.add(frames.chain(about), &[1], 0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    #[inline(never)]
    fn waits_here(until: &Receiver<()>) -> u32 {
        let _ = until.recv();
        std::hint::black_box(7)
    }

    fn label<'a>(frames: &'a [&Frame], wanted: &str) -> Option<&'a str> {
        frames.iter().find_map(|frame| match frame {
            Frame::Label { key, value } if key == wanted => Some(&**value),
            _ => None,
        })
    }

    #[test]
    fn sleeping_and_running_threads_show_where_they_are() {
        let (release, released) = channel();
        let named = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let sleeper = named("sleeper").spawn(move || waits_here(&released)).expect("a thread");
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let stopped = stop.clone();
        let runner = named("runner")
            .spawn(move || while !stopped.load(std::sync::atomic::Ordering::Relaxed) {})
            .expect("a thread");
        let find = |profile: &Profile, name: &str| -> Option<(String, Option<String>, bool)> {
            let stacks = profile.iter().map(|stack| stack.frames().collect::<Vec<_>>());
            let frames = stacks.into_iter().find(|frames| label(frames, "thread") == Some(name))?;
            let here = waits_here as fn(&Receiver<()>) -> u32 as usize as u64;
            let is_here = |frame: &&Frame| matches!(frame, Frame::Address(at) if (here..here + 256).contains(&at.lookup()));
            Some((
                label(&frames, "state")?.to_owned(),
                label(&frames, "in").map(str::to_owned),
                frames.iter().any(is_here),
            ))
        };
        let mut found = (None, None);
        for _ in 0..200 {
            let profile = ThreadStacks::new().collect(&Window::now()).expect("threads");
            found = (find(&profile, "sleeper"), find(&profile, "runner"));
            if found.0.as_ref().is_some_and(|sleeper| sleeper.2) && found.1.is_some() {
                break;
            }
            std::thread::yield_now();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        drop(release);
        assert_eq!(found.0, Some(("sleeping".to_owned(), Some("futex".to_owned()), true)));
        assert_eq!(found.1.map(|runner| (runner.0, runner.1)), Some(("running".to_owned(), None)));
        assert!(sleeper.join().is_ok() && runner.join().is_ok());
    }
}
