//! Threads by name, numbers in names taken together, with the time since each was started.

use std::time::Duration;

use super::Names;
use crate::profile::Frame;
use crate::source::thread::{self, OWN};
use crate::source::threads::folded;

/// The most threads looked at, 5 µs each.
const MAX_THREADS: usize = 10_000;

/// The threads of this process.
#[derive(Debug, Default)]
pub(crate) struct Threads {
    names: Names,
}

impl Threads {
    /// Hands the key and the age of each to `each`, the agent's own left out. Returns how many were not looked at.
    pub(crate) fn visit(&mut self, mut each: impl FnMut(u64, Duration)) -> u64 {
        let (Ok(numbers), Some(up)) = (thread::list(), up()) else { return 0 };
        for number in numbers.iter().take(MAX_THREADS) {
            // A thread that ends while we look is no thread any more.
            let Some(stat) = thread::stat(*number).filter(|stat| !stat.name.starts_with(OWN)) else {
                continue;
            };
            each(self.names.key(folded(&stat.name)), up.saturating_sub(stat.started));
        }
        numbers.len().saturating_sub(MAX_THREADS) as u64
    }

    /// The name that `key` stands for.
    pub(crate) fn frames(&self, key: u64) -> Vec<Frame> {
        self.names.frames(key)
    }
}

/// The time since the machine was started, on the clock that the kernel dates threads by, proc_uptime(5).
fn up() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    let seconds: f64 = text.split(' ').next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn threads_are_as_old_as_they_are() {
        let (release, held) = mpsc::channel::<()>();
        let body = move || held.recv().is_err();
        let thread = std::thread::Builder::new().name("elder-77".to_owned()).spawn(body).expect("a thread");
        let mut threads = Threads::default();
        let key = threads.names.key("elder-*".to_owned());
        let mut age = || {
            let mut found = None;
            threads.visit(|of, age| found = found.or((of == key).then_some(age)));
            found
        };
        // A thread names itself after its parent has gone on.
        let first = loop {
            if let Some(age) = age() {
                break age;
            }
            std::thread::yield_now();
        };
        std::thread::sleep(Duration::from_millis(50));
        let later = age().expect("it still lives");
        assert!(
            first < Duration::from_secs(60) && later >= first + Duration::from_millis(30),
            "{first:?} {later:?}"
        );
        assert_eq!(
            threads.frames(key).first().map(|frame| frame.show().into_owned()).as_deref(),
            Some("elder-*")
        );
        drop(release);
        assert!(thread.join().is_ok());
    }
}
