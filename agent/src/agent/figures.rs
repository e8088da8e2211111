//! The agent's own numbers for scrapers: what the index page says in words of gauges, rules, sinks and tables.

use std::time::UNIX_EPOCH;

use crate::context;
use crate::figure::Family;
use crate::meter::{Count, Subject};
use crate::segment::{self, SegmentStats};
use crate::sink::Status;
use crate::watch::Phase;
use crate::watch::telling::{Telling, Why};

use super::lookout::{Lookout, Reading};
use super::restraint;

/// What the loop counts itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// What alerts did without.
    pub(super) spared: restraint::Counts,
    /// Rounds that panicked.
    pub(super) panics: u64,
}

/// All of it, as it is after a round.
pub(super) fn families(
    lookout: &Lookout,
    sinks: &[Status],
    telling: &Telling,
    counts: Counts,
) -> Vec<Family> {
    let mut families = vec![
        gauges(&lookout.readings()),
        rules(lookout.phases()),
        Family::counter(
            "flamewatch_alerts_without_evidence_total",
            "Alerts sent without a profile: too many.",
        )
        .of(counts.spared.bare as f64),
        Family::counter(
            "flamewatch_alerts_unnamed_total",
            "Alerts whose profile has no names, for want of memory or CPU.",
        )
        .of(counts.spared.raw as f64),
        Family::counter(
            "flamewatch_rounds_panicked_total",
            "Readings of all gauges that a gauge's panic ended.",
        )
        .of(counts.panics as f64),
        suppressed(telling),
    ];
    #[cfg(feature = "serve")]
    families.push(
        Family::counter(
            "flamewatch_connections_cut_total",
            "Connections to the debug port or the inbound socket that asked for nothing and made room for others.",
        )
        .of(crate::serve::accept::made_room() as f64),
    );
    families.extend(deliveries(sinks));
    families.extend(labels(context::summary()));
    families
}

/// What the counters of routes and segments say, for the meters. Microseconds: no task is looked at.
pub(super) fn counts() -> Vec<(Subject, Count)> {
    let segments = segment::snapshot().into_iter().map(|stats| {
        let count = Count { calls: stats.calls, total: stats.total, in_flight: stats.in_flight };
        let SegmentStats { product, operation, collection, .. } = stats;
        (Subject::Segment { product, operation, collection }, count)
    });
    #[cfg(feature = "http")]
    let routes = crate::http::counts().into_iter().map(|stats| {
        let count = Count { calls: stats.calls(), total: stats.total, in_flight: stats.in_flight };
        (Subject::Route { method: stats.method, path: stats.path }, count)
    });
    #[cfg(not(feature = "http"))]
    let routes = std::iter::empty();
    segments.chain(routes).collect()
}

/// Every gauge, the service's own among them, as the rules see it.
fn gauges(readings: &[Reading]) -> Family {
    let family = Family::gauge("flamewatch_reading", "What a gauge last read, in its unit.");
    readings.iter().fold(family, |family, reading| match reading.value {
        Some(value) => family.with([("gauge", &reading.name), ("unit", reading.unit.as_str())], value),
        None => family,
    })
}

fn rules<'r>(phases: impl Iterator<Item = (&'r str, Phase)>) -> Family {
    let family = Family::gauge("flamewatch_rule_firing", "1 while a rule is firing.");
    phases.fold(family, |family, (rule, phase)| {
        let firing = matches!(phase, Phase::Firing | Phase::Clearing);
        family.with([("rule", rule)], f64::from(u8::from(firing)))
    })
}

fn suppressed(telling: &Telling) -> Family {
    let family =
        Family::counter("flamewatch_alerts_suppressed_total", "Alerts that were not told, and why not.");
    Why::ALL.into_iter().fold(family, |family, why| {
        let count = telling.suppressed().find(|(other, _)| *other == why).map_or(0, |(_, count)| count);
        family.with([("why", why.as_str())], count as f64)
    })
}

fn deliveries(sinks: &[Status]) -> [Family; 7] {
    let each = |family: Family, number: fn(&Status) -> u64| {
        sinks.iter().fold(family, |family, sink| family.with([("sink", &sink.name)], number(sink) as f64))
    };
    [
        each(Family::counter("flamewatch_alerts_delivered_total", "Alerts that arrived."), |sink| sink.sent),
        each(
            Family::counter("flamewatch_alerts_retried_total", "Attempts that failed and were made again."),
            |sink| sink.retried,
        ),
        each(Family::counter("flamewatch_alerts_dropped_total", "Alerts that will never arrive."), |sink| {
            sink.dropped
        }),
        each(
            Family::counter("flamewatch_alert_files_left_out_total", "Files that found no room in a queue."),
            |sink| sink.files_left_out,
        ),
        each(Family::gauge("flamewatch_alerts_waiting", "Alerts that wait to be delivered."), |sink| {
            sink.waiting as u64
        }),
        each(
            Family::gauge("flamewatch_alert_sink_down", "1 while what was tried last did not arrive."),
            |sink| u64::from(sink.down_since.is_some()),
        ),
        arrivals(sinks),
    ]
}

