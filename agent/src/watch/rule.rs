//! What counts as a fault: a gauge, a test and how patient to be.

use std::borrow::Cow;
use std::time::Duration;

use crate::{Error, ErrorKind};

const MINUTE: Duration = Duration::from_secs(60);

/// How long a rule must be broken before it fires.
pub const DEFAULT_HOLD: Duration = Duration::from_secs(120);

/// How long after it was told of the same fault is no new one, should it come back.
pub const DEFAULT_COOLDOWN: Duration = Duration::from_secs(60 * 60);

/// How long a reading must stay good before a firing is over.
pub const DEFAULT_CLEAR_HOLD: Duration = Duration::from_secs(10 * 60);

/// How far below its limit a reading must fall to be good again, as a share of the limit. A growth is over when it
/// falls below half of what fires.
pub const DEFAULT_CLEAR_MARGIN: f64 = 0.1;

/// The window that a growing rule looks back over.
pub const DEFAULT_GROWTH_WINDOW: Duration = Duration::from_secs(10 * 60);

/// Without [`Rule::by`], a growing rule asks for growth by this share of the level at the window's start, per window.
pub const DEFAULT_GROWTH_SHARE: f64 = 0.1;

/// The most windows that a spiking rule looks back over: a day of minutes, 16 bytes each, so 23 KB a rule.
const MOST_WINDOWS: u32 = 24 * 60;

/// When a number is a fault: `Rule::above("tasks", 10_000.0)`, `Rule::growing("fds").by(50.0)`.
///
/// Building one cannot fail; [`Rule::check`] says whether it makes sense, and is asked when the agent starts.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Rule {
    name: Cow<'static, str>,
    gauge: Cow<'static, str>,
    pub(super) test: Test,
    pub(super) spiking: Option<Spiking>,
    pub(super) hold: Duration,
    pub(super) cooldown: Duration,
    pub(super) clear_hold: Duration,
    misplaced: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Test {
    Above { limit: f64, clear_below: f64 },
    Growing { per_minute: Option<f64>, window: Duration },
}

/// In how many of how many windows there must be a spike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spiking {
    pub(super) windows: u32,
    pub(super) of_last: u32,
    pub(super) window: Duration,
}

impl Rule {
    /// Fires when `gauge` reads above `limit`.
    pub fn above(gauge: impl Into<Cow<'static, str>>, limit: f64) -> Self {
        let clear_below = limit - limit.abs() * DEFAULT_CLEAR_MARGIN;
        Self::new(gauge.into(), "high", Test::Above { limit, clear_below })
    }

    /// Fires when `gauge` grows steadily: in every third of a [window](Self::over), so that neither one step nor a
    /// sawtooth does it.
    pub fn growing(gauge: impl Into<Cow<'static, str>>) -> Self {
        let test = Test::Growing { per_minute: None, window: DEFAULT_GROWTH_WINDOW };
        Self::new(gauge.into(), "growing", test)
    }

    /// The growth per minute that fires, two standard errors taken off. Default: [`DEFAULT_GROWTH_SHARE`].
    pub fn by(mut self, growth_per_minute: f64) -> Self {
        match &mut self.test {
            Test::Growing { per_minute, .. } => *per_minute = Some(growth_per_minute),
            Test::Above { .. } => self.misplaced = Some("by() belongs to a growing rule"),
        }
        self
    }

    /// The window that a growing rule looks back over. Default: [`DEFAULT_GROWTH_WINDOW`].
    pub fn over(mut self, length: Duration) -> Self {
        match &mut self.test {
            Test::Growing { window, .. } => *window = length,
            Test::Above { .. } => self.misplaced = Some("over() belongs to a growing rule"),
        }
        self
    }

    /// How long the rule must be broken before it fires. Default: [`DEFAULT_HOLD`].
    pub const fn for_at_least(mut self, hold: Duration) -> Self {
        self.hold = hold;
        self
    }

    /// Fires when `gauge` reads above the limit in `windows` of the last `of_last` stretches of length `window`, instead of
    /// all the time: spikes that come again and again are told, a single one is not. It is over when there are fewer.
    /// Without [`Rule::for_at_least`] after it, it fires at the spike that makes them enough.
    pub const fn spiking(mut self, windows: u32, of_last: u32, window: Duration) -> Self {
        match self.test {
            Test::Above { .. } => self.spiking = Some(Spiking { windows, of_last, window }),
            Test::Growing { .. } => self.misplaced = Some("spiking() belongs to an above rule"),
        }
        self.hold = Duration::ZERO;
        self
    }

    /// How long after it was told of a fault that comes back is the same one: told once more, and then counted, until it
    /// has been quiet for as long. Default: [`DEFAULT_COOLDOWN`].
    pub const fn cooldown(mut self, cooldown: Duration) -> Self {
        self.cooldown = cooldown;
        self
    }

    /// The reading at or below which a firing begins to be over. Default: [`DEFAULT_CLEAR_MARGIN`] below the limit.
    pub const fn clear_below(mut self, value: f64) -> Self {
        match &mut self.test {
            Test::Above { clear_below, .. } => *clear_below = value,
            Test::Growing { .. } => self.misplaced = Some("clear_below() belongs to an above rule"),
        }
        self
    }

