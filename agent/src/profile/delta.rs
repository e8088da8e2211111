//! Arithmetic on whole profiles: what was added since an earlier one, and two made one.

use super::{Frame, Profile};

impl Profile {
    /// What changed between `before` and this profile: ours minus theirs, stack by stack. Values can be negative;
    /// stacks that did not change are left out. Samples add up, because so do the errors of a difference.
    /// The value shown first stays ours, as Go's own deltas forget to do.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut delta = self.emptied();
        delta.lasted = self.began.duration_since(before.began).ok();
        delta.losses.merge(&before.losses);
        for stack in self.iter() {
            delta.add(stack.frames().cloned(), stack.values(), stack.samples());
        }
        for stack in before.iter() {
            let negated: Vec<i64> = stack.values().iter().map(|value| value.saturating_neg()).collect();
            delta.add(stack.frames().cloned(), &negated, stack.samples());
        }
        delta.stacks.retain(|_, weights| weights.values.iter().any(|value| *value != 0));
        delta
    }

    /// Adds the stacks and losses of `other`. Values are matched by position; the caller merges like with like.
    pub fn merge(&mut self, other: &Self) {
        for stack in other.iter() {
            self.add(stack.frames().cloned(), stack.values(), stack.samples());
        }
        self.began = self.began.min(other.began);
        self.lasted = match (self.lasted, other.lasted) {
            (Some(ours), Some(theirs)) => Some(ours.saturating_add(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        self.losses.merge(&other.losses);
    }

    /// The same stacks without the frames for which `keep` says no; a stack left empty stays with its weights.
    #[must_use]
    pub fn without_frames(&self, mut keep: impl FnMut(&Frame) -> bool) -> Self {
        self.rebuilt(|stack| stack.frames().filter(|frame| keep(frame)).cloned().collect())
    }
}
