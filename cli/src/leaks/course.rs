//! How a place went over the snapshots, in the words that snapshots can bear. Pure: no files, no names.

use super::series::{Change, Series};

/// A difference of less than so many standard errors is noise, however few places there are.
pub(super) const NOISE: f64 = 3.0;

/// In how many runs at most a place of so many is named by chance. At three errors one place in 700 would be, and
/// services have thousands.
const BY_CHANCE: f64 = 0.05;

/// A fall of less than so many standard errors is none.
const REAL_FALL: f64 = 2.0;

/// Falls that come to more than this share of the growth are the teeth of a saw.
const SAW: f64 = 0.2;

/// The second half goes at this share of the first's speed or more: it does not slow.
const NOT_SLOWING: f64 = 0.6;

/// It goes at less than this share: it has leveled off.
const LEVELED: f64 = 0.2;

/// The share of the steps that must grow.
const STEADY: f64 = 0.75;

/// The whole process allocates faster by this factor: the load grew.
const MORE_LOAD: f64 = 1.2;

/// Who keeps less of what it allocates may hold more because more is under way.
const PASSING: f64 = 0.1;

/// Who keeps this share holds on to what it allocates.
const KEEPING: f64 = 0.8;

/// What can be said of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// No more is held than before.
    Fell,
    /// The growth is less than its sampling error can make it.
    Noise,
    /// There are two snapshots.
    Grew,
    /// There are two, and it holds on to most of what it allocates.
    GrewAndKeeps,
    /// There are two, and it keeps little of what it allocates.
    GrewAndPasses,
    Steady,
    /// Steady for what is allocated there, of which there was less in the second half.
    SteadyOfLess,
    /// The second half is clearly slower, and still grows.
    Slowing,
    Leveled,
    UpAndDown,
    /// It keeps little, and the process has more to do.
    WithLoad,
    /// It grew in few of the steps.
    Uneven,
    /// Too few samples are behind the second half.
    Unsure,
}

/// A place, judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judged {
    pub(super) course: Course,
    pub(super) growth: Change,
    /// How many steps there are from snapshot to snapshot, and in how many of them it grew.
    pub(super) steps: usize,
    pub(super) grew_in: usize,
    /// The share of what it allocated in between that is still held, and what it is at least.
    pub(super) kept: Option<f64>,
    pub(super) kept_at_least: Option<f64>,
}

impl Course {
    /// True for what a leak looks like in snapshots, and for what they cannot tell from one.
    pub(super) const fn may_leak(self) -> bool {
        matches!(
            self,
            Self::Grew
                | Self::GrewAndKeeps
                | Self::GrewAndPasses
                | Self::Steady
                | Self::SteadyOfLess
                | Self::Slowing
                | Self::Uneven
                | Self::Unsure
        )
    }
}

/// How fast the whole process allocated, in bytes a minute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Load {
    pub(super) first_half: f64,
    pub(super) second_half: f64,
}

impl Load {
    /// True when it fell by as much.
    pub(super) fn fell(self) -> bool {
        MORE_LOAD * self.second_half <= self.first_half
    }

    /// True when it grew by so much that what passes through may be held only because of it.
    pub(super) fn grew(self) -> bool {
        self.second_half >= MORE_LOAD * self.first_half
    }
}

/// How many standard errors a growth must have to be more than noise, where so many places are looked at together: the
/// bound of the normal distribution's tail, exp(-z²/2) / (z √2π), as often as there are places.
pub(super) fn noise(places: usize) -> f64 {
    let odds = places.max(1) as f64 / (BY_CHANCE * std::f64::consts::TAU.sqrt());
    let mut sigmas = NOISE;
    for _ in 0..8 {
        sigmas = (2.0 * (odds / sigmas).ln()).max(1.0).sqrt();
    }
    sigmas.max(NOISE)
}

/// Judges a place in a process with this load; less than `noise` standard errors are none.
pub(super) fn judge(series: &Series, noise: f64, load: Option<Load>) -> Judged {
    let steps = series.last();
    let growth = series.change(0, steps);
    let each: Vec<Change> = (0..steps).map(|step| series.change(step, step + 1)).collect();
    let grew_in = each.iter().filter(|step| step.by > 0.0).count();
    let kept = series.kept(0, steps);
    let course = if growth.by <= 0.0 {
        Course::Fell
    } else if growth.sigmas() < noise {
        Course::Noise
    } else if steps < 2 {
        match kept {
            Some(KEEPING..) => Course::GrewAndKeeps,
            Some(..PASSING) => Course::GrewAndPasses,
            _ => Course::Grew,
        }
    } else {
        course(series, growth, &each, load.zip(kept))
    };
    let kept_at_least = series.kept_at_least(0, steps);
    Judged { course, growth, steps, grew_in, kept, kept_at_least }
}

