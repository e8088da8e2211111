//! The live table as it is now, stack by stack: what the heap profile and the leak detector are made of.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::engine::Engine;
use super::live::Live;
use super::rate;
use super::unwind::Unwinder;
use crate::profile::{Addr, Frame, Function, Losses, Profile, Unit, ValueType};
use crate::source::stacks::{Allocated, StackId};
use crate::sys::clock;
use crate::sys::mallctl::Unsampled;

/// Upper bounds of the age groups of [`Usage::ages`]; the last group is older than all of them.
pub const AGE_LIMITS: [Duration; AGE_GROUPS - 1] =
    [Duration::from_secs(60), Duration::from_secs(600), Duration::from_secs(1800), Duration::from_secs(5400)];

/// The number of age groups.
pub const AGE_GROUPS: usize = 5;

/// What every stack has allocated and still holds.
#[derive(Debug)]
pub struct Snapshot {
    usages: Vec<Usage>,
    losses: Losses,
    lg_rate: u8,
    remarks: Vec<String>,
}

/// What one stack has allocated and still holds. Estimates from samples; the relative error is one over the square
/// root of the number of samples.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Usage {
    /// The stack's number, the same in every snapshot of this process.
    pub stack: u32,
    /// Objects ever allocated.
    pub alloc_objects: f64,
    /// Bytes ever allocated.
    pub alloc_bytes: u64,
    /// Samples behind the two above.
    pub alloc_samples: u64,
    /// Objects not freed yet.
    pub inuse_objects: f64,
    /// Bytes not freed yet.
    pub inuse_bytes: f64,
    /// Samples behind the two above.
    pub live_samples: u64,
    /// The age of the oldest live sample.
    pub oldest: Duration,
    /// The age of the live samples on average.
    pub mean_age: Duration,
    /// Bytes not freed yet by age, see [`AGE_LIMITS`].
    pub ages: [f64; AGE_GROUPS],
}

/// One live sample, for those who follow each.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct LiveSample {
    /// The number of its stack.
    pub stack: u32,
    /// What its thread was working on, see [`super::tag`].
    pub tag: u32,
    /// How long ago it was allocated.
    pub age: Duration,
    /// Its size.
    pub bytes: u64,
    /// How many objects of this size it stands for.
    pub weight: f64,
}

impl Snapshot {
    /// Looks at the engine now. Allocations of this thread are not sampled meanwhile.
    pub(super) fn take(engine: &Engine) -> Self {
        let _unsampled = Unsampled::new();
        let mut usages = vec![Usage::default(); engine.stacks.len()];
        // Live samples first, counters after: what is in use was then counted as allocated before.
        let complete = visit(engine, |sample| {
            if let Some(usage) = usages.get_mut(sample.stack as usize) {
                usage.add(sample);
            }
        });
        for (index, usage) in (0..).zip(&mut usages) {
            usage.finish(index, engine.stacks.allocated(StackId(index)));
        }
        usages.retain(|usage| usage.alloc_samples > 0 || usage.live_samples > 0);
        Self { usages, losses: losses(engine), lg_rate: engine.lg_rate(), remarks: remarks(engine, complete) }
    }

    /// Every stack on which something was ever sampled.
    pub fn usages(&self) -> impl ExactSizeIterator<Item = &Usage> {
        self.usages.iter()
    }

    /// What is missing.
    #[must_use]
    pub const fn losses(&self) -> &Losses {
        &self.losses
    }

    /// One sample stands for this many bytes.
    #[must_use]
    pub fn rate(&self) -> u64 {
        1 << self.lg_rate.min(63)
    }

    /// The profile with Go's four values in Go's order, frames not named yet. The samples of a stack are its live
    /// ones, on which the error of what is in use depends, and those ever taken where none is live any more.
    pub(super) fn profile(&self, engine: &Engine) -> Profile {
        let values = [
            ("alloc_objects", Unit::Count),
            ("alloc_space", Unit::Bytes),
            ("inuse_objects", Unit::Count),
            ("inuse_space", Unit::Bytes),
        ];
        let mut profile = Profile::new("heap", values.map(|(name, unit)| ValueType::new(name, unit)));
        profile.period = Some((ValueType::new("space", Unit::Bytes), self.rate()));
        for usage in &self.usages {
            let samples = if usage.live_samples > 0 { usage.live_samples } else { usage.alloc_samples };
            profile.add(frames(engine, StackId(usage.stack)), &usage.values(), samples);
        }
        profile.losses.merge(&self.losses);
        profile.comments.clone_from(&self.remarks);
        profile
    }
}

