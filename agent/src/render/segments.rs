//! What the segments have counted: as a table, as JSON and in Prometheus' text format.

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use super::columns::{self, Set::Left, Set::Right};
use super::exposition;
use crate::Unit;
use crate::segment::SegmentStats;

/// Writes `segments` as a table, those that took the most time first.
pub(crate) fn text(segments: &[SegmentStats], out: &mut dyn Write) -> io::Result<()> {
    let mut segments: Vec<&SegmentStats> = segments.iter().collect();
    segments.sort_by_key(|segment| std::cmp::Reverse(segment.total));
    let heads = [
        ("calls", Right),
        ("last minute", Right),
        ("in flight", Right),
        ("total", Right),
        ("average", Right),
        ("shortest", Right),
        ("longest", Right),
        ("product", Left),
        ("operation", Left),
        ("collection", Left),
    ];
    columns::write(heads, segments.into_iter().map(cells), out)
}

/// Writes `segments` as JSON: `[{"product": "mysql", "operation": "find", "collection": "bookings", "calls": 1, …}]`.
pub(crate) fn json(segments: &[SegmentStats], out: &mut dyn Write) -> io::Result<()> {
    let document: Vec<_> = segments.iter().map(Segment::of).collect();
    serde_json::to_writer(&mut *out, &document)?;
    out.write_all(b"\n")
}

/// Writes `segments` in Prometheus' text format.
pub(crate) fn prometheus(segments: &[SegmentStats], out: &mut dyn Write) -> io::Result<()> {
    let mut metric = |name: &str, kind: &str, help: &str, value: fn(&SegmentStats) -> f64| {
        exposition::head(name, kind, help, out)?;
        segments
            .iter()
            .try_for_each(|segment| exposition::sample(name, &labels(segment), value(segment), out))
    };
    metric("flamewatch_segment_calls_total", "counter", "Operations that have ended.", |it| it.calls as f64)?;
    metric("flamewatch_segment_seconds_total", "counter", "Time that operations took.", |it| {
        it.total.as_secs_f64()
    })?;
    metric("flamewatch_segment_in_flight", "gauge", "Operations in progress.", |it| it.in_flight as f64)?;
    metric("flamewatch_segment_longest_seconds", "gauge", "The longest operation so far.", |it| {
        it.longest.as_secs_f64()
    })
}

fn labels(segment: &SegmentStats) -> [(&str, &str); 3] {
    let SegmentStats { product, operation, collection, .. } = segment;
    [("product", product), ("operation", operation), ("collection", collection)]
}

fn cells(segment: &SegmentStats) -> [String; 10] {
    let count = |number: u64| Unit::Count.show(number as f64);
    let time = |time: Duration| Unit::Nanoseconds.show(time.as_nanos() as f64);
    [
        count(segment.calls),
        count(segment.last_minute),
        count(segment.in_flight),
        time(segment.total),
        time(segment.average()),
        time(segment.shortest),
        time(segment.longest),
        segment.product.clone(),
        segment.operation.clone(),
        segment.collection.clone(),
    ]
}

#[derive(Serialize)]
struct Segment<'s> {
    product: &'s str,
    operation: &'s str,
    collection: &'s str,
    calls: u64,
    last_minute: u64,
    in_flight: u64,
    total_seconds: f64,
    average_seconds: f64,
    shortest_seconds: f64,
    longest_seconds: f64,
}

impl<'s> Segment<'s> {
    fn of(segment: &'s SegmentStats) -> Self {
        Self {
            product: &segment.product,
            operation: &segment.operation,
            collection: &segment.collection,
            calls: segment.calls,
            last_minute: segment.last_minute,
            in_flight: segment.in_flight,
            total_seconds: segment.total.as_secs_f64(),
            average_seconds: segment.average().as_secs_f64(),
            shortest_seconds: segment.shortest.as_secs_f64(),
            longest_seconds: segment.longest.as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(write: fn(&[SegmentStats], &mut dyn Write) -> io::Result<()>) -> String {
        let segment = SegmentStats {
            product: "mysql".to_owned(),
            operation: "find\nBooking".to_owned(),
            collection: "bookings".to_owned(),
            calls: 2_000,
            last_minute: 30,
            in_flight: 1,
            total: Duration::from_secs(4),
            shortest: Duration::from_micros(500),
            longest: Duration::from_millis(30),
        };
        let mut out = Vec::new();
        write(&[SegmentStats::default(), segment], &mut out).expect("written");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn as_a_table() {
        let lines = "\
calls  last minute  in flight  total  average  shortest  longest  product  operation     collection
2,000           30          1    4 s     2 ms    500 µs    30 ms  mysql    find Booking  bookings
    0            0          0   0 ns     0 ns      0 ns     0 ns
";
        assert_eq!(shown(text), lines);
    }

    #[test]
    fn as_json() {
        let value: serde_json::Value = serde_json::from_str(&shown(json)).expect("JSON");
        assert_eq!((&value[1]["calls"], &value[1]["average_seconds"]), (&2_000.into(), &0.002.into()));
    }

    #[test]
    fn for_prometheus() {
        let labels = "product=\"mysql\",operation=\"find\\nBooking\",collection=\"bookings\"";
        let shown = shown(prometheus);
        for line in [
            format!("flamewatch_segment_calls_total{{{labels}}} 2000"),
            format!("flamewatch_segment_seconds_total{{{labels}}} 4"),
            format!("flamewatch_segment_in_flight{{{labels}}} 1"),
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line} in\n{shown}");
        }
    }
}
