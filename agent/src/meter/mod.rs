//! How often things happen: for each route and each segment its rates, its count and its mean, as on an APM's stats page.
//! It is told the counts every few seconds, and knows no clock and no counter itself.

mod ewma;

use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) use ewma::Rates;

/// How often the rates are refreshed.
pub(crate) const TICK: Duration = Duration::from_secs(5);

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    #[cfg_attr(not(feature = "http"), allow(dead_code, reason = "only the layer of `http` counts routes"))]
    Route {
        method: String,
        path: String,
    },
    Segment {
        product: String,
        operation: String,
        collection: String,
    },
}

/// What its counter says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// How many have ended.
    pub(crate) calls: u64,
    /// How long they took together.
    pub(crate) total: Duration,
    pub(crate) in_flight: u64,
}

/// A counter and how fast it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Meter {
    pub(crate) count: Count,
    pub(crate) rates: Rates,
    /// Calls a second since it was first seen.
    pub(crate) mean_rate: f64,
    /// When it was first seen, and the calls before.
    first: (Duration, u64),
}

/// All meters. As many as there are counters: at most 513 routes and 1,025 segments of 0.4 KB, 0.6 MB.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    meters: BTreeMap<Subject, Meter>,
    ticked: Option<Duration>,
}

impl Meters {
    /// Takes the counts as they stand at `now`, since the start of the agent.
    pub(crate) fn tick(&mut self, now: Duration, counts: impl IntoIterator<Item = (Subject, Count)>) {
        let before = self.ticked.replace(now);
        let elapsed = before.map(|before| now.saturating_sub(before));
        for (subject, count) in counts {
            // Of what was counted before the first tick nobody knows when it was. What is new later is new since then.
            let calls = if before.is_none() { count.calls } else { 0 };
            let first = (before.unwrap_or(now), calls);
            let meter = self.meters.entry(subject).or_insert(Meter {
                count: Count { calls, ..Count::default() },
                first,
                ..Meter::default()
            });
            meter.tick(now, elapsed, count);
        }
    }

    /// Every meter.
    pub(crate) fn all(&self) -> Vec<(Subject, Meter)> {
        self.meters.iter().map(|(subject, meter)| (subject.clone(), *meter)).collect()
    }
}

impl Meter {
    /// How long one call took on average.
    pub(crate) fn mean(&self) -> Duration {
        let calls = u32::try_from(self.count.calls).unwrap_or(u32::MAX);
        self.count.total.checked_div(calls).unwrap_or_default()
    }

    fn tick(&mut self, now: Duration, elapsed: Option<Duration>, count: Count) {
        if let Some(elapsed) = elapsed {
            self.rates.tick(count.calls.saturating_sub(self.count.calls), elapsed);
        }
        let (since, before) = self.first;
        let seconds = now.saturating_sub(since).as_secs_f64();
        let calls = count.calls.saturating_sub(before) as f64;
        self.mean_rate = if seconds > 0.0 { calls / seconds } else { 0.0 };
        self.count = count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(path: &str) -> Subject {
        Subject::Route { method: "GET".to_owned(), path: path.to_owned() }
    }

    fn count(calls: u64) -> Count {
        Count { calls, total: Duration::from_millis(3) * u32::try_from(calls).expect("few"), in_flight: 1 }
    }

    #[test]
    fn a_rate_is_of_what_happened_since() {
        let mut meters = Meters::default();
        meters.tick(TICK, [(route("/old"), count(1_000))]);
        meters.tick(TICK * 2, [(route("/old"), count(1_050)), (route("/new"), count(5))]);
        let rates = |meters: &Meters| {
            let rates = meters.all().into_iter().map(|(_, meter)| (meter.rates.all(), meter.mean_rate));
            rates.collect::<Vec<_>>()
        };
        assert_eq!(rates(&meters), [([1.0; 3], 1.0), ([10.0; 3], 10.0)]);
        meters.tick(TICK * 3, [(route("/old"), count(1_050)), (route("/new"), count(5))]);
        let [(new, mean), (old, _)] = rates(&meters)[..] else { panic!("two") };
        assert!(new[0] < new[1] && new[1] < new[2] && new[2] < 1.0 && (mean - 0.5).abs() < 1e-9);
        assert!(old[0] < 10.0 && old[0] > 9.0);
        let (_, meter) = meters.all()[1];
        assert_eq!((meter.count.calls, meter.mean()), (1_050, Duration::from_millis(3)));
    }
}
