//! Whether a number grows steadily: a straight line through a window, its error, and a look at each third of it.

use std::time::Duration;

use super::series::{Point, Series};

/// Fewer slots than this tell nothing: three for each third.
const MIN_POINTS: usize = 9;

/// The share of the window that the slots must reach back over.
const MIN_COVER: f64 = 0.9;

/// Each third must grow by at least this share of the whole window's slope. A step is all in one third, and the
/// teeth of a saw fall in some.
const MIN_THIRD: f64 = 0.25;

/// More than this part of a reading's distance from the line is never taken to be that of the one before it: a window is too
/// short to tell.
const MOST_FOLLOWED: f64 = 0.95;

/// A steady growth, fitted by least squares.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Growth {
    /// Growth per minute.
    pub per_minute: f64,
    /// Its standard error, from the scatter about the line.
    pub standard_error: f64,
    /// The line's value where the window begins, kept within what was read.
    pub baseline: f64,
    /// True when every third of the window grows.
    pub steady: bool,
}

impl Growth {
    /// The growth over `series`, or `None` while it does not fill its window.
    #[must_use]
    pub fn of(series: &Series) -> Option<Self> {
        let points: Vec<Point> = series.iter().collect();
        let (first, last) = (points.first()?, points.last()?);
        if points.len() < MIN_POINTS || last.seconds - first.seconds < MIN_COVER * series.span().as_secs_f64()
        {
            return None;
        }
        let line = Line::through(&points)?;
        let third = (last.seconds - first.seconds) / 3.0;
        let steady = (0..3).all(|index| {
            let from = first.seconds + third * f64::from(index);
            let part: Vec<Point> =
                points.iter().copied().filter(|point| within(point, from, third)).collect();
            Line::through(&part).is_some_and(|part| part.slope > MIN_THIRD * line.slope.max(0.0))
        });
        let lowest = points.iter().map(|point| point.value).fold(f64::INFINITY, f64::min);
        Some(Self {
            per_minute: line.slope * 60.0,
            standard_error: line.error * 60.0,
            baseline: line.at(first.seconds).max(lowest),
            steady,
        })
    }

    /// The growth over `series` with the error that it has when readings follow those before them, as memory does: a rate that
    /// drifts leaves its traces about the line on one side for long. The error of [`Growth::of`] takes each for new.
    #[must_use]
    pub fn of_drifting(series: &Series) -> Option<Self> {
        let growth = Self::of(series)?;
        let points: Vec<Point> = series.iter().collect();
        let followed = Line::through(&points)?.followed(&points).clamp(0.0, MOST_FOLLOWED);
        let wider = ((1.0 + followed) / (1.0 - followed)).sqrt();
        Some(Self { standard_error: growth.standard_error * wider, ..growth })
    }

    /// What the growth surely is, for this much scatter: two standard errors below the fit.
    #[must_use]
    pub fn at_least(&self) -> f64 {
        2.0f64.mul_add(-self.standard_error, self.per_minute)
    }

    /// What the growth is at most: two standard errors above the fit.
    #[must_use]
    pub fn at_most(&self) -> f64 {
        2.0f64.mul_add(self.standard_error, self.per_minute)
    }

    /// How much the fit is over `window`.
    #[must_use]
    pub fn over(&self, window: Duration) -> f64 {
        self.per_minute * window.as_secs_f64() / 60.0
    }
}

/// A straight line `value = mean + slope * (seconds - middle)`.
struct Line {
    slope: f64,
    error: f64,
    mean: f64,
    middle: f64,
}

impl Line {
    /// Least squares. `None` for fewer than three points, or all at one time.
    fn through(points: &[Point]) -> Option<Self> {
        if points.len() < 3 {
            return None;
        }
        let count = points.len() as f64;
        let middle = points.iter().map(|point| point.seconds).sum::<f64>() / count;
        let mean = points.iter().map(|point| point.value).sum::<f64>() / count;
        let spread: f64 = points.iter().map(|point| (point.seconds - middle).powi(2)).sum();
        let shared: f64 = points.iter().map(|point| (point.seconds - middle) * (point.value - mean)).sum();
        if spread <= 0.0 {
            return None;
        }
        let mut line = Self { slope: shared / spread, error: 0.0, mean, middle };
        let scatter: f64 = points.iter().map(|point| (point.value - line.at(point.seconds)).powi(2)).sum();
        line.error = (scatter / (count - 2.0) / spread).sqrt();
        Some(line)
    }

