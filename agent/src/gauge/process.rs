//! Threads, file descriptors and CPU time of this process.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use super::Gauge;
use crate::Unit;

/// How many threads there are, from `/proc/self/task` (proc(5)).
#[derive(Debug, Default)]
pub struct Threads(());

impl Threads {
    /// The threads of this process.
    #[must_use]
    pub fn new() -> Self {
        Self(())
    }
}

impl Gauge for Threads {
    fn name(&self) -> &str {
        "threads"
    }

    fn unit(&self) -> Unit {
        Unit::Count
    }

    fn read(&mut self) -> io::Result<f64> {
        Ok(fs::read_dir("/proc/self/task")?.count() as f64)
    }

    fn evidence(&self) -> Option<&'static str> {
        Some("threadcreate")
    }
}

/// How many file descriptors are open, from `/proc/self/fd` (proc(5)).
#[derive(Debug, Default)]
pub struct Fds(());

impl Fds {
    /// The open file descriptors of this process.
    #[must_use]
    pub fn new() -> Self {
        Self(())
    }
}

impl Gauge for Fds {
    fn name(&self) -> &str {
        "fds"
    }

    fn unit(&self) -> Unit {
        Unit::Count
    }

    fn read(&mut self) -> io::Result<f64> {
        // One of them is the listing itself.
        Ok(fs::read_dir("/proc/self/fd")?.count().saturating_sub(1) as f64)
    }
}

/// How many cores are kept busy, since the reading before.
#[derive(Debug, Default)]
pub struct Cpu {
    before: Option<(Instant, Duration)>,
}

impl Cpu {
    /// The CPU time of this process.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Gauge for Cpu {
    fn name(&self) -> &str {
        "cpu"
    }

    fn unit(&self) -> Unit {
        Unit::Ratio
    }

    fn read(&mut self) -> io::Result<f64> {
        let now = (Instant::now(), crate::sys::process::cpu_time());
        let before = self.before.replace(now).unwrap_or(now);
        let (passed, used) = (now.0 - before.0, now.1.saturating_sub(before.1));
        Ok(if passed.is_zero() { 0.0 } else { used.as_secs_f64() / passed.as_secs_f64() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_and_a_file_show() {
        let (ends, ended) = std::sync::mpsc::channel::<()>();
        let read = |gauge: &mut dyn Gauge| gauge.read().expect("a reading");
        let before = (read(&mut Threads::new()), read(&mut Fds::new()));
        let thread = std::thread::spawn(move || drop(ended.recv()));
        let files: Vec<_> = (0..50).map(|_| fs::File::open("/dev/null").expect("a file")).collect();
        // Other tests of this process come and go by a few threads and files.
        assert!(read(&mut Threads::new()) + 16.0 > before.0);
        assert!(read(&mut Fds::new()) > before.1 + 25.0);
        drop((ends, files));
        thread.join().expect("no panic");
    }

    #[test]
    fn work_shows_as_cpu() {
        let mut gauge = Cpu::new();
        assert_eq!(gauge.read().expect("a reading"), 0.0);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(200) {
            std::hint::black_box(begun);
        }
        assert!(gauge.read().expect("a reading") > 0.1);
    }
}
