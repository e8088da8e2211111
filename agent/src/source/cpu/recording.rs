//! What a window brings back, and how it becomes a profile: a pure step.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::coverage::{Coverage, ThreadUse};
use crate::profile::{Frame, Losses, Profile, Unit, ValueType};
use crate::source::tally::Weight;
use crate::source::{Labels, addresses};
use crate::sys::unwinder::End;

/// Samples of a stretch of time.
#[derive(Clone, Debug)]
pub(super) struct Recording {
    pub(super) began: SystemTime,
    pub(super) lasted: Duration,
    /// What a sample stands for, unless a tick came late and stands for several.
    pub(super) period: Duration,
    pub(super) samples: Vec<Sample>,
    pub(super) losses: Losses,
    pub(super) coverage: Coverage,
    pub(super) comments: Vec<String>,
}

/// Equal stacks of one thread.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) thread: Arc<str>,
    /// What the thread was working on, for `context`.
    pub(super) tag: u32,
    /// Innermost first: the interrupted instruction, then return addresses.
    pub(super) addresses: Box<[u64]>,
    pub(super) end: End,
    pub(super) weight: Weight,
}

impl Recording {
    /// Keeps the heaviest stacks with this many addresses together; what is cut is counted as dropped, and is not covered.
    pub(super) fn cut_to(&mut self, most: usize) {
        let mut left = most;
        self.samples.sort_by_key(|sample| std::cmp::Reverse(sample.weight.ns));
        let kept = self.samples.iter().take_while(|sample| {
            left = left.saturating_sub(sample.addresses.len());
            left > 0
        });
        let kept = kept.count();
        for cut in self.samples.drain(kept..) {
            self.losses.dropped += cut.weight.taken;
            self.coverage.uncover(Duration::from_nanos(cut.weight.ns));
        }
    }

    /// The profile with Go's two values, frames not named yet.
    pub(super) fn into_profile(self, labels: Labels) -> Profile {
        let cpu = ValueType::new("cpu", Unit::Nanoseconds);
        let mut profile = Profile::new("profile", [ValueType::new("samples", Unit::Count), cpu.clone()]);
        let period = u64::try_from(self.period.as_nanos()).unwrap_or(u64::MAX).max(1);
        profile.began = self.began;
        profile.lasted = Some(self.lasted);
        profile.period = Some((cpu, period));
        profile.losses = self.losses;
        profile.losses.coverage = self.coverage.of_process();
        profile.comments = self.comments;
        profile.comments.extend(self.coverage.remarks());
        let (mut taken, mut complete) = (0_u64, 0_u64);
        let mut known: HashMap<u32, Vec<Frame>> = HashMap::new();
        for sample in self.samples {
            taken += sample.weight.taken;
            match sample.end {
                End::Root => complete += sample.weight.taken,
                End::Full => profile.losses.truncated += sample.weight.taken,
                End::Lost | End::Busy => profile.losses.incomplete += sample.weight.taken,
            }
            let tags = known.entry(sample.tag).or_insert_with(|| label_frames(labels(sample.tag)));
            let frames = addresses(&sample.addresses).map(Frame::Address);
            let thread = Frame::label("thread", sample.thread);
            // A sample stands for one tick at the least, also one that was taken at a faster pace than the last.
            let ticks = (sample.weight.ns / period).max(sample.weight.taken);
            let ticks = i64::try_from(ticks).unwrap_or(i64::MAX);
            let cpu_ns = i64::try_from(sample.weight.ns).unwrap_or(i64::MAX);
            profile.add(
                frames.chain(tags.iter().cloned()).chain([thread]),
                &[ticks, cpu_ns],
                sample.weight.taken,
            );
        }
        if taken > 0 {
            let share = 100.0 * complete as f64 / taken as f64;
            profile.comments.push(format!("{share:.1} % of {taken} stacks reach the root of their thread"));
        }
        profile
    }
}

