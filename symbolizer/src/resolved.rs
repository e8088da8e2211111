//! The answer to a batch of addresses.

use std::sync::Arc;

use crate::frame::Frame;
use crate::report::Report;

/// The frames of a batch of addresses, by the position of each address in the batch.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    /// The frames of each distinct address.
    pub(crate) answers: Vec<Arc<[Frame]>>,
    /// For each address of the batch, its place in `answers`.
    pub(crate) index: Vec<usize>,
    pub(crate) report: Report,
}

impl Resolved {
    /// The frames of the address at `index` of the batch, innermost first: at least one, and each but the last was
    /// inlined into the one after it. Empty only for an `index` past the batch.
    #[must_use]
    pub fn frames(&self, index: usize) -> &[Frame] {
        self.index.get(index).and_then(|answer| self.answers.get(*answer)).map_or(&[], |frames| frames)
    }

    /// The frames of every address of the batch, in its order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[Frame]> {
        (0..self.index.len()).map(|index| self.frames(index))
    }

    /// How many addresses the batch had.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// True when the batch was empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// What could not be named, and why.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }
}
