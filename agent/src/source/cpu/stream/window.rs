//! One reader's stretch of the stream: what it has seen so far. Bounded in stacks; what is beyond is counted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::threads::{Account, Threads};
use crate::profile::Losses;
use crate::source::cpu::coverage::Coverage;
use crate::source::cpu::recording::{Recording, Sample};
use crate::source::tally::{Tally, Weight, Who};
use crate::sys::sampler::{self, Lost};
use crate::sys::unwinder::End;
use crate::sys::{clock, process};

/// What has been seen since the window began.
#[derive(Debug)]
pub(super) struct OpenWindow {
    pub(super) id: u64,
    pub(super) hertz: u32,
    began: SystemTime,
    clock: Instant,
    began_ns: u64,
    /// The process's clock, and the part of it that the agent's own threads have used.
    process: Option<Duration>,
    own: Duration,
    accounts: HashMap<u32, Account>,
    lost: Lost,
    /// The state is how the walk ended.
    tally: Tally,
    sampled_ns: u64,
    names: HashMap<u32, Arc<str>>,
}

/// What every recording of the stream says of how it came about.
#[derive(Clone, Debug)]
pub(super) struct Circumstances {
    pub(super) period: Duration,
    pub(super) comments: Vec<String>,
}

impl OpenWindow {
    pub(super) fn begin(id: u64, hertz: u32, threads: &mut Threads) -> Self {
        Self {
            id,
            hertz,
            began: SystemTime::now(),
            clock: Instant::now(),
            began_ns: clock::monotonic_ns(),
            process: process::cpu_time().ok(),
            own: threads.own_time(),
            accounts: threads.accounts(),
            lost: sampler::lost(),
            tally: Tally::default(),
            sampled_ns: 0,
            names: HashMap::new(),
        }
    }

    pub(super) fn add(&mut self, sample: &sampler::Sample<'_>) {
        if sample.at_ns < self.began_ns {
            return;
        }
        let who = Who { thread: sample.thread, tag: sample.tag, state: sample.end.code() };
        if self.tally.add(who, sample.frames, Weight { taken: 1, ns: sample.weight_ns }) {
            self.sampled_ns = self.sampled_ns.saturating_add(sample.weight_ns);
        }
    }

    /// Remembers what threads are called that end before the window does.
    pub(super) fn note_name(&mut self, thread: u32, name: Arc<str>) {
        self.names.insert(thread, name);
    }

    /// What it saw until now.
    pub(super) fn end(self, threads: &mut Threads, circumstances: &Circumstances) -> Recording {
        let lasted = self.clock.elapsed();
        let own = threads.own_time().saturating_sub(self.own);
        let process = process::cpu_time().ok().zip(self.process);
        let used = process.map(|(now, before)| now.saturating_sub(before).saturating_sub(own));
        let uses = threads.uses_since(&self.accounts);
        let lost = sampler::lost();
        let losses = Losses {
            dropped: (lost.full - self.lost.full) + (lost.busy - self.lost.busy) + self.tally.dropped(),
            ..Losses::default()
        };
        let mut comments = circumstances.comments.clone();
        let foreign = lost.foreign - self.lost.foreign;
        if foreign > 0 {
            comments.push(format!(
                "{foreign} signals of the sampler's number came from somebody else and were ignored"
            ));
        }
        comments.extend(threads.refused());
        let sampled = Duration::from_nanos(self.sampled_ns);
        let samples = self.tally.into_stacks().map(|(who, addresses, weight)| {
            let name = threads.name(who.thread).or_else(|| self.names.get(&who.thread).cloned());
            let thread = name.unwrap_or_else(|| "(ended)".into());
            Sample { thread, tag: who.tag, addresses, end: End::from_code(who.state), weight }
        });
        Recording {
            began: self.began,
            lasted,
            period: circumstances.period,
            samples: samples.collect(),
            losses,
            coverage: Coverage::new(used, sampled, circumstances.period, uses),
            comments,
        }
    }
}
