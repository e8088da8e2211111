//! The recent past of a number in bounded memory: readings averaged into slots of equal length.

use std::collections::VecDeque;
use std::time::Duration;

/// The slots of a series: fine enough for a chart and a slope, 24 bytes each, so 5.8 KB a series.
const SLOTS: u32 = 240;

/// Readings of the last `span`, averaged into at most 241 slots however often they come.
#[derive(Clone, Debug)]
pub struct Series {
    span: Duration,
    slot: Duration,
    points: VecDeque<Point>,
}

/// One slot of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Point {
    /// Seconds since the start, averaged over the slot's readings.
    pub seconds: f64,
    /// Their mean value.
    pub value: f64,
    /// How many readings there were.
    pub readings: u32,
}

impl Series {
    /// An empty series that remembers `span`.
    #[must_use]
    pub fn spanning(span: Duration) -> Self {
        Self { span, slot: span / SLOTS, points: VecDeque::new() }
    }

    /// Adds a reading taken at `now`, and forgets what has become too old. Times must not go backwards.
    pub fn push(&mut self, now: Duration, value: f64) {
        let seconds = now.as_secs_f64();
        match self.points.back_mut() {
            Some(last) if slot(seconds, self.slot) == slot(last.seconds, self.slot) => {
                last.add(seconds, value)
            }
            _ => self.points.push_back(Point { seconds, value, readings: 1 }),
        }
        let oldest = seconds - self.span.as_secs_f64();
        while self.points.front().is_some_and(|point| point.seconds < oldest) {
            self.points.pop_front();
        }
    }

    /// The slots, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Point> + '_ {
        self.points.iter().copied()
    }

    /// The stretch it is meant to remember.
    #[must_use]
    pub const fn span(&self) -> Duration {
        self.span
    }
}

impl Point {
    fn add(&mut self, seconds: f64, value: f64) {
        self.readings = self.readings.saturating_add(1);
        let weight = 1.0 / f64::from(self.readings);
        self.seconds += (seconds - self.seconds) * weight;
        self.value += (value - self.value) * weight;
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a float cast saturates")]
fn slot(seconds: f64, length: Duration) -> u64 {
    (seconds / length.as_secs_f64()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_the_mean_kept() {
        let mut series = Series::spanning(Duration::from_secs(240));
        for tenth in 0..100_000_u32 {
            series.push(Duration::from_millis(100) * tenth, f64::from(tenth));
        }
        let points: Vec<Point> = series.iter().collect();
        assert!((239..=241).contains(&points.len()), "{}", points.len());
        let last = points.last().expect("a slot");
        assert!((last.seconds - 9999.45).abs() < 1e-6 && (last.value - 99_994.5).abs() < 1e-6, "{last:?}");
        assert_eq!(last.readings, 10);
    }

    #[test]
    fn few_readings_are_kept_as_they_are() {
        let mut series = Series::spanning(Duration::from_secs(240));
        for second in [0, 10, 20, 400] {
            series.push(Duration::from_secs(second), 1.0);
        }
        assert_eq!(series.iter().map(|point| point.seconds).collect::<Vec<_>>(), [400.0]);
    }
}
