//! Reads every gauge at each tick and shows what it read to the rules on it.

use std::time::Duration;

use crate::Unit;
use crate::desk::{Chart, Mark};
use crate::gauge::{Gauge, Watched};
use crate::watch::{Phase, Rule, Verdict, Watcher};

/// A gauge as it stands.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) name: String,
    pub(super) unit: Unit,
    /// The profile that explains it.
    pub(super) evidence: Option<&'static str>,
    /// The newest value; `None` before it was read.
    pub(super) value: Option<f64>,
}

/// All gauges and the rules on them.
pub(super) struct Lookout {
    gauges: Vec<Watched>,
    watchers: Vec<Watcher>,
    warm_up: Duration,
}

impl Lookout {
    /// Reads each of `gauges` every `tick`, and judges `rules` once `warm_up` has passed.
    pub(super) fn new(
        gauges: Vec<Box<dyn Gauge>>,
        tick: Duration,
        rules: Vec<Rule>,
        warm_up: Duration,
    ) -> Self {
        Self {
            gauges: gauges.into_iter().map(|gauge| Watched::new(gauge, tick)).collect(),
            watchers: rules.into_iter().map(Watcher::new).collect(),
            warm_up,
        }
    }

    /// Reads the gauges that are due at `now` (since the start of the agent) and returns what their rules say. During
    /// the warm-up the gauges are read and no rule is judged.
    pub(super) fn tick(&mut self, now: Duration) -> Vec<(Verdict, Reading)> {
        let mut verdicts = Vec::new();
        for gauge in &mut self.gauges {
            let Some(reading) = gauge.read(now) else { continue };
            if now < self.warm_up {
                continue;
            }
            for watcher in self.watchers.iter_mut().filter(|watcher| watcher.rule().gauge() == gauge.name()) {
                verdicts.extend(watcher.observe(now, reading.value).map(|verdict| (verdict, stand(gauge))));
            }
        }
        verdicts
    }

    /// Every gauge as it stands.
    pub(super) fn readings(&self) -> Vec<Reading> {
        self.gauges.iter().map(stand).collect()
    }

    /// The gauge called `name`, as it stands.
    pub(super) fn reading(&self, name: &str) -> Option<Reading> {
        self.gauges.iter().find(|gauge| gauge.name() == name).map(stand)
    }

    /// The gauge of the rule called `name`, as it stands.
    pub(super) fn gauge_of(&self, name: &str) -> Option<Reading> {
        let rule = self.watchers.iter().map(Watcher::rule).find(|rule| rule.name() == name)?;
        self.reading(rule.gauge())
    }

    /// Every gauge and every rule, as lines for the index page.
    pub(super) fn status(&self) -> Vec<(String, String)> {
        let gauges = self.gauges.iter().map(|gauge| (gauge.name().to_owned(), shown(gauge)));
        let rules = self
            .watchers
            .iter()
            .map(|watcher| (format!("rule: {}", watcher.rule().name()), standing(watcher)));
        gauges.chain(rules).collect()
    }

    /// Every gauge's last hour, with the rules on it.
    #[cfg_attr(not(feature = "serve"), allow(dead_code, reason = "only the debug port draws charts"))]
    pub(super) fn charts(&self) -> Vec<Chart> {
        let marks = |gauge: &Watched| {
            self.watchers
                .iter()
                .filter(|watcher| watcher.rule().gauge() == gauge.name())
                .map(|watcher| Mark {
                    rule: watcher.rule().name().to_owned(),
                    limit: watcher.rule().limit(),
                    standing: standing(watcher),
                    fires: matches!(watcher.phase(), Phase::Firing | Phase::Clearing),
                })
                .collect()
        };
        self.gauges
            .iter()
            .map(|gauge| Chart {
                gauge: gauge.name().to_owned(),
                unit: gauge.unit(),
                value: gauge.last().map(|reading| reading.value),
                problem: gauge.failing().map(str::to_owned),
                marks: marks(gauge),
                points: gauge.history().iter().map(|point| (point.seconds, point.value)).collect(),
            })
            .collect()
    }