/// The load by what all places allocated: `None` when there are no halves, or nobody counts.
pub(super) fn load(total: &Series) -> Option<Load> {
    let middle = middle(total)?;
    let speed = |from, to| Some(total.allocated(from, to)? / total.minutes_between(from, to));
    Some(Load { first_half: speed(0, middle)?, second_half: speed(middle, total.last())? })
}

fn course(series: &Series, growth: Change, each: &[Change], passing: Option<(Load, f64)>) -> Course {
    let falls: f64 = each.iter().filter(|step| step.sigmas() < -REAL_FALL).map(|step| -step.by).sum();
    if falls > SAW * growth.by {
        return Course::UpAndDown;
    }
    let Some(middle) = middle(series) else { return Course::Grew };
    let second = series.change(middle, series.last());
    let pace = pace(series, middle, |from, to| Some(series.minutes_between(from, to)));
    // Who is called less often leaks less a minute, and as much a call.
    let of_allocated = pace_of_allocated(series, middle);
    let speed = of_allocated.map_or(pace, |of_allocated| of_allocated.max(pace));
    let grew_in = each.iter().filter(|step| step.by > 0.0).count();
    if second.by <= 0.0 || speed < LEVELED {
        Course::Leveled
    } else if passing.is_some_and(|(load, kept)| load.grew() && kept < PASSING) {
        Course::WithLoad
    } else if (grew_in as f64) < STEADY * each.len() as f64 {
        Course::Uneven
    } else if speed < NOT_SLOWING {
        Course::Slowing
    } else if second.sigmas() < REAL_FALL {
        Course::Unsure
    } else if pace < NOT_SLOWING {
        Course::SteadyOfLess
    } else {
        Course::Steady
    }
}

/// The snapshot nearest to the middle of the time, neither the first nor the last.
fn middle(series: &Series) -> Option<usize> {
    let half = series.minutes_between(0, series.last()) / 2.0;
    let off = |index: &usize| (series.minutes_between(0, *index) - half).abs();
    (1..series.last()).min_by(|one, other| off(one).total_cmp(&off(other)))
}

/// The growth of the second half for each of `what`, as a share of that of the first.
fn pace(series: &Series, middle: usize, what: impl Fn(usize, usize) -> Option<f64>) -> f64 {
    let speed = |from, to| match what(from, to) {
        Some(of) if of > 0.0 => series.change(from, to).by / of,
        _ => 0.0,
    };
    let (first, second) = (speed(0, middle), speed(middle, series.last()));
    if first > 0.0 { second / first } else { f64::INFINITY }
}