impl Usage {
    fn add(&mut self, sample: &LiveSample) {
        let bytes = sample.weight * sample.bytes as f64;
        self.inuse_objects += sample.weight;
        self.inuse_bytes += bytes;
        self.live_samples += 1;
        self.oldest = self.oldest.max(sample.age);
        self.mean_age = self.mean_age.saturating_add(sample.age); // the sum until `finish`
        let group = AGE_LIMITS.iter().filter(|limit| sample.age >= **limit).count();
        if let Some(sum) = self.ages.get_mut(group) {
            *sum += bytes;
        }
    }

    fn finish(&mut self, stack: u32, allocated: Allocated) {
        self.stack = stack;
        // Counted at the same moments, but in steps and in whole bytes: never less than what is still there.
        self.alloc_objects = allocated.objects.max(self.inuse_objects);
        self.alloc_bytes = allocated.bytes.max(whole(self.inuse_bytes).unsigned_abs());
        self.alloc_samples = allocated.samples.max(self.live_samples);
        let divisor = u32::try_from(self.live_samples.max(1)).unwrap_or(u32::MAX);
        self.mean_age /= divisor;
    }

    fn values(&self) -> [i64; 4] {
        let alloc_bytes = i64::try_from(self.alloc_bytes).unwrap_or(i64::MAX);
        [whole(self.alloc_objects), alloc_bytes, whole(self.inuse_objects), whole(self.inuse_bytes)]
    }
}

/// Hands every live sample to `each`. False when some could not be looked at.
pub(super) fn visit(engine: &Engine, mut each: impl FnMut(&LiveSample)) -> bool {
    let now = clock::coarse_ms();
    engine.live.visit(|live| each(&LiveSample::new(live, now)))
}

impl LiveSample {
    fn new(live: &Live, now_ms: u64) -> Self {
        Self {
            stack: live.stack.0,
            tag: live.tag,
            age: Duration::from_millis(now_ms.saturating_sub(live.born_ms)),
            bytes: live.usable,
            weight: rate::weight(live.usable, live.lg_rate),
        }
    }
}

pub(super) fn frames(engine: &Engine, stack: StackId) -> Vec<Frame> {
    let frames: Vec<_> =
        engine.stacks.addresses(stack).map(|address| Frame::Address(Addr::Return(address))).collect();
    match (frames.is_empty(), stack) {
        (false, _) => frames,
        (true, StackId::OVERFLOW) => vec![Frame::named(Function::new("(stack table full)", "", 0))],
        (true, _) => vec![Frame::named(Function::new("(no stack)", "", 0))],
    }
}

fn losses(engine: &Engine) -> Losses {
    let counters = &engine.live.counters;
    let (full, lost) = (counters.full.load(Ordering::Relaxed), counters.lost_inserts.load(Ordering::Relaxed));
    let truncated = engine.truncated.load(Ordering::Relaxed);
    Losses { dropped: full.saturating_add(lost), truncated, ..Losses::default() }
}

/// How densely memory is sampled, in words.
pub(super) fn sampled(bytes: f64) -> String {
    format!("sampled: 1 object in {}", Unit::Bytes.show(bytes))
}

fn remarks(engine: &Engine, complete: bool) -> Vec<String> {
    let counters = &engine.live.counters;
    let mut remarks =
        vec![sampled(f64::from(engine.lg_rate()).exp2()), format!("unwinder: {}", engine.unwinding.chosen())];
    let mut remark = |count: u64, text: &str| {
        if count > 0 {
            remarks.push(format!("{} {text}", Unit::Count.show(count as f64)));
        }
    };
    remark(
        counters.lost_removes.load(Ordering::Relaxed),
        "frees lost; as many objects may be shown that are gone",
    );
    remark(engine.stacks.overflowed(), "samples under (stack table full)");
    remark(engine.unwinding.mismatches.load(Ordering::Relaxed), "chains of frame pointers were broken");
    if engine.unwinding.chosen() != Unwinder::Jemalloc {
        remark(engine.unwinding.busy.load(Ordering::Relaxed), "samples unwound by jemalloc, ours was busy");
    }
    if !complete {
        remarks.push("a part of the live table stayed locked and is missing".to_owned());
    }
    remarks
}

#[allow(clippy::cast_possible_truncation, reason = "the cast saturates")]
fn whole(value: f64) -> i64 {
    value.round() as i64
}
