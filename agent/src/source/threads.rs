//! The threads that live now, by name: the `threadcreate` profile. Reads `/proc`, touches no thread.

use std::io;
use std::path::Path;

use super::thread::{OWN, Stat};
use super::{Source, Window, counting};
use crate::profile::{Frame, Function, Profile};
use crate::{Error, ErrorKind};

/// The most threads looked at, 5 µs each; those past it are counted as dropped.
const MAX_THREADS: usize = 10_000;

/// Threads alive, one stack for each name, numbers in names taken together, with the state as a label.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Threads;

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
    let mut profile = counting("threadcreate", "threadcreate");
    let mut own = 0_u64;
    for (index, entry) in std::fs::read_dir(directory)?.enumerate() {
        if index >= MAX_THREADS {
            profile.losses.dropped += 1;
            continue;
        }
        // A thread that ends while we look is no thread anymore.
        let Ok(text) = entry.and_then(|entry| std::fs::read(entry.path().join("stat"))) else { continue };
        match Stat::parse(&String::from_utf8_lossy(&text)) {
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

fn frames(thread: &Stat) -> [Frame; 2] {
    [Frame::named(Function::new(folded(&thread.name), "", 0)), Frame::label("state", thread.state.as_str())]
}

/// The name with `*` for each run of digits, so that the workers of a pool are one.
pub(super) fn folded(name: &str) -> String {
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
