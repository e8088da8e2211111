//! Reads every gauge at each tick and shows the value to the rules on it. A gauge that fails is asked less and less
//! often, is shown as failing, and is taken back when it works again; one that panics counts as failing.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::time::Duration;

use crate::gauge::Gauge;
use crate::watch::{Phase, Rule, Verdict, Watcher};
use crate::Unit;

/// The longest a failing gauge is left alone.
const MAX_PAUSE: Duration = Duration::from_secs(5 * 60);

/// A gauge as it stands.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) name: String,
    pub(super) unit: Unit,
    /// The profile that explains it.
    pub(super) evidence: Option<&'static str>,
    /// The newest value; `None` while the gauge fails or before it was read.
    pub(super) value: Option<f64>,
    /// Why there is none.
    pub(super) problem: Option<String>,
}

/// All gauges and the rules on them.
pub(super) struct Lookout {
    dials: Vec<Dial>,
    watchers: Vec<Watcher>,
    warm_up: Duration,
}

struct Dial {
    gauge: Box<dyn Gauge>,
    reading: Reading,
    failures: u32,
    asleep_until: Duration,
}

impl Lookout {
    pub(super) fn new(gauges: Vec<Box<dyn Gauge>>, rules: Vec<Rule>, warm_up: Duration) -> Self {
        Self {
            dials: gauges.into_iter().map(Dial::new).collect(),
            watchers: rules.into_iter().map(Watcher::new).collect(),
            warm_up,
        }
    }

    /// Reads all gauges at `now` (since the start of the agent) and returns what their rules say. During the warm-up
    /// the gauges are read and no rule is judged.
    pub(super) fn tick(&mut self, now: Duration, step: Duration) -> Vec<(Verdict, Reading)> {
        self.dials.iter_mut().for_each(|dial| dial.read(now, step));
        if now < self.warm_up {
            return Vec::new();
        }
        let mut verdicts = Vec::new();
        for watcher in &mut self.watchers {
            let dial = self.dials.iter().find(|dial| dial.reading.name == watcher.rule().gauge());
            let Some((reading, value)) = dial.and_then(|dial| Some((&dial.reading, dial.reading.value?))) else {
                continue;
            };
            verdicts.extend(watcher.observe(now, value).map(|verdict| (verdict, reading.clone())));
        }
        verdicts
    }

    /// Every gauge as it stands.
    pub(super) fn readings(&self) -> Vec<Reading> {
        self.dials.iter().map(|dial| dial.reading.clone()).collect()
    }

    /// Every gauge and every rule, as lines for the index page.
    pub(super) fn status(&self) -> Vec<(String, String)> {
        let gauges = self.dials.iter().map(|dial| (dial.reading.name.clone(), dial.reading.show()));
        let rules = self.watchers.iter().map(|watcher| (format!("rule: {}", watcher.rule().name()), standing(watcher)));
        gauges.chain(rules).collect()
    }

    /// The rules whose gauge nobody reads, which is a mistake of whoever set them.
    pub(super) fn blind_rules(&self) -> Vec<String> {
        let known = |rule: &Rule| self.dials.iter().any(|dial| dial.reading.name == rule.gauge());
        self.watchers.iter().map(Watcher::rule).filter(|rule| !known(rule)).map(|rule| rule.name().to_owned()).collect()
    }
}

/// A rule's state in words.
fn standing(watcher: &Watcher) -> String {
    let ignored = match watcher.ignored() {
        0 => String::new(),
        count => format!(", {count} readings were no numbers"),
    };
    let phase = match watcher.phase() {
        Phase::Ok => "ok",
        Phase::Pending => "broken, not yet for long enough",
        Phase::HeldBack => "broken, silent until the cooldown ends",
        Phase::Clearing => "firing, getting well",
        _ => "firing",
    };
    format!("{phase}{ignored}")
}

impl Reading {
    fn show(&self) -> String {
        match (self.value, &self.problem) {
            (Some(value), _) => self.unit.show(value),
            (None, Some(problem)) => format!("failing: {problem}"),
            (None, None) => "not read yet".to_owned(),
        }
    }
}

impl Dial {
    fn new(gauge: Box<dyn Gauge>) -> Self {
        let reading = Reading {
            name: gauge.name().to_owned(),
            unit: gauge.unit(),
            evidence: gauge.evidence(),
            value: None,
            problem: None,
        };
        Self { gauge, reading, failures: 0, asleep_until: Duration::ZERO }
    }

    fn read(&mut self, now: Duration, step: Duration) {
        if now < self.asleep_until {
            return;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| self.gauge.read()));
        match outcome {
            Ok(Ok(value)) => {
                (self.reading.value, self.reading.problem, self.failures) = (Some(value), None, 0);
            }
            Ok(Err(error)) => self.fail(now, step, error.to_string()),
            Err(_) => self.fail(now, step, "it panicked".to_owned()),
        }
    }

    fn fail(&mut self, now: Duration, step: Duration, problem: String) {
        let pause = step.saturating_mul(2_u32.saturating_pow(self.failures.min(16))).min(MAX_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.asleep_until = now.saturating_add(pause);
        (self.reading.value, self.reading.problem) = (None, Some(problem));
    }
}

impl std::fmt::Debug for Lookout {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Lookout").field("watchers", &self.watchers).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// Works, fails, panics, then works again: one letter a reading.
    struct Moody(std::str::Chars<'static>, u32);

    impl Gauge for Moody {
        fn name(&self) -> &str {
            "moody"
        }

        fn unit(&self) -> Unit {
            Unit::Count
        }

        fn read(&mut self) -> io::Result<f64> {
            self.1 += 1;
            match self.0.next() {
                Some('f') => Err(io::Error::other("no such file")),
                Some('p') => panic!("a gauge of the user's own"),
                _ => Ok(f64::from(self.1)),
            }
        }
    }

    #[test]
    fn a_failing_gauge_is_asked_less_often_and_comes_back() {
        let second = Duration::from_secs(1);
        let mut lookout = Lookout::new(vec![Box::new(Moody("offpo".chars(), 0))], Vec::new(), Duration::ZERO);
        let mut shown = Vec::new();
        for now in 0..9 {
            lookout.tick(second * now, second);
            shown.push(lookout.status().first().expect("a gauge").1.clone());
        }
        let (fails, panics) = ("failing: no such file", "failing: it panicked");
        // Asked at 0, 1, 2, 4 and 8: one second after the first failure, two after the second, four after the third.
        assert_eq!(shown, ["1", fails, fails, fails, panics, panics, panics, panics, "5"]);
    }

    #[test]
    fn no_rule_is_judged_during_the_warm_up() {
        let second = Duration::from_secs(1);
        let rule = Rule::above("moody", 0.5).for_at_least(Duration::ZERO);
        let mut lookout = Lookout::new(vec![Box::new(Moody("".chars(), 0))], vec![rule], second * 3);
        let fired: Vec<usize> = (0..6).map(|now| lookout.tick(second * now, second).len()).collect();
        assert_eq!(fired, [0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn a_rule_on_a_gauge_that_nobody_reads_is_found() {
        let rules = vec![Rule::above("moody", 1.0), Rule::above("mody", 1.0)];
        let lookout = Lookout::new(vec![Box::new(Moody("".chars(), 0))], rules, Duration::ZERO);
        assert_eq!(lookout.blind_rules().len(), 1);
    }
}
