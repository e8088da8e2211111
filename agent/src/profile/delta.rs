//! Arithmetic on whole profiles: what was added since an earlier one, and two made one.

use super::Profile;

impl Profile {
    /// What changed between `before` and this profile: ours minus theirs, stack by stack. Values can be negative;
    /// stacks that did not change are left out. Samples and variances add up, as for two independent profiles; for
    /// heaps that hold the same sampled objects this makes the error too large, never too small.
    /// The value shown first stays ours, as Go's own deltas forget to do.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut delta = self.emptied();
        delta.lasted = self.began.duration_since(before.began).ok();
        delta.began = self.began.min(before.began);
        // Counted since the sampler began, so what was lost before is not lost in between.
        delta.losses.dropped = delta.losses.dropped.saturating_sub(before.losses.dropped);
        delta.losses.truncated = delta.losses.truncated.saturating_sub(before.losses.truncated);
        delta.losses.incomplete = delta.losses.incomplete.saturating_sub(before.losses.incomplete);
        for stack in self.iter() {
            delta.add_weights(stack.frames().cloned(), stack.weights);
        }
        for stack in before.iter() {
            delta.add_weights(stack.frames().cloned(), &stack.weights.negated());
        }
        delta.stacks.retain(|_, weights| weights.values.iter().any(|value| *value != 0));
        delta
    }

    /// Adds the stacks and losses of `other`. Values are matched by position; the caller merges like with like.
    pub fn merge(&mut self, other: &Self) {
        for stack in other.iter() {
            self.add_weights(stack.frames().cloned(), stack.weights);
        }
        self.began = self.began.min(other.began);
        self.lasted = match (self.lasted, other.lasted) {
            (Some(ours), Some(theirs)) => Some(ours.saturating_add(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        self.losses.merge(&other.losses);
    }
}
