//! The life of one rule on one gauge: fine, pending, firing, and fine again, with patience at every turn.

use std::borrow::Cow;
use std::time::Duration;

use super::growth::Growth;
use super::rule::{DEFAULT_GROWTH_SHARE, Rule, Test};
use super::series::Series;
use super::spikes::Spikes;
use super::{Finding, Verdict};

/// A growth is over when it falls below this share of what fires.
const GROWTH_CLEARS: f64 = 0.5;

/// Where a rule stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// All is well.
    Ok,
    /// Broken, not yet for long enough.
    Pending,
    /// Fired and told.
    Firing,
    /// Fired and told, and good again, not yet for long enough.
    Clearing,
}

/// Watches one gauge by one rule. Feed it every reading; it speaks up only when something has changed.
#[derive(Clone, Debug)]
pub struct Watcher {
    rule: Rule,
    state: State,
    ignored: u64,
    latest: Duration,
    fine: Option<f64>,
    peak: f64,
    past: Option<Series>,
    spikes: Option<Spikes>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Ok,
    Broken { since: Duration, first: Duration, baseline: f64 },
    Firing { first: Duration, baseline: f64, good_since: Option<Duration> },
}

/// What one reading says about a rule.
struct Look {
    broken: bool,
    good: bool,
    growth: Option<Growth>,
}

impl Watcher {
    /// A watcher by `rule`, all well so far.
    #[must_use]
    pub fn new(rule: Rule) -> Self {
        let past = match rule.test {
            Test::Growing { window, .. } => Some(Series::spanning(window)),
            Test::Above { .. } => None,
        };
        let spikes = rule.spiking.map(|spiking| Spikes::over(spiking.of_last, spiking.window));
        Self {
            rule,
            state: State::Ok,
            ignored: 0,
            latest: Duration::ZERO,
            fine: None,
            peak: f64::NEG_INFINITY,
            past,
            spikes,
        }
    }

    /// Takes a reading made at `now`, counted from the start of the agent. A time before the last one counts as the
    /// last one; a reading that is not a finite number is ignored and counted.
    pub fn observe(&mut self, now: Duration, value: f64) -> Option<Verdict> {
        if !value.is_finite() {
            self.ignored = self.ignored.saturating_add(1);
            return None;
        }
        let now = now.max(self.latest);
        self.latest = now;
        let look = self.look(now, value);
        let verdict = self.step(now, value, &look);
        if self.state == State::Ok && !look.broken {
            self.fine = Some(value);
            self.peak = f64::NEG_INFINITY;
        }
        verdict
    }

