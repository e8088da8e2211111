//! How long until a limit is reached, from a growth that has an error: the earliest, the expected and the latest time.

use std::time::Duration;

use super::growth::Growth;

/// How sure it is that the limit is reached between the earliest and the latest time, if the growth goes on as it is: the
/// band is two standard errors wide on either side, with the error of [`Growth::of_drifting`].
pub const CONFIDENCE: f64 = 0.95;

/// What lies further ahead than this nobody can tell from minutes of growth.
pub const HORIZON: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// When a limit is reached, counted from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeLeft {
    /// With the steepest growth that the readings allow.
    pub earliest: Duration,
    /// With the growth that fits best.
    pub expected: Duration,
    /// With the flattest.
    pub latest: Duration,
}

impl TimeLeft {
    /// The time until `room` more is used up. `None` when it surely grows by nothing, or the expected time lies beyond the
    /// [`HORIZON`].
    #[must_use]
    pub fn of(room: f64, growth: &Growth) -> Option<Self> {
        if growth.at_least() <= 0.0 {
            return None;
        }
        let after = |per_minute: f64| {
            Duration::try_from_secs_f64((room / per_minute * 60.0).max(0.0)).unwrap_or(Duration::MAX)
        };
        let expected = after(growth.per_minute);
        let left = Self { earliest: after(growth.at_most()), expected, latest: after(growth.at_least()) };
        (expected <= HORIZON).then_some(left)
    }

    /// `~26 min (19 to 41)`, in the unit of the expected time.
    #[must_use]
    pub fn sentence(&self) -> String {
        let (name, seconds) = match self.expected.as_secs() {
            0..100 => ("s", 1.0),
            100..6_000 => ("min", 60.0),
            6_000..172_800 => ("h", 3_600.0),
            _ => ("d", 86_400.0),
        };
        let show = |time: Duration| {
            let number = time.as_secs_f64() / seconds;
            if number < 9.95 && seconds > 60.0 { format!("{number:.1}") } else { format!("{number:.0}") }
        };
        let latest = if self.latest > HORIZON { "over a week".to_owned() } else { show(self.latest) };
        let (earliest, expected) = (show(self.earliest), show(self.expected));
        if earliest == expected && latest == expected {
            return format!("~{expected} {name}");
        }
        format!("~{expected} {name} ({earliest} to {latest})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::Series;

    #[track_caller]
    fn check(room: f64, per_minute: f64, standard_error: f64, expected: Option<&str>) {
        let growth = Growth { per_minute, standard_error, baseline: 0.0, steady: true };
        let said = TimeLeft::of(room, &growth).map(|left| left.sentence());
        assert_eq!(said.as_deref(), expected);
    }

    #[test]
    fn said_for_people() {
        check(1_040.0, 40.0, 7.3, Some("~26 min (19 to 41)"));
        check(1_040.0, 40.0, 0.0, Some("~26 min"));
        check(1.0, 1.0, 0.1, Some("~60 s (50 to 75)"));
        check(0.0, 40.0, 7.0, Some("~0 s"));
        check(600.0, 1.0, 0.1, Some("~10 h (8.3 to 12)"));
        check(10_000.0, 1.0, 0.1, Some("~6.9 d (5.8 to over a week)"));
        check(20_000.0, 1.0, 0.1, None);
        check(1_000.0, 10.0, 5.0, None);
        check(1_000.0, -10.0, 0.0, None);
        check(1_000.0, 0.0, 0.0, None);
    }

    /// How often the band holds the truth for straight lines with a scatter of which `followed` is that of the reading before.
    /// The scatter comes from a generator of its own, so that every run has the same.
    fn held(followed: f64) -> f64 {
        let mut state = 1_u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
        };
        let mut line = || {
            let mut off = 0.0;
            let mut series = Series::spanning(Duration::from_secs(600));
            for second in (0..=600_u32).step_by(5) {
                off = followed * off + uniform() * 10.0;
                series.push(Duration::from_secs(u64::from(second)), f64::from(second) / 6.0 + off);
            }
            let growth = Growth::of_drifting(&series).expect("a full window");
            let left = TimeLeft::of(260.0, &growth).expect("it grows");
            (left.earliest..=left.latest).contains(&Duration::from_secs(26 * 60))
        };
        f64::from((0..1_000).map(|_| u32::from(line())).sum::<u32>()) / 1_000.0
    }

    #[test]
    fn the_band_holds_the_truth_as_often_as_it_says() {
        let shares = [0.0, 0.5, 0.8].map(held);
        assert!(shares.iter().all(|share| (share - CONFIDENCE).abs() < 0.04), "{shares:?}");
    }
}
