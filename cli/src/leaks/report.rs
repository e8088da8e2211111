//! What the program has to say: the places that grew, judged and ranked, and what belongs to them. Pure.

use super::collected::Collected;
use super::course::{self, Course, Judged, Load, NOISE};
use super::order::Ordered;
use super::place::{Place, Way};
use super::series::{Change, Series, Sums};
use super::snapshot::About;
use crate::amount;

/// Snapshots and time that make the verdict as sure as snapshots can: a cache has filled and a day's work has been
/// seen to come and go, more often than not.
pub(super) const ENOUGH_SNAPSHOTS: usize = 6;
pub(super) const ENOUGH_MINUTES: f64 = 60.0;

/// All that is said.
#[derive(Debug)]
pub(super) struct Report {
    /// The oldest first.
    pub(super) snapshots: Vec<About>,
    pub(super) seconds: f64,
    pub(super) total: Judged,
    pub(super) total_values: Vec<Sums>,
    pub(super) load: Option<Load>,
    /// Less growth than so many of its standard errors is noise.
    pub(super) sigmas: f64,
    /// Those that may leak first, of these those that grew most.
    pub(super) findings: Vec<Finding>,
    pub(super) noise: Noise,
    /// How many places hold less than before.
    pub(super) fell: usize,
    /// What all but the findings grew together, and may have grown although none did by itself.
    pub(super) rest: Change,
    pub(super) warnings: Vec<String>,
}

/// A place that grew by more than its error.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) place: Place,
    pub(super) judged: Judged,
    pub(super) values: Vec<Sums>,
    /// What it allocated between the first and the last snapshot.
    pub(super) allocated: Option<f64>,
    /// Its part of what all places grew that grew.
    pub(super) share: f64,
    /// How it allocates, by growth.
    pub(super) ways: Vec<(Way, Change)>,
}

/// The places whose growth is less than its error.
#[derive(Debug, Default)]
pub(super) struct Noise {
    pub(super) places: usize,
    pub(super) by: f64,
    pub(super) largest: Option<(Place, Change)>,
}

impl Report {
    /// Judges what was collected of `snapshots`.
    pub(super) fn new(collected: Collected, snapshots: &[About], ordered: Ordered) -> Self {
        let snapshots: Vec<About> =
            ordered.order.iter().filter_map(|index| snapshots.get(*index)).cloned().collect();
        let first = snapshots.first().map_or(0, |first| first.nanos);
        let minutes: Vec<f64> =
            snapshots.iter().map(|about| about.nanos.saturating_sub(first) as f64 / 60e9).collect();
        let counts_allocated = snapshots.iter().all(|about| about.allocated.is_some());
        let places = collected.series(&ordered.order, &minutes, counts_allocated);
        let total = total(&places, &minutes, counts_allocated);
        let load = course::load(&total);
        let sigmas = course::noise(places.len());
        let mut report = Self {
            seconds: minutes.last().map_or(0.0, |minutes| minutes * 60.0),
            total: course::judge(&total, NOISE, load),
            total_values: values(&total),
            load,
            sigmas,
            findings: Vec::new(),
            noise: Noise::default(),
            fell: 0,
            rest: Change::default(),
            warnings: ordered.warnings,
            snapshots,
        };
        places.into_iter().for_each(|(place, ways, series)| report.add(place, ways, &series));
        report.rank();
        report
    }

    /// True when a place may leak.
    pub(super) fn may_leak(&self) -> bool {
        self.leaks().next().is_some() || self.rest_grew()
    }

    /// True when those that are noise one by one grew together.
    pub(super) fn rest_grew(&self) -> bool {
        self.rest.sigmas() >= NOISE
    }

    /// What a place must grow by to be more than noise, if it allocates small objects: so many samples come to so many
    /// times their error.
    pub(super) fn least(&self) -> f64 {
        let period = self.snapshots.iter().map(|about| about.period).fold(0.0, f64::max);
        if period <= 1.0 { 0.0 } else { self.sigmas * self.sigmas * period }
    }

    /// The places that may leak.
    pub(super) fn leaks(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.judged.course.may_leak())
    }

    fn add(&mut self, place: Place, ways: Vec<Way>, series: &Series) {
        let judged = course::judge(series, self.sigmas, self.load);
        if place.is_mixed() {
            self.warnings.push(format!(
                "{} holds stacks of many places, {} first and {} last: what grew there cannot be told",
                place.function,
                amount::bytes(series.at(0).held),
                amount::bytes(series.at(series.last()).held)
            ));
            return;
        }
        if matches!(judged.course, Course::Fell | Course::Noise) {
            self.rest.by += judged.growth.by;
            self.rest.error = self.rest.error.hypot(judged.growth.error);
        }
        match judged.course {
            Course::Fell => self.fell += usize::from(judged.growth.by < 0.0),
            Course::Noise => self.noise.add(place, judged.growth),
            _ => self.findings.push(Finding::new(place, judged, ways, series)),
        }
    }

    fn rank(&mut self) {
        let key = |finding: &Finding| (finding.judged.course.may_leak(), finding.judged.growth.by);
        self.findings.sort_by(|one, other| {
            let ((one_leaks, one), (other_leaks, other)) = (key(one), key(other));
            other_leaks.cmp(&one_leaks).then(other.total_cmp(&one))
        });
        let grew: f64 =
            self.noise.by + self.findings.iter().map(|finding| finding.judged.growth.by).sum::<f64>();
        for finding in &mut self.findings {
            finding.share = finding.judged.growth.by / grew;
        }
    }
}

impl Finding {
    fn new(place: Place, judged: Judged, ways: Vec<Way>, series: &Series) -> Self {
        let change = |index: usize| series.row(index).change(0, series.last());
        let mut ways: Vec<(Way, Change)> =
            ways.into_iter().enumerate().map(|(index, way)| (way, change(index))).collect();
        ways.sort_by(|(_, one), (_, other)| other.by.total_cmp(&one.by));
        let allocated = series.allocated(0, series.last());
        Self { place, judged, values: values(series), allocated, share: 0.0, ways }
    }

    /// `src/orders.rs:24`, of the line that grew most; empty when unknown.
    pub(super) fn location(&self) -> String {
        match (&*self.place.file, self.line()) {
            ("", _) => String::new(),
            (file, 0) => file.to_owned(),
            (file, line) => format!("{file}:{line}"),
        }
    }

    /// The line that grew most; 0 when unknown.
    pub(super) fn line(&self) -> i64 {
        self.ways.first().map_or(0, |(way, _)| way.line)
    }
}

impl Noise {
    fn add(&mut self, place: Place, growth: Change) {
        self.places += 1;
        self.by += growth.by;
        if self.largest.as_ref().is_none_or(|(_, largest)| largest.by < growth.by) {
            self.largest = Some((place, growth));
        }
    }
}

/// All places together, row by row: who is exact stays exact.
fn total(places: &[(Place, Vec<Way>, Series)], minutes: &[f64], counts_allocated: bool) -> Series {
    let rows = places.iter().flat_map(|(_, _, series)| series.rows.iter().cloned()).collect();
    Series { minutes: minutes.to_vec(), rows, counts_allocated }
}

fn values(series: &Series) -> Vec<Sums> {
    (0..series.len()).map(|index| series.at(index)).collect()
}