    /// The rule.
    pub const fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Where the rule stands.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        match self.state {
            State::Ok => Phase::Ok,
            State::Broken { .. } => Phase::Pending,
            State::Firing { good_since: None, .. } => Phase::Firing,
            State::Firing { good_since: Some(_), .. } => Phase::Clearing,
        }
    }

    /// How many readings were no finite numbers.
    #[must_use]
    pub const fn ignored(&self) -> u64 {
        self.ignored
    }

    fn look(&mut self, now: Duration, value: f64) -> Look {
        match (self.rule.test, &mut self.past) {
            (Test::Growing { per_minute, window }, Some(past)) => {
                past.push(now, value);
                grows(Growth::of(past), per_minute, window)
            }
            (Test::Above { limit, clear_below }, _) => {
                let (above, good) = (value > limit, value <= clear_below);
                match (&mut self.spikes, self.rule.spiking) {
                    (Some(spikes), Some(spiking)) => {
                        let enough = spikes.count(now, above) >= spiking.windows as usize;
                        Look { broken: enough, good: good && !enough, growth: None }
                    }
                    _ => Look { broken: above, good, growth: None },
                }
            }
            (Test::Growing { .. }, None) => Look { broken: false, good: true, growth: None },
        }
    }

    fn step(&mut self, now: Duration, value: f64, look: &Look) -> Option<Verdict> {
        if look.broken || self.state != State::Ok {
            self.peak = self.peak.max(value);
        }
        match self.state {
            State::Ok if look.broken => {
                self.state = self.broken(now, value, look);
                self.try_to_fire(now, value, look)
            }
            State::Broken { .. } if look.broken => self.try_to_fire(now, value, look),
            State::Ok | State::Broken { .. } => {
                self.state = State::Ok;
                None
            }
            State::Firing { first, baseline, good_since } => {
                self.stay_or_clear(now, value, look, first, baseline, good_since)
            }
        }
    }

    fn broken(&self, now: Duration, value: f64, look: &Look) -> State {
        match (look.growth, self.rule.test) {
            (Some(growth), Test::Growing { window, .. }) => {
                State::Broken { since: now, first: now.saturating_sub(window), baseline: growth.baseline }
            }
            _ => State::Broken { since: now, first: now, baseline: self.fine.unwrap_or(value) },
        }
    }

    fn try_to_fire(&mut self, now: Duration, value: f64, look: &Look) -> Option<Verdict> {
        let State::Broken { since, first, baseline } = self.state else { return None };
        if now.saturating_sub(since) < self.rule.hold {
            return None;
        }
        self.state = State::Firing { first, baseline, good_since: None };
        Some(Verdict::Fired(self.finding(now, value, look, first, baseline)))
    }

    fn stay_or_clear(
        &mut self,
        now: Duration,
        value: f64,
        look: &Look,
        first: Duration,
        baseline: f64,
        good_since: Option<Duration>,
    ) -> Option<Verdict> {
        let good_since = look.good.then(|| good_since.unwrap_or(now));
        let cleared = good_since.is_some_and(|since| now.saturating_sub(since) >= self.rule.clear_hold);
        if !cleared {
            self.state = State::Firing { first, baseline, good_since };
            return None;
        }
        self.state = State::Ok;
        Some(Verdict::Resolved(self.finding(now, value, look, first, baseline)))
    }

    fn finding(&self, now: Duration, value: f64, look: &Look, first: Duration, baseline: f64) -> Finding {
        Finding {
            rule: Cow::Owned(self.rule.name().to_owned()),
            gauge: Cow::Owned(self.rule.gauge().to_owned()),
            value,
            baseline,
            peak: self.peak.max(value),
            limit: self.rule.limit(),
            growth: look.growth,
            since: first,
            at: now,
            cooldown: self.rule.cooldown,
        }
    }
}

