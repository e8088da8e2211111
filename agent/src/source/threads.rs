//! The threads that live now, by name: the `threadcreate` profile. Reads `/proc`, touches no thread.

use std::io;
use std::path::Path;

use super::{Source, Window};
use crate::profile::{Frame, Function, Profile, Unit, ValueType};
use crate::{Error, ErrorKind};

/// The most threads looked at, 5 µs each; those past it are counted as dropped.
const MAX_THREADS: usize = 10_000;

/// How the names of the agent's own threads begin.
const OWN: &str = "flamewatch-";

/// Threads alive, one stack for each name, numbers in names taken together, with the state as a label.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Threads;

/// What `/proc/self/task/T/stat` says first.
#[derive(Debug, PartialEq, Eq)]
struct Thread<'text> {
    name: &'text str,
    state: &'static str,
}

impl Threads {
    /// The threads of this process.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Source for Threads {
    fn name(&self) -> &'static str {
        "threadcreate"
    }

    fn about(&self) -> &'static str {
        "Threads alive now, by name and state. Costs about 5 µs a thread."
    }

    fn count(&self) -> Option<u64> {
        crate::sys::process::threads_alive().ok()
    }

    fn collect(&self, _window: &Window) -> Result<Profile, Error> {
        collect(Path::new("/proc/self/task"))
            .map_err(|error| Error::new(ErrorKind::Unsupported, "cannot list the threads").because(error))
    }
}

fn collect(directory: &Path) -> io::Result<Profile> {
    let mut profile = Profile::new("threadcreate", [ValueType::new("threadcreate", Unit::Count)]);
    let mut own = 0_u64;
    for (index, entry) in std::fs::read_dir(directory)?.enumerate() {
        if index >= MAX_THREADS {
            profile.losses.dropped += 1;
            continue;
        }
        // A thread that ends while we look is no thread anymore.
        let Ok(text) = entry.and_then(|entry| std::fs::read(entry.path().join("stat"))) else { continue };
        let text = String::from_utf8_lossy(&text);
        match parse(&text) {
            Some(thread) if thread.name.starts_with(OWN) => own += 1,
            Some(thread) => profile.add(frames(&thread), &[1], 0),
            None => profile.losses.dropped += 1,
        }
    }
    if own > 0 {
        profile.comments.push(format!("{own} threads of flamewatch itself are left out"));
    }
    Ok(profile)
}

fn frames(thread: &Thread<'_>) -> [Frame; 2] {
    [Frame::named(Function::new(folded(thread.name), "", 0)), Frame::label("state", thread.state)]
}

/// `4711 (tokio-worker 3) S …`; the name may hold blanks and parentheses of its own.
fn parse(stat: &str) -> Option<Thread<'_>> {
    let (head, tail) = stat.rsplit_once(") ")?;
    let (_, name) = head.split_once(" (")?;
    let state = match tail.chars().next()? {
        'R' => "running",
        'S' => "sleeping",
        'D' => "waiting for the disk",
        'T' | 't' => "stopped",
        'Z' | 'X' => "ended",
        'I' | 'P' => "idle",
        _ => "unknown",
    };
    Some(Thread { name, state })
}

/// The name with `*` for each run of digits, so that the workers of a pool are one.
fn folded(name: &str) -> String {
    let mut folded = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            '0'..='9' if folded.ends_with('*') => {}
            '0'..='9' => folded.push('*'),
            other => folded.push(other),
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn stat_lines() {
        let thread = |name, state| Some(Thread { name, state });
        assert_eq!(parse("7 (main) R 1 7 7"), thread("main", "running"));
        assert_eq!(parse("7 (a) b (c)) S 1"), thread("a) b (c)", "sleeping"));
        assert_eq!(parse("7 () D 1"), thread("", "waiting for the disk"));
        assert_eq!((parse(""), parse("7 (cut"), parse("7 (x) ")), (None, None, None));
    }

    #[test]
    fn numbers_in_names_fold() {
        assert_eq!(folded("worker-12"), "worker-*");
        assert_eq!(folded("tokio-rt-worker"), "tokio-rt-worker");
        assert_eq!(folded("conn 10 of 20"), "conn * of *");
    }

    #[test]
    fn threads_are_counted_by_name_without_our_own() {
        let (release, released) = mpsc::channel::<()>();
        let named = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let own = named("flamewatch-test").spawn(move || released.recv().is_err()).expect("a thread");
        let (mut held, mut threads) = (Vec::new(), Vec::new());
        for index in 0..3 {
            let (hold, holding) = mpsc::channel::<()>();
            held.push(hold);
            let body = move || holding.recv().is_err();
            threads.push(named(&format!("pool-{index}")).spawn(body).expect("a thread"));
        }
        let profile = wait_for_pool();
        let pool: i64 = profile
            .iter()
            .filter(|stack| stack.frames().any(|frame| frame.show() == "pool-*"))
            .map(|stack| stack.value(0))
            .sum();
        assert_eq!(pool, 3);
        assert!(profile.comments.iter().any(|comment| comment.contains("of flamewatch itself")));
        assert!(profile.frames().all(|frame| !frame.show().starts_with(OWN)));
        drop((held, release));
        assert!(own.join().is_ok() && threads.into_iter().all(|thread| thread.join().is_ok()));
    }

    /// A thread names itself after its parent has gone on, so the names come a moment later.
    fn wait_for_pool() -> Profile {
        let count = |profile: &Profile| -> i64 {
            let named = |name: &str| {
                let stacks = profile.iter().filter(|stack| stack.frames().any(|frame| frame.show() == name));
                stacks.map(|stack| stack.value(0)).sum::<i64>()
            };
            named("pool-*") + i64::from(!profile.comments.is_empty())
        };
        for _ in 0..1_000 {
            let profile = Threads::new().collect(&Window::now()).expect("threads");
            if count(&profile) == 4 {
                return profile;
            }
            std::thread::yield_now();
        }
        Threads::new().collect(&Window::now()).expect("threads")
    }
}
