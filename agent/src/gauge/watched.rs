//! A gauge with its recent past, asked less often while it fails. Takes the time as an argument.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::Gauge;
use crate::Unit;
use crate::watch::Series;

/// The longest a failing gauge is left alone.
pub const MAX_BACK_OFF: Duration = Duration::from_secs(5 * 60);

/// How far back the readings of a gauge are kept, in slots of 15 s; 5.8 KB a gauge.
pub const DEFAULT_HISTORY: Duration = Duration::from_secs(60 * 60);

/// One reading of a gauge.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reading {
    /// When, counted from the start of the agent.
    pub at: Duration,
    /// What it read.
    pub value: f64,
}

/// A gauge, what it read last, and whether it works.
pub struct Watched {
    gauge: Box<dyn Gauge>,
    interval: Duration,
    due: Duration,
    last: Option<Reading>,
    failures: u32,
    failing: Option<String>,
    history: Series,
}

impl Watched {
    /// `gauge`, which somebody reads every `interval`; only after a failure it asks to be left alone for longer.
    #[must_use]
    pub fn new(gauge: Box<dyn Gauge>, interval: Duration) -> Self {
        let history = Series::spanning(DEFAULT_HISTORY);
        Self { gauge, interval, due: Duration::ZERO, last: None, failures: 0, failing: None, history }
    }

    /// Reads the gauge if it is due at `now`. `None` when it is not, or when it failed: then it is left alone for
    /// twice as long each time, [`MAX_BACK_OFF`] at most. A gauge that panics or reads no finite number has failed.
    pub fn read(&mut self, now: Duration) -> Option<Reading> {
        if now < self.due {
            return None;
        }
        let read = catch_unwind(AssertUnwindSafe(|| self.gauge.read()));
        match read.unwrap_or_else(|_| Err(io::Error::other("it panicked"))) {
            Ok(value) if value.is_finite() => Some(self.succeed(now, value)),
            Ok(value) => self.fail(now, &format!("it read {value}")),
            Err(error) => self.fail(now, &error.to_string()),
        }
    }

    /// The gauge's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.gauge.name()
    }

    /// The gauge's unit.
    #[must_use]
    pub fn unit(&self) -> Unit {
        self.gauge.unit()
    }

    /// The profile that explains the gauge.
    #[must_use]
    pub fn evidence(&self) -> Option<&'static str> {
        self.gauge.evidence()
    }

    /// The last reading that succeeded.
    #[must_use]
    pub const fn last(&self) -> Option<Reading> {
        self.last
    }

    /// Why it cannot be read now, and how often it could not: `failed 3 times: No such file or directory`.
    #[must_use]
    pub fn failing(&self) -> Option<&str> {
        self.failing.as_deref()
    }

    /// The readings of the last hour.
    #[must_use]
    pub const fn history(&self) -> &Series {
        &self.history
    }

    fn succeed(&mut self, now: Duration, value: f64) -> Reading {
        let reading = Reading { at: now, value };
        self.last = Some(reading);
        self.failures = 0;
        self.failing = None;
        self.due = now;
        self.history.push(now, value);
        reading
    }

    fn fail(&mut self, now: Duration, why: &str) -> Option<Reading> {
        self.failures = self.failures.saturating_add(1);
        let times = if self.failures == 1 { "once".to_owned() } else { format!("{} times", self.failures) };
        self.failing = Some(format!("failed {times}: {why}"));
        let doubled = self.interval.saturating_mul(2_u32.saturating_pow(self.failures));
        self.due = now.saturating_add(doubled.min(MAX_BACK_OFF).max(self.interval));
        None
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Watched")
            .field("gauge", &self.name())
            .field("last", &self.last)
            .field("failing", &self.failing)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Works at its first reading, fails in three ways, then works again; counts how often it was asked.
    #[derive(Default)]
    struct Shaky(u32);

    impl Gauge for Shaky {
        fn name(&self) -> &'static str {
            "shaky"
        }

        fn unit(&self) -> Unit {
            Unit::Count
        }

        fn read(&mut self) -> io::Result<f64> {
            self.0 += 1;
            match self.0 {
                2..=7 => Err(io::Error::other("gone")),
                8 => Ok(f64::NAN),
                9 => panic!("on purpose"),
                asked => Ok(f64::from(asked)),
            }
        }
    }

    #[test]
    fn a_failing_gauge_is_asked_less_and_less_and_recovers() {
        let mut watched = Watched::new(Box::new(Shaky::default()), Duration::from_secs(10));
        let mut asked = Vec::new();
        let mut failing = Vec::new();
        for second in (0..2_000).step_by(10) {
            let before = watched.failures;
            let read = watched.read(Duration::from_secs(second)).map(|reading| reading.value);
            if read.is_some() || watched.failures != before {
                asked.push(second);
                failing.push(watched.failing().unwrap_or("works").to_owned());
            }
            if asked.len() == 11 {
                break;
            }
        }
        assert_eq!(asked, [0, 10, 30, 70, 150, 310, 610, 910, 1210, 1510, 1520]);
        assert_eq!(
            [&failing[0], &failing[1], &failing[6], &failing[7], &failing[8], &failing[9]],
            [
                "works",
                "failed once: gone",
                "failed 6 times: gone",
                "failed 7 times: it read NaN",
                "failed 8 times: it panicked",
                "works"
            ]
        );
        assert_eq!(watched.last(), Some(Reading { at: Duration::from_secs(1520), value: 11.0 }));
        assert_eq!(watched.history().iter().count(), 3);
    }
}