/// When the last alert arrived, where one has.
fn arrivals(sinks: &[Status]) -> Family {
    let family =
        Family::gauge("flamewatch_alert_last_delivered_timestamp_seconds", "When an alert arrived last.");
    sinks.iter().fold(family, |family, sink| match sink.last_sent {
        Some(at) => {
            let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
            family.with([("sink", &sink.name)], since.as_secs_f64())
        }
        None => family,
    })
}

fn labels(summary: context::Summary) -> [Family; 4] {
    [
        Family::gauge("flamewatch_label_sets", "Different sets of labels kept.").of(f64::from(summary.sets)),
        Family::gauge("flamewatch_label_values", "Different values of labels kept.")
            .of(f64::from(summary.values)),
        Family::counter("flamewatch_labels_left_out_total", "Labels left out because their table was full.")
            .of(summary.turned_away as f64),
        Family::counter("flamewatch_labels_cut_total", "Labels cut because they are too long.")
            .of(summary.cut as f64),
    ]
}

/// What the heap engine says of itself.
#[cfg(feature = "heap")]
pub(super) fn heap(stats: &crate::source::heap::Stats) -> Vec<Family> {
    let counter = |name, help, value: u64| Family::counter(name, help).of(value as f64);
    let gauge = |name, help, value: u64| Family::gauge(name, help).of(value as f64);
    vec![
        counter("flamewatch_heap_samples_total", "Allocations sampled.", stats.samples),
        gauge("flamewatch_heap_live_samples", "Sampled allocations that are still there.", stats.live),
        gauge("flamewatch_heap_stacks", "Different stacks that were sampled.", stats.stacks),
        Family::gauge("flamewatch_heap_sampling_interval_bytes", "One sample in so many bytes.")
            .of(f64::from(stats.lg_rate).exp2()),
        Family::counter(
            "flamewatch_heap_hooks_seconds_total",
            "Estimated time in the sampling hooks, all threads.",
        )
        .of(stats.cost.as_secs_f64()),
        Family::counter("flamewatch_heap_dropped_total", "Samples and frees that were not kept, and why.")
            .with([("what", "sample"), ("why", "table full")], stats.live_full as f64)
            .with([("what", "sample"), ("why", "busy")], stats.lost_samples as f64)
            .with([("what", "free"), ("why", "busy")], stats.lost_frees as f64),
        counter(
            "flamewatch_heap_stacks_shared_total",
            "Samples whose stack found no room.",
            stats.stacks_full,
        ),
        counter(
            "flamewatch_heap_stacks_truncated_total",
            "Stacks cut off because they are deep.",
            stats.truncated,
        ),
    ]
}

/// What the lock profile says of itself.
#[cfg(all(
    feature = "lock-profile",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(super) fn locks(stats: &crate::source::locks::Stats) -> Vec<Family> {
    let counter = |name, help, value: f64| Family::counter(name, help).of(value);
    vec![
        counter(
            "flamewatch_lock_waits_total",
            "Futex waits that are over, idle ones among them.",
            stats.waits as f64,
        ),
        counter("flamewatch_lock_waited_seconds_total", "How long they took.", stats.waited_ns as f64 / 1e9),
        counter("flamewatch_lock_wakes_total", "Wake-ups that ended somebody's wait.", stats.wakes as f64),
        counter(
            "flamewatch_lock_charged_seconds_total",
            "The part of the time waited, waits under way included, that is charged to who woke.",
            stats.charged_ns as f64 / 1e9,
        ),
        Family::counter("flamewatch_lock_samples_total", "Events whose stack was taken.")
            .with([("what", "wait")], stats.sampled_waits as f64)
            .with([("what", "wake")], stats.sampled_wakes as f64),
        Family::counter("flamewatch_lock_dropped_total", "What was not kept, and why.")
            .with([("what", "wait"), ("why", "table full")], stats.unplaced as f64)
            .with([("what", "stack"), ("why", "busy")], stats.busy as f64)
            .with([("what", "stack"), ("why", "table full")], stats.overflowed as f64),
        Family::gauge("flamewatch_lock_stacks", "Different stacks that waited or woke.")
            .of(stats.stacks as f64),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_counts_or_measures_as_its_name_says() {
        let sink = Status {
            name: "slack".to_owned(),
            sent: 7,
            retried: 0,
            dropped: 1,
            files_left_out: 0,
            waiting: 2,
            last_error: None,
            last_sent: None,
            down_since: None,
        };
        let lookout = Lookout::new(
            Vec::new(),
            std::time::Duration::from_secs(1),
            Vec::new(),
            std::time::Duration::ZERO,
        );
        let families = families(
            &lookout,
            &[sink],
            &Telling::new(),
            Counts { spared: restraint::Counts { raw: 1, bare: 3 }, panics: 0 },
        );
        for family in &families {
            let counter = family.kind == crate::figure::Kind::Counter;
            assert_eq!(family.name.ends_with("_total"), counter, "{family:?}");
        }
        let value = |name: &str| {
            families
                .iter()
                .find(|family| family.name == name)
                .and_then(|family| family.figures.first()?.value.into())
        };
        assert_eq!(value("flamewatch_alerts_delivered_total"), Some(7.0));
        assert_eq!(value("flamewatch_alerts_without_evidence_total"), Some(3.0));
    }
}