    /// Every rule and where it stands.
    pub(super) fn phases(&self) -> impl Iterator<Item = (&str, Phase)> {
        self.watchers.iter().map(|watcher| (watcher.rule().name(), watcher.phase()))
    }

    /// The rules that are broken, told or not yet, on gauges that `kind` explains.
    pub(super) fn broken(&self, kind: &str) -> impl Iterator<Item = &Rule> {
        let explains = move |rule: &Rule| {
            self.gauges.iter().any(|gauge| gauge.name() == rule.gauge() && gauge.evidence() == Some(kind))
        };
        let broken = self.watchers.iter().filter(|watcher| watcher.phase() != Phase::Ok).map(Watcher::rule);
        broken.filter(move |rule| explains(rule))
    }

    /// The rules whose gauge nobody reads, which is a mistake of whoever set them.
    pub(super) fn blind_rules(&self) -> Vec<String> {
        let known = |rule: &Rule| self.gauges.iter().any(|gauge| gauge.name() == rule.gauge());
        self.watchers
            .iter()
            .map(Watcher::rule)
            .filter(|rule| !known(rule))
            .map(|rule| rule.name().to_owned())
            .collect()
    }
}

fn stand(gauge: &Watched) -> Reading {
    Reading {
        name: gauge.name().to_owned(),
        unit: gauge.unit(),
        evidence: gauge.evidence(),
        value: gauge.last().map(|reading| reading.value),
    }
}

fn shown(gauge: &Watched) -> String {
    match (gauge.failing(), gauge.last()) {
        (Some(problem), _) => format!("failing: {problem}"),
        (None, Some(reading)) => gauge.unit().show(reading.value),
        (None, None) => "not read yet".to_owned(),
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
        Phase::Clearing => "firing, getting well",
        _ => "firing",
    };
    format!("{phase}{ignored}")
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

    /// Reads the number of times it was asked.
    struct Counting(f64);

    impl Gauge for Counting {
        fn name(&self) -> &str {
            "counting"
        }

        fn unit(&self) -> Unit {
            Unit::Count
        }

        fn read(&mut self) -> io::Result<f64> {
            self.0 += 1.0;
            Ok(self.0)
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    fn lookout(rules: Vec<Rule>, warm_up: Duration) -> Lookout {
        Lookout::new(vec![Box::new(Counting(0.0))], SECOND, rules, warm_up)
    }

    #[test]
    fn no_rule_is_judged_during_the_warm_up() {
        let rule = Rule::above("counting", 0.5).for_at_least(Duration::ZERO);
        let mut lookout = lookout(vec![rule], SECOND * 3);
        let fired: Vec<usize> = (0..6).map(|now| lookout.tick(SECOND * now).len()).collect();
        assert_eq!(fired, [0, 0, 0, 1, 0, 0]);
        let status = lookout.status();
        assert_eq!(
            status,
            [
                ("counting".to_owned(), "6".to_owned()),
                ("rule: counting high".to_owned(), "firing".to_owned())
            ]
        );
    }

    /// A day of ticks is one hour of points, however often they come.
    #[test]
    fn charts_are_bounded_and_bear_their_rules() {
        let mut lookout = lookout(vec![Rule::above("counting", 5.0), Rule::growing("counting")], SECOND);
        (0..86_400).for_each(|now| drop(lookout.tick(SECOND * now)));
        let charts = lookout.charts();
        let [chart] = charts.as_slice() else { panic!("one gauge, {charts:?}") };
        assert!((239..=241).contains(&chart.points.len()), "{}", chart.points.len());
        assert!(chart.points.iter().all(|(seconds, _)| *seconds > 82_700.0));
        assert_eq!((chart.gauge.as_str(), chart.value), ("counting", Some(86_400.0)));
        let marks: Vec<_> =
            chart.marks.iter().map(|mark| (mark.rule.as_str(), mark.limit, mark.fires)).collect();
        assert_eq!(marks, [("counting high", Some(5.0), true), ("counting growing", None, false)]);
    }

    #[test]
    fn a_rule_on_a_gauge_that_nobody_reads_is_found() {
        let lookout = lookout(vec![Rule::above("counting", 1.0), Rule::above("couting", 1.0)], SECOND);
        assert_eq!(lookout.blind_rules(), ["couting high"]);
    }
}