fn grows(growth: Option<Growth>, per_minute: Option<f64>, window: Duration) -> Look {
    // Too few readings to tell: neither broken nor good, so that a gap in the readings resolves nothing.
    let Some(growth) = growth else { return Look { broken: false, good: false, growth: None } };
    let by_share = growth.baseline.abs() * DEFAULT_GROWTH_SHARE * 60.0 / window.as_secs_f64();
    let enough = per_minute.unwrap_or(by_share);
    Look {
        broken: growth.steady && growth.per_minute > 0.0 && growth.at_least() >= enough,
        good: growth.per_minute <= enough * GROWTH_CLEARS,
        growth: Some(growth),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);

    /// One reading a second against one letter a reading: `.` fine, `?` pending, `!` fires, `+` still
    /// firing, `R` resolved.
    #[track_caller]
    fn check(rule: Rule, values: &[f64], expected: &str) {
        let mut watcher = Watcher::new(rule);
        assert_eq!(letters(&mut watcher, values, SECOND), expected);
    }

    fn letters(watcher: &mut Watcher, values: &[f64], every: Duration) -> String {
        let times = (0_u32..).map(|index| every * index);
        times.zip(values).map(|(now, value)| letter(watcher, now, *value)).collect()
    }

    fn letter(watcher: &mut Watcher, now: Duration, value: f64) -> char {
        match (watcher.observe(now, value), watcher.phase()) {
            (Some(Verdict::Fired(_)), _) => '!',
            (Some(Verdict::Resolved(_)), _) => 'R',
            (None, Phase::Ok | Phase::Clearing) => '.',
            (None, Phase::Pending) => '?',
            (None, Phase::Firing) => '+',
        }
    }

    fn tasks() -> Rule {
        Rule::above("tasks", 10.0).for_at_least(2 * SECOND).clear_for(2 * SECOND)
    }

    #[test]
    fn a_limit_is_held_for_a_while() {
        check(Rule::above("tasks", 10.0).for_at_least(2 * SECOND), &[5.0, 11.0, 12.0, 13.0, 9.0], ".??!.");
        check(tasks(), &[11.0, 12.0, 10.0, 12.0, 12.0, 12.0], "??.??!");
        check(tasks().for_at_least(Duration::ZERO), &[5.0, 11.0, 12.0], ".!+");
        check(tasks(), &[5.0, 10.0, 10.0, 10.0, 10.0], ".....");
    }

    #[test]
    fn it_clears_lower_than_it_fires_and_only_after_a_while() {
        check(tasks(), &[11.0, 11.0, 11.0, 9.5, 9.5, 9.5, 9.5], "??!++++");
        check(tasks(), &[11.0, 11.0, 11.0, 9.0, 9.0, 9.0, 9.0], "??!..R.");
        check(tasks(), &[11.0, 11.0, 11.0, 9.0, 9.0, 9.5, 9.0, 9.0, 9.0], "??!..+..R");
        check(tasks().clear_below(5.0), &[11.0, 11.0, 11.0, 6.0, 6.0, 6.0, 5.0, 5.0, 5.0], "??!+++..R");
        check(Rule::above("balance", -10.0).for_at_least(SECOND), &[-5.0, -5.0, -11.0], "?!.");
    }

    #[test]
    fn what_comes_back_fires_again() {
        let quick = tasks().for_at_least(Duration::ZERO).clear_for(Duration::ZERO);
        check(quick, &[11.0, 5.0, 11.0, 5.0, 11.0, 11.0], "!R!R!+");
    }

    #[test]
    fn spikes_that_repeat_are_a_fault_and_a_single_one_is_not() {
        let rule = Rule::above("tasks", 10.0).spiking(3, 5, 2 * SECOND).clear_for(2 * SECOND);
        let spikes = |text: &str| -> Vec<f64> {
            text.chars().map(|letter| if letter == '^' { 11.0 } else { 5.0 }).collect()
        };
        check(rule.clone(), &spikes("..^^............"), "................");
        check(rule.clone(), &spikes("^.........^.........^"), ".....................");
        check(rule.clone(), &spikes("..^..^..^........."), "........!+++..R...");
        // A hold counts from the spike that makes them enough.
        check(rule.for_at_least(2 * SECOND), &spikes("..^..^..^........."), "........??!+..R...");
    }

    #[test]
    fn a_finding_says_what_changed_and_since_when() {
        let mut watcher = Watcher::new(tasks());
        let mut findings = Vec::new();
        for (second, value) in (0_u32..).zip([5.0, 7.0, 11.0, 15.0, 12.0, 4.0, 4.0, 4.0]) {
            findings.extend(watcher.observe(SECOND * second, value).map(|verdict| verdict.finding().clone()));
        }
        let fired = &findings[0];
        assert_eq!((&*fired.rule, &*fired.gauge, fired.limit), ("tasks high", "tasks", Some(10.0)));
        assert_eq!((fired.value, fired.baseline, fired.peak), (12.0, 7.0, 15.0));
        assert_eq!((fired.since, fired.lasted()), (2 * SECOND, 2 * SECOND));
        let resolved = &findings[1];
        assert_eq!((resolved.value, resolved.peak, resolved.at), (4.0, 15.0, 7 * SECOND));
        assert_eq!(findings.len(), 2);
    }

    #[test]
    fn bad_readings_and_bad_clocks_do_no_harm() {
        let mut watcher = Watcher::new(tasks());
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(watcher.observe(SECOND, value), None);
        }
        assert_eq!((watcher.ignored(), watcher.phase()), (3, Phase::Ok));
        watcher.observe(100 * SECOND, 11.0);
        assert_eq!(watcher.observe(Duration::ZERO, 11.0), None, "time ran backwards, nothing has passed");
        assert!(matches!(watcher.observe(102 * SECOND, 11.0), Some(Verdict::Fired(_))));
        assert_eq!(watcher.observe(Duration::MAX, 11.0), None);
        let mut watcher = Watcher::new(Rule::growing("tasks"));
        for now in [Duration::MAX, Duration::ZERO, Duration::MAX] {
            assert_eq!(watcher.observe(now, 1.0), None);
        }
    }

    /// Readings every ten seconds, `minutes` long, as `shape` gives them for each minute; the letters without
    /// repeats, so that `.?!` reads as the life of the rule.
    #[track_caller]
    fn check_growth(minutes: u32, shape: impl Fn(f64) -> f64, expected: &str) {
        let rule = Rule::growing("tasks").by(1.0).over(10 * MINUTE).clear_for(5 * MINUTE);
        let values: Vec<f64> = (0..minutes * 6).map(|index| shape(f64::from(index) / 6.0)).collect();
        let mut life: Vec<char> = letters(&mut Watcher::new(rule), &values, 10 * SECOND).chars().collect();
        life.dedup();
        assert_eq!(life.into_iter().collect::<String>(), expected);
    }

    /// A scatter between -1 and 1 that is the same in every run.
    fn noise(minute: f64) -> f64 {
        ((minute * 6.0).round() * 12.9898).sin()
    }

    #[test]
    fn a_steady_growth_fires() {
        check_growth(30, |minute| 100.0 + 2.0 * minute, ".?!+");
        check_growth(30, |minute| 100.0 + 2.0 * minute + noise(minute), ".?!+");
        check_growth(30, |minute| 100.0 + 0.5 * minute, ".");
        check_growth(30, |minute| 100.0 - 2.0 * minute, ".");
        // Nine tenths of the window and the hold: eleven minutes.
        check_growth(11, |minute| 100.0 + 2.0 * minute, ".?");
        check_growth(12, |minute| 100.0 + 2.0 * minute, ".?!+");
    }

    #[test]
    fn what_only_looks_like_growth_does_not() {
        check_growth(60, |_| 100.0, ".");
        check_growth(60, |minute| 100.0 + 20.0 * noise(minute), ".");
        check_growth(60, |minute| if minute < 15.0 { 100.0 } else { 10_000.0 }, ".");
        check_growth(60, |minute| 100.0 + 50.0 * (minute % 3.0), ".");
        check_growth(60, |minute| 100.0 + 50.0 * (minute % 7.0), ".");
        check_growth(60, |minute| 100.0 + 10.0 * minute.min(6.0), ".");
    }

    #[test]
    fn a_ramp_that_ends_in_a_plateau_is_resolved() {
        check_growth(60, |minute| 100.0 + 10.0 * minute.min(20.0), ".?!+.R.");
    }

    #[test]
    fn a_restart_of_what_is_counted_is_no_growth_and_the_growth_after_it_is() {
        check_growth(9, |minute| 500.0 + 2.0 * minute, ".");
        let restart = |minute: f64| if minute < 9.0 { 500.0 + 2.0 * minute } else { 2.0 * (minute - 9.0) };
        check_growth(18, restart, ".");
        check_growth(30, restart, ".?!+");
    }

    #[test]
    fn a_finding_of_growth_says_how_fast_and_from_where() {
        let rule = Rule::growing("tasks").over(10 * MINUTE).for_at_least(Duration::ZERO);
        let mut watcher = Watcher::new(rule);
        let fired = (0..120_u32).find_map(|index| {
            let minute = f64::from(index) / 6.0;
            watcher.observe(10 * SECOND * index, 100.0 + 3.0 * minute + noise(minute) * 0.1)
        });
        let Some(Verdict::Fired(finding)) = fired else { panic!("{fired:?}") };
        let growth = finding.growth.expect("a growth");
        assert!((growth.per_minute - 3.0).abs() < 2.0 * growth.standard_error + 0.01, "{growth:?}");
        assert!((finding.baseline - 100.0).abs() < 0.2, "{finding:?}");
        assert_eq!((finding.limit, finding.since), (None, Duration::ZERO));
    }

    proptest::proptest! {
        /// Whatever is read and whatever the clock does: fired and resolved take turns.
        #[test]
        fn no_life_of_a_rule_breaks_its_promises(
            readings in proptest::collection::vec((0_u64..200, proptest::num::f64::ANY), 0..300),
            limit in -10.0..10.0_f64,
            growing: bool,
        ) {
            let rule = if growing { Rule::growing("x").over(5 * MINUTE) } else { Rule::above("x", limit) };
            let rule = rule.for_at_least(10 * SECOND).clear_for(10 * SECOND);
            let mut watcher = Watcher::new(rule);
            let mut open = false;
            for (second, (jitter, value)) in (0_u64..).zip(readings) {
                match watcher.observe(Duration::from_secs(second * 20 + jitter), value) {
                    Some(Verdict::Fired(finding)) => {
                        assert!(!open, "fired twice");
                        assert!(finding.lasted() >= 10 * SECOND && finding.peak >= finding.value);
                        open = true;
                    }
                    Some(Verdict::Resolved(_)) => {
                        assert!(open, "resolved what was not told");
                        open = false;
                    }
                    None => {}
                }
            }
        }
    }
}
