//! The one value that flows through flamewatch: stacks and what was counted on them.
//! Sources fill it, `resolve` names its frames, renderers read it. It does no I/O and knows none of them.

mod delta;
mod frame;
#[cfg(test)]
mod laws;
mod loss;
pub mod owner;
mod value;

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use indexmap::{IndexMap, IndexSet};

pub use flamewatch_symbolizer::Addr;
pub(crate) use frame::shortened;
pub use frame::{Frame, Function};
pub use loss::Losses;
pub use owner::Owner;
pub use value::ValueType;

pub use crate::Unit;

/// The most values a profile holds per stack: the four of a Go heap profile.
pub const MAX_VALUES: usize = 4;

/// The most stacks a profile holds. A stack past it is counted in [`Losses::dropped`], not kept.
/// 65,536 stacks of 40 frames with four values take about 16 MB.
pub const MAX_STACKS: usize = 65_536;

/// Stacks with weights, and what is known about how they were gathered.
///
/// Frames are interned and a stack is a flat list of their indices, innermost first. Adding a stack that is there
/// already adds to its weights.
#[derive(Clone, Debug)]
pub struct Profile {
    kind: Cow<'static, str>,
    values: Vec<ValueType>,
    frames: IndexSet<Frame>,
    stacks: IndexMap<Box<[FrameId]>, Weights>,
    /// When collecting began.
    pub began: SystemTime,
    /// How long the window was; `None` for a snapshot of what is there now.
    pub lasted: Option<Duration>,
    /// One sample stands for this much of the given value (`space` in bytes every 524,288 for a heap profile).
    pub period: Option<(ValueType, u64)>,
    /// The index of the value a reader sees first. Default: the last.
    pub default_value: usize,
    /// What is missing.
    pub losses: Losses,
    /// The executable segments that the addresses fall in; empty until the profile is resolved.
    pub mappings: Vec<Mapping>,
    /// Remarks that travel with the profile: service, version, engine, rate.
    pub comments: Vec<String>,
}

/// One executable segment of the profiled process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// Offset of `start` in the file.
    pub file_offset: u64,
    /// The file, as the process saw it.
    pub path: String,
    /// The build id in hex, empty when the file has none.
    pub build_id: String,
}

/// What was counted on one stack.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Weights {
    values: [i64; MAX_VALUES],
    /// The variance of each value, which adds up where values are added and where they are subtracted.
    variances: [f64; MAX_VALUES],
    samples: u64,
}

/// One stack of a profile and its weights, as [`Profile::iter`] yields it.
#[derive(Clone, Copy, Debug)]
pub struct Stack<'profile> {
    profile: &'profile Profile,
    ids: &'profile [FrameId],
    weights: &'profile Weights,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct FrameId(u32);

impl Profile {
    /// An empty profile called `kind` that counts `values`; values past [`MAX_VALUES`] are ignored.
    pub fn new(kind: impl Into<Cow<'static, str>>, values: impl IntoIterator<Item = ValueType>) -> Self {
        let values: Vec<_> = values.into_iter().take(MAX_VALUES).collect();
        Self {
            kind: kind.into(),
            default_value: values.len().saturating_sub(1),
            values,
            frames: IndexSet::new(),
            stacks: IndexMap::new(),
            began: SystemTime::now(),
            lasted: None,
            period: None,
            losses: Losses::default(),
            mappings: Vec::new(),
            comments: Vec::new(),
        }
    }

    /// The profile's name: `heap`, `profile`, `goroutine`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The same profile under another name.
    #[must_use]
    pub fn with_kind(mut self, kind: impl Into<Cow<'static, str>>) -> Self {
        self.kind = kind.into();
        self
    }

    /// What each stack counts, in order.
    #[must_use]
    pub fn values(&self) -> &[ValueType] {
        &self.values
    }

    /// The index of the value called `name`.
    #[must_use]
    pub fn value_index(&self, name: &str) -> Option<usize> {
        self.values.iter().position(|value| value.name() == name)
    }

