//! A rate as the UNIX load average weighs it: what was long ago counts less, by a factor of e for each stretch of its
//! own length. The first figure is taken as it is, and a figure is refreshed every 5 s, as Dropwizard's Metrics does
//! (`com.codahale.metrics.EWMA`), which refers to Neil Gunther, "UNIX Load Average Part 1: How It Works". Unlike there a
//! late tick is weighed by how late it is, so that a stall bends nothing. Time is an argument.

use std::time::Duration;

/// Rates over the last minute, five and fifteen, in events a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Rates {
    /// `None` before the first tick.
    rates: Option<[f64; 3]>,
}

/// How far the three look back.
const SPANS: [Duration; 3] =
    [Duration::from_secs(60), Duration::from_secs(5 * 60), Duration::from_secs(15 * 60)];

impl Rates {
    /// `events` happened in the last `elapsed`.
    pub(super) fn tick(&mut self, events: u64, elapsed: Duration) {
        if elapsed.is_zero() {
            return;
        }
        let now = events as f64 / elapsed.as_secs_f64();
        let rates = self.rates.get_or_insert([now; 3]);
        for (rate, span) in rates.iter_mut().zip(SPANS) {
            let weight = 1.0 - (-elapsed.as_secs_f64() / span.as_secs_f64()).exp();
            *rate += weight * (now - *rate);
        }
    }

    /// Over one minute, five and fifteen.
    pub(crate) fn all(&self) -> [f64; 3] {
        self.rates.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_secs(5);

    #[track_caller]
    fn check(rates: &Rates, expected: [f64; 3]) {
        let near = rates.all().iter().zip(expected).all(|(rate, expected)| (rate - expected).abs() < 5e-9);
        assert!(near, "{:?}, expected {expected:?}", rates.all());
    }

    /// The figures of Dropwizard's own `EWMATest`: three events in the first tick, none afterwards.
    #[test]
    fn rates_fade_as_dropwizards_do() {
        let mut rates = Rates::default();
        check(&rates, [0.0; 3]);
        rates.tick(3, TICK);
        check(&rates, [0.6; 3]);
        let minute = |rates: &mut Rates| (0..12).for_each(|_| rates.tick(0, TICK));
        minute(&mut rates);
        check(&rates, [0.220_727_66, 0.491_238_45, 0.561_304_19]);
        (0..4).for_each(|_| minute(&mut rates));
        check(&rates, [0.004_042_77, 0.220_727_66, 0.429_918_79]);
    }

    #[test]
    fn a_late_tick_weighs_as_much_as_those_that_were_missed() {
        let (mut late, mut regular) = (Rates::default(), Rates::default());
        late.tick(50, TICK);
        regular.tick(50, TICK);
        late.tick(600, TICK * 6);
        (0..6).for_each(|_| regular.tick(100, TICK));
        check(&late, regular.all());
        late.tick(7, Duration::ZERO);
        check(&late, regular.all());
    }
}
