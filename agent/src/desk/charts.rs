//! The last hour of every gauge, with the rules on it, as the overview draws it.

use std::time::Duration;

use crate::Unit;

/// Every gauge as it stood at one moment. Bounded by what a gauge remembers: 241 points of 16 bytes, 3.9 KB a gauge.
#[derive(Clone, Debug, Default)]
pub(crate) struct Charts {
    /// The moment, counted from the start of the agent.
    pub(crate) now: Duration,
    pub(crate) charts: Vec<Chart>,
}

/// One gauge.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) gauge: String,
    pub(crate) unit: Unit,
    /// The newest value; `None` before it was read.
    pub(crate) value: Option<f64>,
    /// Why it cannot be read now.
    pub(crate) problem: Option<String>,
    pub(crate) marks: Vec<Mark>,
    /// Seconds since the start of the agent, and the mean value around then; the oldest first.
    pub(crate) points: Vec<(f64, f64)>,
}

/// A rule on a gauge.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    pub(crate) rule: String,
    /// Above which it is broken; `None` for one that judges growth.
    pub(crate) limit: Option<f64>,
    /// Where it stands, in words.
    pub(crate) standing: String,
    /// Whether it is told of and not over.
    pub(crate) fires: bool,
}