    /// The number of distinct stacks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.stacks.len()
    }

    /// True without any stack.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stacks.is_empty()
    }

    /// Adds `weights` to the stack `frames` (innermost first), seen in `samples` samples.
    /// Sums saturate. Past [`MAX_STACKS`] a new stack is dropped and counted.
    pub fn add(&mut self, frames: impl IntoIterator<Item = Frame>, weights: &[i64], samples: u64) {
        self.add_weights(frames, &Weights::of(weights, samples));
    }

    fn add_weights(&mut self, frames: impl IntoIterator<Item = Frame>, weights: &Weights) {
        let ids: Box<[FrameId]> = frames.into_iter().map(|frame| self.intern(frame)).collect();
        if self.stacks.len() >= MAX_STACKS && !self.stacks.contains_key(&ids) {
            self.losses.dropped = self.losses.dropped.saturating_add(weights.samples.max(1));
            return;
        }
        self.stacks.entry(ids).or_default().add(weights);
    }

    /// Every stack, in the order in which it was first added.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Stack<'_>> {
        self.stacks.iter().map(|(ids, weights)| Stack { profile: self, ids, weights })
    }

    /// Every distinct frame, in the order in which it was first added.
    pub fn frames(&self) -> impl ExactSizeIterator<Item = &Frame> {
        self.frames.iter()
    }

    /// The sum of the value at `index` over all stacks; 0 for an index that is not there.
    #[must_use]
    pub fn total(&self, index: usize) -> i64 {
        self.iter().fold(0, |sum, stack| sum.saturating_add(stack.value(index)))
    }

    /// Replaces each distinct frame by the frames `name` gives for it (innermost first), asked once per frame.
    /// Stacks that become equal are added up.
    #[must_use]
    pub fn map_frames(&self, mut name: impl FnMut(&Frame) -> Vec<Frame>) -> Self {
        let named: Vec<Vec<Frame>> = self.frames.iter().map(&mut name).collect();
        self.rebuilt(|stack| {
            stack.ids.iter().flat_map(|id| named.get(id.index()).into_iter().flatten().cloned()).collect()
        })
    }

    /// A profile with the same head and those of our stacks that `keep` wants.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&Stack<'_>) -> bool) -> Self {
        let mut filtered = self.emptied();
        for stack in self.iter().filter(keep) {
            filtered.add_weights(stack.frames().cloned(), stack.weights);
        }
        filtered
    }

    /// A profile with the same head whose stacks are those that `change` makes of ours. A stack it makes empty
    /// stays, so that no weight is lost.
    #[must_use]
    pub fn rebuilt(&self, mut change: impl FnMut(&Stack<'_>) -> Vec<Frame>) -> Self {
        let mut rebuilt = self.emptied();
        for stack in self.iter() {
            rebuilt.add_weights(change(&stack), stack.weights);
        }
        rebuilt
    }

    fn emptied(&self) -> Self {
        Self {
            kind: self.kind.clone(),
            values: self.values.clone(),
            frames: IndexSet::new(),
            stacks: IndexMap::with_capacity(self.stacks.len()),
            began: self.began,
            lasted: self.lasted,
            period: self.period.clone(),
            default_value: self.default_value,
            losses: self.losses.clone(),
            mappings: self.mappings.clone(),
            comments: self.comments.clone(),
        }
    }

    fn intern(&mut self, frame: Frame) -> FrameId {
        let (index, _) = self.frames.insert_full(frame);
        FrameId(u32::try_from(index).unwrap_or(u32::MAX))
    }
}

impl<'profile> Stack<'profile> {
    /// The frames, innermost first; labels come last.
    pub fn frames(&self) -> impl DoubleEndedIterator<Item = &'profile Frame> + use<'profile> {
        let frames = &self.profile.frames;
        self.ids.iter().filter_map(|id| frames.get_index(id.index()))
    }

    /// How many frames there are, labels included.
    #[cfg(feature = "flamegraph")]
    pub(crate) fn depth(&self) -> usize {
        self.ids.len()
    }

