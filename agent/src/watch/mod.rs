//! Decides when a number is a fault. Pure: no clock, no I/O. Readings come in with the time since the start,
//! verdicts go out; who reads the number and who is told is somebody else's business.

mod growth;
#[cfg(feature = "__agent")]
mod ladder;
pub mod leak;
mod machine;
#[cfg(feature = "__agent")]
#[cfg_attr(
    not(feature = "serve"),
    allow(dead_code, reason = "the debug port shows all parts, an alert the verdict")
)]
pub(crate) mod memory;
mod rule;
mod series;
mod spikes;
pub mod telling;
mod time_left;
#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod worker;

pub use growth::Growth;
#[cfg(feature = "__agent")]
pub(crate) use ladder::Ladder;
#[cfg(feature = "__agent")]
pub use ladder::{DEFAULT_RUNGS, DEFAULT_STEP_BACK};
pub use machine::{Phase, Watcher};
pub use rule::{
    DEFAULT_CLEAR_HOLD, DEFAULT_CLEAR_MARGIN, DEFAULT_COOLDOWN, DEFAULT_GROWTH_SHARE, DEFAULT_GROWTH_WINDOW,
    DEFAULT_HOLD, Rule,
};
pub use series::{Point, Series};
pub use time_left::{CONFIDENCE, HORIZON, TimeLeft};
#[cfg(all(feature = "cpu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) use worker::{Look, Standing, Worker};

use std::borrow::Cow;
use std::time::Duration;

/// What a watcher tells: a fault began, or the one it told of is over.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// The rule has been broken for long enough.
    Fired(Finding),
    /// What fired is over. Only ever follows a `Fired`.
    Resolved(Finding),
}

/// The facts behind a verdict: what changed, how much, since when. Times count from the start of the agent.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// The rule's name.
    pub rule: Cow<'static, str>,
    /// The gauge it watches.
    pub gauge: Cow<'static, str>,
    /// The reading that decided.
    pub value: f64,
    /// What it was before: the last reading that was fine, or where the fitted line began for a growing rule.
    pub baseline: f64,
    /// The highest reading since it began.
    pub peak: f64,
    /// The limit, for a rule that has one.
    pub limit: Option<f64>,
    /// The growth, for a growing rule.
    pub growth: Option<Growth>,
    /// When it began: the first reading that broke the rule, or the start of the window that showed the growth.
    pub since: Duration,
    /// When the verdict fell.
    pub at: Duration,
    /// How long a fault of this rule is the same one when it comes back, see [`Rule::cooldown`].
    pub cooldown: Duration,
}

impl Verdict {
    /// The facts, whichever way it went.
    #[must_use]
    pub const fn finding(&self) -> &Finding {
        match self {
            Self::Fired(finding) | Self::Resolved(finding) => finding,
        }
    }
}

impl Finding {
    /// How long it has lasted.
    #[must_use]
    pub const fn lasted(&self) -> Duration {
        self.at.saturating_sub(self.since)
    }
}