/// By allocated byte; `None` where nobody counts, or too little was allocated in a half to compare.
fn pace_of_allocated(series: &Series, middle: usize) -> Option<f64> {
    const FEW: f64 = 0.05;
    let all = series.allocated(0, series.last())?;
    let first = series.allocated(0, middle)?;
    (first > FEW * all && all - first > FEW * all)
        .then(|| pace(series, middle, |from, to| series.allocated(from, to)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaks::series::Sums;

    const MIB: f64 = 1024.0 * 1024.0;

    fn series(held: &[f64], allocated: Option<&[f64]>) -> Series {
        let at = |(index, held): (usize, &f64)| {
            let allocated = allocated.and_then(|all| all.get(index)).map_or(0.0, |all| all * MIB);
            Sums { allocated, ..Sums::of(held * MIB, None, MIB / 2.0) }
        };
        Series {
            minutes: (0..held.len()).map(|minute| minute as f64 * 10.0).collect(),
            rows: vec![held.iter().enumerate().map(at).collect()],
            counts_allocated: allocated.is_some(),
        }
    }

    #[track_caller]
    fn check(held: &[f64], expected: Course, may_leak: bool) {
        let judged = judge(&series(held, None), NOISE, None);
        assert_eq!((judged.course, judged.course.may_leak()), (expected, may_leak), "{judged:?}");
    }

    /// The same with what was ever allocated, and how much the load grew.
    #[track_caller]
    fn check_counted(held: &[f64], allocated: &[f64], load: f64, expected: Course) {
        let load = Load { first_half: 1.0, second_half: load };
        let judged = judge(&series(held, Some(allocated)), NOISE, Some(load));
        assert_eq!(judged.course, expected, "{judged:?}");
    }

    #[test]
    fn the_more_places_the_more_it_takes_to_stand_out() {
        let shown = |places| format!("{:.1}", noise(places));
        assert_eq!([0, 1, 10, 100, 2000, 1_000_000].map(shown), ["3.0", "3.0", "3.0", "3.3", "4.1", "5.3"]);
    }

    #[test]
    fn two_snapshots_cannot_tell_why() {
        check(&[0.0, 60.0], Course::Grew, true);
        check(&[60.0, 0.0], Course::Fell, false);
        check(&[60.0, 60.0], Course::Fell, false);
        // Eight samples, where nine are three standard errors; and what holds much may have been replaced.
        check(&[0.0, 4.0], Course::Noise, false);
        check(&[0.0, 4.6], Course::Grew, true);
        check(&[1000.0, 1060.0], Course::Noise, false);
    }

    #[test]
    fn more_snapshots_tell_the_course() {
        check(&[10.0, 40.0, 70.0], Course::Steady, true);
        check(&[0.0, 30.0, 60.0, 90.0, 120.0], Course::Steady, true);
        check(&[0.0, 30.0, 60.0, 59.0, 120.0], Course::Steady, true);
        // A Vec that doubles, seen often: it stands still, and is ahead of nobody's error.
        check(&[8.0, 16.0, 32.0, 64.0], Course::Steady, true);
        check(&[0.0, 60.0, 90.0, 105.0, 112.0], Course::Slowing, true);
        check(&[0.0, 60.0, 90.0, 99.0, 100.0], Course::Leveled, false);
        check(&[0.0, 100.0, 100.0], Course::Leveled, false);
        check(&[0.0, 100.0, 100.0, 100.0, 100.0], Course::Leveled, false);
        check(&[0.0, 0.0, 0.0, 0.0, 100.0], Course::Uneven, true);
        check(&[0.0, 0.0, 0.0, 30.0, 60.0, 90.0], Course::Uneven, true);
        check(&[0.0, 100.0, 20.0, 110.0, 30.0], Course::UpAndDown, false);
        check(&[0.0, 100.0, 0.0, 100.0, 0.0], Course::Fell, false);
        check(&[0.0, 2.5, 5.0], Course::Unsure, true);
    }

    #[test]
    fn what_was_allocated_tells_a_slow_leak_from_little_load() {
        let held = [0.0, 60.0, 120.0, 130.0, 140.0];
        check(&held, Course::Leveled, false);
        check_counted(&held, &[0.0, 62.0, 124.0, 135.0, 146.0], 0.2, Course::SteadyOfLess);
        // A cache that is full is given more and more, and keeps none of it.
        check_counted(&held, &[0.0, 62.0, 124.0, 300.0, 500.0], 1.0, Course::Leveled);
        check_counted(
            &[0.0, 60.0, 120.0, 180.0, 240.0],
            &[0.0, 60.0, 120.0, 180.0, 240.0],
            3.0,
            Course::Steady,
        );
    }

    #[test]
    fn what_passes_through_grows_with_the_load() {
        let (held, allocated) = ([40.0, 80.0, 120.0], [1e4, 2e4, 4e4]);
        check_counted(&held, &allocated, 2.0, Course::WithLoad);
        // The half that had more load grew as much: less a byte, and no less a minute.
        check_counted(&held, &allocated, 1.0, Course::Steady);
        let total = series(&held, Some(&allocated));
        let expected = Load { first_half: 1000.0 * MIB, second_half: 2000.0 * MIB };
        assert_eq!((load(&total), load(&series(&held, None))), (Some(expected), None));
    }

    #[test]
    fn what_is_kept_is_told() {
        let judged = judge(&series(&[0.0, 97.0], Some(&[50.0, 150.0])), NOISE, None);
        assert_eq!((judged.kept, judged.steps, judged.grew_in), (Some(0.97), 1, 1));
        assert_eq!(judged.course, Course::GrewAndKeeps);
        check_counted(&[0.0, 97.0], &[0.0, 5000.0], 1.0, Course::GrewAndPasses);
        check_counted(&[0.0, 97.0], &[0.0, 200.0], 1.0, Course::Grew);
    }
}