    /// The frame at `level`, the outermost being at 0. A drawing goes through all stacks level by level.
    #[cfg(feature = "flamegraph")]
    pub(crate) fn frame_at(&self, level: usize) -> Option<&'profile Frame> {
        let id = self.ids.len().checked_sub(level + 1).and_then(|index| self.ids.get(index))?;
        self.profile.frames.get_index(id.index())
    }

    /// The value at `index`; 0 for an index that is not there.
    #[must_use]
    pub fn value(&self, index: usize) -> i64 {
        self.weights.values.get(index).copied().unwrap_or(0)
    }

    /// All values, as many as the profile has.
    #[must_use]
    pub fn values(&self) -> &'profile [i64] {
        self.weights.values.get(..self.profile.values.len()).unwrap_or(&[])
    }

    /// The variance of the value at `index`: n samples of equal weight that sum up to v are sure to v²/n. 0 for a
    /// counted value. Variances of several stacks, and of both sides of a difference, add up.
    #[must_use]
    pub fn variance(&self, index: usize) -> f64 {
        self.weights.variances.get(index).copied().unwrap_or(0.0)
    }

    /// How many raw samples stand behind the values; 0 when they were counted, not sampled.
    #[must_use]
    pub const fn samples(&self) -> u64 {
        self.weights.samples
    }
}

impl FrameId {
    const fn index(self) -> usize {
        self.0 as usize
    }
}

impl Weights {
    fn of(weights: &[i64], samples: u64) -> Self {
        let mut all = Self { samples, ..Self::default() };
        for ((value, variance), weight) in all.values.iter_mut().zip(&mut all.variances).zip(weights) {
            *value = *weight;
            // A Poisson number of samples of equal weight: Var = n (v/n)².
            *variance = if samples == 0 { 0.0 } else { (*weight as f64).powi(2) / samples as f64 };
        }
        all
    }

    fn add(&mut self, other: &Self) {
        for (sum, value) in self.values.iter_mut().zip(&other.values) {
            *sum = sum.saturating_add(*value);
        }
        for (sum, variance) in self.variances.iter_mut().zip(&other.variances) {
            *sum += variance;
        }
        self.samples = self.samples.saturating_add(other.samples);
    }

    fn negated(&self) -> Self {
        Self { values: self.values.map(i64::saturating_neg), ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(name: &str) -> Frame {
        Frame::named(Function::new(name, "", 0))
    }

    fn profile() -> Profile {
        Profile::new("heap", [ValueType::new("objects", Unit::Count), ValueType::new("space", Unit::Bytes)])
    }

    #[test]
    fn equal_stacks_add_up() {
        let mut profile = profile();
        profile.add([frame("leaf"), frame("main")], &[1, 100], 1);
        profile.add([frame("leaf"), frame("main")], &[2, 200], 1);
        profile.add([frame("other"), frame("main")], &[4, 400], 1);
        assert_eq!((profile.len(), profile.frames().len()), (2, 3));
        assert_eq!((profile.total(0), profile.total(1), profile.total(2)), (7, 700, 0));
        let first = profile.iter().next().expect("a stack");
        assert_eq!((first.values(), first.samples()), (&[3, 300][..], 2));
        assert_eq!(
            first.frames().map(|frame| frame.show().into_owned()).collect::<Vec<_>>(),
            ["leaf", "main"]
        );
    }

    #[test]
    fn naming_expands_a_frame_and_asks_once() {
        let mut profile = profile();
        profile.add([Frame::Address(Addr::Return(16)), frame("main")], &[1, 1], 1);
        profile.add([Frame::Address(Addr::Return(16)), frame("other")], &[1, 1], 1);
        let mut asked = 0;
        let named = profile.map_frames(|old| match old {
            Frame::Address(_) => {
                asked += 1;
                vec![frame("inlined"), frame("outer")]
            }
            other => vec![other.clone()],
        });
        assert_eq!(asked, 1);
        let first = named.iter().next().expect("a stack");
        assert_eq!(first.frames().map(Frame::show).collect::<Vec<_>>(), ["inlined", "outer", "main"]);
    }

    #[test]
    fn a_stack_past_the_bound_is_dropped_and_counted() {
        let mut profile = profile();
        for index in 0..MAX_STACKS as u64 + 3 {
            profile.add([Frame::Address(Addr::Pc(index))], &[1, 1], 1);
        }
        profile.add([Frame::Address(Addr::Pc(0))], &[1, 1], 1);
        assert_eq!((profile.len(), profile.losses.dropped), (MAX_STACKS, 3));
        assert_eq!(profile.total(0), MAX_STACKS as i64 + 1);
    }
}