    /// How far each point's distance from the line is that of the one before it: 0 for scatter, 1 for a drift. The
    /// autocorrelation at a lag of one.
    fn followed(&self, points: &[Point]) -> f64 {
        let off = |point: &Point| point.value - self.at(point.seconds);
        let all: f64 = points.iter().map(|point| off(point).powi(2)).sum();
        let shared: f64 =
            points.iter().zip(points.iter().skip(1)).map(|(left, right)| off(left) * off(right)).sum();
        let followed = if all > 0.0 { shared / all } else { 0.0 };
        // The line has taken some of it, the more the fewer points there are.
        followed + 4.0f64.mul_add(followed, 2.0) / points.len() as f64
    }

    fn at(&self, seconds: f64) -> f64 {
        self.slope.mul_add(seconds - self.middle, self.mean)
    }
}

/// The ends belong to the thirds on both sides of them, which costs nothing and loses no point to rounding.
fn within(point: &Point, from: f64, length: f64) -> bool {
    point.seconds >= from && point.seconds <= from + length
}

#[cfg(test)]
mod tests {
    use super::*;

    fn growth(values: impl IntoIterator<Item = f64>, span: u64) -> Option<Growth> {
        let mut series = Series::spanning(Duration::from_secs(span));
        for (second, value) in values.into_iter().enumerate() {
            series.push(Duration::from_secs(second as u64), value);
        }
        Growth::of(&series)
    }

    #[test]
    fn a_line_is_found_with_its_error() {
        let exact = growth((0..=60).map(|second| 100.0 + f64::from(second)), 60).expect("a full window");
        assert!((exact.per_minute - 60.0).abs() < 1e-9 && exact.standard_error < 1e-9 && exact.steady);
        assert!((exact.baseline - 100.0).abs() < 1e-9);
        // A saw of ±1 about the line leaves a scatter of 1, hence an error of 1 / sqrt(n^3 / 12) a second.
        let saw = (0..=60).map(|second| f64::from(second) + if second % 2 == 0 { 1.0 } else { -1.0 });
        let noisy = growth(saw, 60).expect("a full window");
        let expected = 60.0 / (61.0f64.powi(3) / 12.0).sqrt();
        assert!((noisy.standard_error / expected - 1.0).abs() < 0.05, "{noisy:?}, {expected}");
    }

    #[test]
    fn a_drift_has_a_wider_error_than_scatter() {
        let errors = |values: &dyn Fn(u32) -> f64| {
            let mut series = Series::spanning(Duration::from_secs(60));
            (0..=60).for_each(|second| series.push(Duration::from_secs(u64::from(second)), values(second)));
            let error = |growth: Option<Growth>| growth.expect("a full window").standard_error;
            error(Growth::of_drifting(&series)) / error(Growth::of(&series))
        };
        let scatter = |second: u32| f64::from(second) + if second.is_multiple_of(2) { 1.0 } else { -1.0 };
        assert!((errors(&scatter) - 1.0).abs() < 1e-9);
        let slowing = |second: u32| f64::from(second).powf(0.8);
        assert!(errors(&slowing) > 3.0);
    }

    #[test]
    fn half_a_window_tells_nothing() {
        assert_eq!(growth((0..30).map(f64::from), 60), None);
        assert_eq!(growth([], 60), None);
    }

    #[test]
    fn a_step_is_not_steady_wherever_it_falls() {
        for edge in 1..60 {
            let step = growth((0..=60).map(|second| if second < edge { 0.0 } else { 1000.0 }), 60);
            assert!(!step.expect("a full window").steady, "step at {edge}");
        }
    }
}
