//! What a profile does not show: counted where it is lost, printed wherever the profile is.

/// The account of what is missing from a profile. All zero (and no coverage) means nothing is known to be lost.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Losses {
    /// Samples that a full buffer or a busy lock turned away.
    pub dropped: u64,
    /// Samples whose stack was cut short because they were deeper than the sampler follows.
    pub truncated: u64,
    /// Samples whose stack could not be followed to the root of its thread; their innermost frames are right.
    pub incomplete: u64,
    /// Distinct addresses that could not be named; they show as `module+offset`.
    pub unresolved: u64,
    /// The share of what happened that was seen, where a clock tells: 1.0 is all of it.
    pub coverage: Option<f64>,
}

impl Losses {
    /// Adds what `other` lost. Coverage becomes the worse of the two.
    pub fn merge(&mut self, other: &Self) {
        self.dropped += other.dropped;
        self.truncated += other.truncated;
        self.incomplete += other.incomplete;
        self.unresolved += other.unresolved;
        self.coverage = match (self.coverage, other.coverage) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
    }

    /// One line for people, such as `dropped 12 samples, coverage 97 %`, or `nothing known to be lost`.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut parts = Vec::new();
        if self.dropped > 0 {
            parts.push(format!("dropped {} samples", self.dropped));
        }
        if self.truncated > 0 {
            parts.push(format!("{} samples cut short", self.truncated));
        }
        if self.incomplete > 0 {
            parts.push(format!("{} samples without their root", self.incomplete));
        }
        if self.unresolved > 0 {
            parts.push(format!("{} addresses without a name", self.unresolved));
        }
        if let Some(coverage) = self.coverage {
            parts.push(format!("coverage {:.0} %", coverage * 100.0));
        }
        if parts.is_empty() { "nothing known to be lost".to_owned() } else { parts.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_adds_and_keeps_the_worse_coverage() {
        let mut losses = Losses { dropped: 1, coverage: Some(0.9), ..Losses::default() };
        losses.merge(&Losses { dropped: 2, truncated: 3, coverage: Some(0.5), ..Losses::default() });
        assert_eq!(losses.summary(), "dropped 3 samples, 3 samples cut short, coverage 50 %");
        assert_eq!(Losses::default().summary(), "nothing known to be lost");
    }
}
