//! The threads there are now, by name: the profile Go calls `threadcreate`.

use std::fs;

use super::{Source, Window};
use crate::profile::{Frame, Function, Profile, Unit, ValueType};
use crate::{Error, ErrorKind};

/// The most threads that are listed; further ones are counted as dropped.
pub const MAX_THREADS: usize = 10_000;

/// The threads of this process, from `/proc/self/task` (proc(5)).
#[derive(Debug, Default)]
pub struct Threads(());

impl Threads {
    /// The threads of this process.
    #[must_use]
    pub fn new() -> Self {
        Self(())
    }
}

impl Source for Threads {
    fn name(&self) -> &'static str {
        "threadcreate"
    }

    fn about(&self) -> &'static str {
        "Threads there are now, by name, without flamewatch's own. Costs a few microseconds a thread."
    }

    fn count(&self) -> Option<u64> {
        fs::read_dir("/proc/self/task").ok().map(|threads| threads.count() as u64)
    }

    fn collect(&self, _window: &Window) -> Result<Profile, Error> {
        let listing = fs::read_dir("/proc/self/task")
            .map_err(|error| Error::new(ErrorKind::Unsupported, "cannot list the threads").because(error))?;
        let mut profile = Profile::new(self.name(), [ValueType::new("threadcreate", Unit::Count)]);
        let mut ours = 0;
        for (index, entry) in listing.flatten().enumerate() {
            if index >= MAX_THREADS {
                profile.losses.dropped += 1;
                continue;
            }
            // A thread that has ended since the listing has no name any more.
            let Ok(name) = fs::read_to_string(entry.path().join("comm")) else { continue };
            let name = name.trim_end();
            if name.starts_with("flamewatch-") {
                ours += 1;
                continue;
            }
            profile.add([Frame::named(Function::new(family(name), "", 0))], &[1], 0);
        }
        profile.comments.push(format!("{ours} threads of flamewatch itself are left out"));
        Ok(profile)
    }
}

/// The name without its number: `worker-12` and `worker-3` are of one family, `worker-N`.
fn family(name: &str) -> String {
    let mut family = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter.is_ascii_digit() {
            true if family.ends_with('N') => {}
            true => family.push('N'),
            false => family.push(letter),
        }
    }
    if family.is_empty() { "(no name)".to_owned() } else { family }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_of_one_family_are_counted_together() {
        let (ends, ended) = std::sync::mpsc::channel::<()>();
        let ended = std::sync::Arc::new(std::sync::Mutex::new(ended));
        let threads: Vec<_> = (0..5)
            .map(|index| {
                let ended = ended.clone();
                let name = if index == 0 { "flamewatch-x".to_owned() } else { format!("pool-{index}3") };
                let wait = move || drop(ended.lock().expect("no panic").recv());
                std::thread::Builder::new().name(name).spawn(wait).expect("a thread")
            })
            .collect();
        // A thread names itself once it runs.
        let mut found = 0;
        for _ in 0..1000 {
            let profile = Threads::new().collect(&Window::now()).expect("a profile");
            let is_pool = |frame: &Frame| frame.show() == "pool-N";
            found = profile.iter().filter(|stack| stack.frames().any(is_pool)).map(|stack| stack.value(0)).sum();
            assert!(!profile.frames().any(|frame| frame.show().starts_with("flamewatch")));
            if found == 4 {
                break;
            }
            std::thread::yield_now();
        }
        drop(ends);
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        assert_eq!(found, 4);
    }

    #[test]
    fn families() {
        assert_eq!(family("tokio-rt-worker"), "tokio-rt-worker");
        assert_eq!(family("worker-12"), "worker-N");
        assert_eq!(family(""), "(no name)");
    }
}