fn label_frames(labels: Vec<(&'static str, Arc<str>)>) -> Vec<Frame> {
    labels.into_iter().map(|(key, value)| Frame::label(key, value)).collect()
}

/// Adds recordings that follow each other into one.
pub(super) fn joined(parts: Vec<Recording>) -> Option<Recording> {
    let mut parts = parts.into_iter();
    let mut whole = parts.next()?;
    for part in parts {
        whole.lasted = whole.lasted.saturating_add(part.lasted);
        whole.period = whole.period.min(part.period);
        whole.samples.extend(part.samples);
        whole.losses.merge(&part.losses);
        whole.coverage.add(&part.coverage);
        for comment in part.comments {
            if !whole.comments.contains(&comment) {
                whole.comments.push(comment);
            }
        }
    }
    Some(whole)
}

/// A thread's use, for tests and for engines that know no threads.
impl Default for Recording {
    fn default() -> Self {
        Self {
            began: SystemTime::UNIX_EPOCH,
            lasted: Duration::ZERO,
            period: Duration::from_millis(10),
            samples: Vec::new(),
            losses: Losses::default(),
            coverage: Coverage::new(None, Duration::ZERO, Duration::from_millis(10), Vec::<ThreadUse>::new()),
            comments: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Addr;

    fn sample(thread: &str, tag: u32, taken: u64, end: End) -> Sample {
        let weight = Weight { taken, ns: taken * 10_000_000 };
        Sample { thread: thread.into(), tag, addresses: Box::new([1, 2]), end, weight }
    }

    fn labels(tag: u32) -> Vec<(&'static str, Arc<str>)> {
        if tag == 0 { Vec::new() } else { vec![("route", "/feed".into())] }
    }

    #[test]
    fn samples_become_time_and_say_what_they_lack() {
        let samples = vec![
            sample("worker", 0, 30, End::Full),
            sample("worker", 0, 9, End::Root),
            sample("worker", 7, 1, End::Lost),
        ];
        let coverage = Coverage::new(
            Some(Duration::from_millis(500)),
            Duration::from_millis(400),
            Duration::from_millis(10),
            Vec::new(),
        );
        let profile = Recording { samples, coverage, ..Recording::default() }.into_profile(labels);
        assert_eq!((profile.len(), profile.total(0), profile.total(1)), (2, 40, 400_000_000));
        assert_eq!(profile.losses.coverage, Some(0.8));
        assert_eq!((profile.losses.truncated, profile.losses.incomplete), (30, 1));
        let shown: Vec<Vec<_>> =
            profile.iter().map(|stack| stack.frames().map(Frame::show).collect()).collect();
        assert_eq!(
            shown,
            [vec!["0x1", "0x2", "thread=worker"], vec!["0x1", "0x2", "route=/feed", "thread=worker"]]
        );
        assert_eq!(profile.comments, ["22.5 % of 40 stacks reach the root of their thread"]);
        let first = profile.iter().next().expect("a stack");
        assert_eq!(first.frames().next(), Some(&Frame::Address(Addr::Pc(1))));
        assert_eq!(first.samples(), 39);
    }

    #[test]
    fn what_is_cut_is_counted_and_not_covered() {
        let samples =
            vec![sample("a", 0, 1, End::Root), sample("b", 0, 9, End::Root), sample("c", 0, 3, End::Root)];
        let ms = Duration::from_millis;
        let coverage = Coverage::new(Some(ms(130)), ms(130), ms(10), Vec::new());
        let mut recording = Recording { samples, coverage, ..Recording::default() };
        recording.cut_to(5);
        assert_eq!(recording.samples.iter().map(|sample| &*sample.thread).collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(recording.losses.dropped, 1);
        assert!(recording.coverage.of_process().is_some_and(|share| (share - 12.0 / 13.0).abs() < 1e-9));
    }

    #[test]
    fn parts_add_up() {
        let part = |taken| Recording {
            lasted: Duration::from_secs(10),
            samples: vec![sample("worker", 0, taken, End::Root)],
            comments: vec!["engine".to_owned()],
            ..Recording::default()
        };
        let whole = joined(vec![part(3), part(4)]).expect("parts");
        assert_eq!((whole.lasted, whole.comments.len()), (Duration::from_secs(20), 1));
        assert_eq!(whole.into_profile(labels).total(0), 7);
        assert!(joined(Vec::new()).is_none());
    }
}
