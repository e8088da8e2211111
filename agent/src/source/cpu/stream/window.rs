//! One reader's stretch of the stream: what it has seen so far. Bounded in stacks; what is beyond is counted.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use super::threads::{Account, Threads};
use crate::profile::{Losses, MAX_STACKS};
use crate::source::cpu::coverage::Coverage;
use crate::source::cpu::recording::{Recording, Sample, Weight};
use crate::sys::sampler::{self, Lost};
use crate::sys::{clock, process};
use crate::sys::unwinder::End;

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
    /// By thread and tag, how the walk ended, and the addresses.
    stacks: HashMap<Box<[u64]>, Weight>,
    sampled_ns: u64,
    dropped: u64,
    key: Vec<u64>,
    names: HashMap<u32, std::sync::Arc<str>>,
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
            stacks: HashMap::new(),
            sampled_ns: 0,
            dropped: 0,
            key: Vec::new(),
            names: HashMap::new(),
        }
    }

    pub(super) fn add(&mut self, sample: &sampler::Sample<'_>) {
        if sample.at_ns < self.began_ns {
            return;
        }
        let weight = Weight { taken: 1, cpu_ns: sample.weight_ns };
        self.sampled_ns = self.sampled_ns.saturating_add(sample.weight_ns);
        self.key.clear();
        self.key.push(u64::from(sample.tag) << 32 | u64::from(sample.thread));
        self.key.push(code(sample.end));
        self.key.extend_from_slice(sample.frames);
        if let Some(known) = self.stacks.get_mut(self.key.as_slice()) {
            known.add(weight);
        } else if self.stacks.len() < MAX_STACKS {
            self.stacks.insert(self.key.as_slice().into(), weight);
        } else {
            self.dropped += 1;
        }
    }

    /// Remembers what threads are called that end before the window does.
    pub(super) fn note_name(&mut self, thread: u32, name: std::sync::Arc<str>) {
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
            dropped: (lost.full - self.lost.full) + (lost.busy - self.lost.busy) + self.dropped,
            ..Losses::default()
        };
        let mut comments = circumstances.comments.clone();
        let foreign = lost.foreign - self.lost.foreign;
        if foreign > 0 {
            comments.push(format!("{foreign} signals of the sampler's number came from somebody else and were ignored"));
        }
        comments.extend(threads.refused());
        let sampled = Duration::from_nanos(self.sampled_ns);
        let samples = self.stacks.into_iter().filter_map(|(key, weight)| {
            let (&[who, end], addresses) = key.split_first_chunk()?;
            let thread = u32::try_from(who & u64::from(u32::MAX)).ok()?;
            let name = threads.name(thread).or_else(|| self.names.get(&thread).cloned());
            Some(Sample {
                thread: name.unwrap_or_else(|| "(ended)".into()),
                tag: u32::try_from(who >> 32).ok()?,
                addresses: addresses.into(),
                end: end_of(end),
                weight,
            })
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

const fn code(end: End) -> u64 {
    match end {
        End::Root => 0,
        End::Lost => 1,
        End::Full => 2,
        End::Busy => 3,
    }
}

const fn end_of(code: u64) -> End {
    match code {
        0 => End::Root,
        1 => End::Lost,
        2 => End::Full,
        _ => End::Busy,
    }
}
