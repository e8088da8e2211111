//! How much of the CPU time the samples account for, by the process's clock and by each thread's. Pure.
//!
//! A CPU timer is looked at when the kernel ticks. A thread that works for a moment between two ticks and sleeps when
//! they come is never seen by it; its clock knows.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Fewer samples than this were to be expected: then the coverage is chance, and none is given.
const MIN_EXPECTED: f64 = 10.0;

/// A thread is flagged when samples account for less than this share of its time, or more than its inverse.
const FLAGGED_BELOW: f64 = 0.5;

/// So many threads are named at most, those with the most time first.
const MAX_FLAGGED: usize = 8;

/// What was used and what was seen.
#[derive(Clone, Debug)]
pub(super) struct Coverage {
    /// By the process's clock, without the agent's own threads.
    used: Option<Duration>,
    sampled: Duration,
    period: Duration,
    threads: Vec<ThreadUse>,
}

/// The same for one thread that lived when the window ended.
#[derive(Clone, Debug)]
pub(super) struct ThreadUse {
    pub(super) name: Arc<str>,
    pub(super) number: u32,
    pub(super) used: Duration,
    pub(super) sampled: Duration,
    /// Why it could not be sampled, if that is known.
    pub(super) obstacle: Option<Arc<str>>,
}

impl Coverage {
    pub(super) fn new(
        used: Option<Duration>,
        sampled: Duration,
        period: Duration,
        threads: Vec<ThreadUse>,
    ) -> Self {
        Self { used, sampled, period, threads }
    }

    /// The share of the process's time that samples account for; 1.0 is all of it.
    pub(super) fn of_process(&self) -> Option<f64> {
        self.share(self.used?, self.sampled)
    }

    /// Threads whose time the samples do not account for, in words.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut flagged: Vec<&ThreadUse> =
            self.threads.iter().filter(|thread| self.is_flagged(thread)).collect();
        flagged.sort_by_key(|thread| std::cmp::Reverse(thread.used));
        let more = flagged.len().saturating_sub(MAX_FLAGGED);
        let mut remarks: Vec<String> =
            flagged.iter().take(MAX_FLAGGED).map(|thread| remark(thread)).collect();
        if more > 0 {
            remarks.push(format!("so do {more} more threads"));
        }
        remarks
    }

    /// Takes up a window that followed.
    pub(super) fn add(&mut self, other: &Self) {
        self.used = self.used.zip(other.used).map(|(ours, theirs)| ours.saturating_add(theirs));
        self.sampled = self.sampled.saturating_add(other.sampled);
        self.period = self.period.max(other.period);
        let mut places: HashMap<u32, usize> =
            self.threads.iter().enumerate().map(|(index, thread)| (thread.number, index)).collect();
        for theirs in &other.threads {
            let place = *places.entry(theirs.number).or_insert(self.threads.len());
            match self.threads.get_mut(place) {
                Some(ours) => {
                    ours.used = ours.used.saturating_add(theirs.used);
                    ours.sampled = ours.sampled.saturating_add(theirs.sampled);
                    ours.obstacle = ours.obstacle.take().or_else(|| theirs.obstacle.clone());
                }
                None => self.threads.push(theirs.clone()),
            }
        }
    }

    /// Takes back what was sampled and is not in the profile.
    pub(super) fn uncover(&mut self, sampled: Duration) {
        self.sampled = self.sampled.saturating_sub(sampled);
    }

    fn is_flagged(&self, thread: &ThreadUse) -> bool {
        self.share(thread.used, thread.sampled)
            .is_some_and(|share| !(FLAGGED_BELOW..=1.0 / FLAGGED_BELOW).contains(&share))
    }

    fn share(&self, used: Duration, sampled: Duration) -> Option<f64> {
        let enough = used.as_secs_f64() >= MIN_EXPECTED * self.period.as_secs_f64();
        enough.then(|| sampled.as_secs_f64() / used.as_secs_f64())
    }
}

fn remark(thread: &ThreadUse) -> String {
    let why =
        thread.obstacle.as_deref().unwrap_or("its work hides between the kernel's ticks, or crowds at them");
    format!(
        "thread {} ({}) used {:.2} s of CPU, samples account for {:.2} s: {why}",
        thread.name,
        thread.number,
        thread.used.as_secs_f64(),
        thread.sampled.as_secs_f64()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn thread(name: &str, number: u32, used: u64, sampled: u64) -> ThreadUse {
        ThreadUse { name: name.into(), number, used: MS(used), sampled: MS(sampled), obstacle: None }
    }

    #[test]
    fn an_idle_process_gives_no_coverage() {
        let of = |used, sampled| Coverage::new(Some(MS(used)), MS(sampled), MS(10), Vec::new()).of_process();
        assert_eq!((of(90, 0), of(100, 0), of(200, 190)), (None, Some(0.0), Some(0.95)));
    }

    #[test]
    fn threads_that_hide_are_named() {
        let mut blocked = thread("blocked", 3, 900, 0);
        blocked.obstacle = Some("it blocks the signal".into());
        let threads = vec![
            thread("fine", 1, 1000, 980),
            thread("hides", 2, 800, 100),
            blocked,
            thread("idle", 4, 20, 0),
        ];
        let remarks = Coverage::new(None, MS(0), MS(10), threads).remarks();
        assert_eq!(
            remarks,
            [
                "thread blocked (3) used 0.90 s of CPU, samples account for 0.00 s: it blocks the signal",
                "thread hides (2) used 0.80 s of CPU, samples account for 0.10 s: its work hides between the kernel's ticks, or crowds at them"
            ]
        );
    }

    #[test]
    fn windows_add_up_by_thread() {
        let mut first = Coverage::new(Some(MS(500)), MS(500), MS(10), vec![thread("a", 1, 60, 0)]);
        first.add(&Coverage::new(
            Some(MS(300)),
            MS(100),
            MS(10),
            vec![thread("a", 1, 60, 0), thread("b", 2, 9, 9)],
        ));
        assert!(first.of_process().is_some_and(|share| (share - 0.75).abs() < 1e-9));
        assert_eq!(first.remarks().len(), 1, "120 ms together are enough to tell");
    }
}