    /// How long readings must stay good before a firing is over. Default: [`DEFAULT_CLEAR_HOLD`].
    pub const fn clear_for(mut self, hold: Duration) -> Self {
        self.clear_hold = hold;
        self
    }

    /// A name of its own, for alerts. Default: `tasks high`, `tasks growing`.
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// The rule's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The gauge it watches.
    #[must_use]
    pub fn gauge(&self) -> &str {
        &self.gauge
    }

    /// The limit, for a rule that has one.
    #[must_use]
    pub const fn limit(&self) -> Option<f64> {
        match self.test {
            Test::Above { limit, .. } => Some(limit),
            Test::Growing { .. } => None,
        }
    }

    /// Whether the rule makes sense.
    ///
    /// # Errors
    /// `Invalid`, naming the rule and what is wrong with it.
    pub fn check(&self) -> Result<(), Error> {
        match self.nonsense() {
            None => Ok(()),
            Some(what) => Err(Error::new(ErrorKind::Invalid, format!("rule `{}`: {what}", self.name))),
        }
    }

    fn new(gauge: Cow<'static, str>, fault: &str, test: Test) -> Self {
        Self {
            name: Cow::Owned(format!("{gauge} {fault}")),
            gauge,
            test,
            spiking: None,
            hold: DEFAULT_HOLD,
            cooldown: DEFAULT_COOLDOWN,
            clear_hold: DEFAULT_CLEAR_HOLD,
            misplaced: None,
        }
    }

    fn nonsense(&self) -> Option<&'static str> {
        if self.gauge.trim().is_empty() {
            return Some("no gauge is named");
        }
        if let Some(Spiking { windows, of_last, window }) = self.spiking {
            if windows == 0 || windows > of_last || of_last > MOST_WINDOWS {
                return Some("spiking() needs 1 or more windows of as many or more, at most 1,440");
            }
            if window.is_zero() {
                return Some("the window of spiking() is empty");
            }
        }
        match self.test {
            _ if self.misplaced.is_some() => self.misplaced,
            Test::Above { limit, .. } if !limit.is_finite() => Some("the limit is not a number"),
            Test::Above { clear_below, .. } if !clear_below.is_finite() => {
                Some("the value to clear below is not a number")
            }
            Test::Above { limit, clear_below } if clear_below > limit => {
                Some("the value to clear below lies above the limit")
            }
            Test::Growing { per_minute: Some(rate), .. } if !rate.is_finite() || rate < 0.0 => {
                Some("the growth per minute is not a positive number")
            }
            Test::Growing { window, .. } if window.is_zero() => Some("the window is empty"),
            Test::Growing { window, .. } if window > 24 * 60 * MINUTE => {
                Some("the window is longer than a day")
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: Rule, expected: &str) {
        let said = rule.check().map_or_else(|error| error.to_string(), |()| "fine".to_owned());
        assert_eq!(said, expected);
    }

    #[test]
    fn nonsense_is_named() {
        check(Rule::above("rss", 1e9), "fine");
        check(Rule::above("balance", -5.0), "fine");
        check(Rule::growing("tasks").by(1.0).over(MINUTE), "fine");
        check(Rule::above("", 1.0), "rule ` high`: no gauge is named");
        check(Rule::above("rss", f64::NAN), "rule `rss high`: the limit is not a number");
        check(
            Rule::above("rss", 1.0).clear_below(2.0),
            "rule `rss high`: the value to clear below lies above the limit",
        );
        check(
            Rule::above("rss", 1.0).clear_below(f64::NAN).named("memory"),
            "rule `memory`: the value to clear below is not a number",
        );
        check(Rule::above("rss", 1.0).by(1.0), "rule `rss high`: by() belongs to a growing rule");
        check(Rule::growing("rss").over(Duration::ZERO), "rule `rss growing`: the window is empty");
        check(
            Rule::growing("rss").over(25 * 60 * MINUTE),
            "rule `rss growing`: the window is longer than a day",
        );
        check(
            Rule::growing("rss").by(-1.0),
            "rule `rss growing`: the growth per minute is not a positive number",
        );
        check(Rule::above("rss", 1.0).spiking(3, 10, MINUTE), "fine");
        for (windows, of_last) in [(0, 10), (11, 10), (1, 1_441)] {
            check(
                Rule::above("rss", 1.0).spiking(windows, of_last, MINUTE),
                "rule `rss high`: spiking() needs 1 or more windows of as many or more, at most 1,440",
            );
        }
        check(
            Rule::above("rss", 1.0).spiking(1, 1, Duration::ZERO),
            "rule `rss high`: the window of spiking() is empty",
        );
        check(
            Rule::growing("rss").spiking(1, 1, MINUTE),
            "rule `rss growing`: spiking() belongs to an above rule",
        );
        check(
            Rule::growing("rss").clear_below(1.0),
            "rule `rss growing`: clear_below() belongs to an above rule",
        );
    }
}
