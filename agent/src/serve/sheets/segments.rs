//! The segments: operations on other systems, those that took the most time first.

use super::{Cell, Head, forms, sheet};
use crate::segment::SegmentStats;

/// The page's body.
pub(in crate::serve) fn body(segments: &[SegmentStats]) -> String {
    let mut segments: Vec<&SegmentStats> = segments.iter().collect();
    segments.sort_by_key(|segment| std::cmp::Reverse(segment.total));
    let heads = [
        Head::Words("product"),
        Head::Words("operation"),
        Head::Words("collection"),
        Head::Sorted("time"),
        Head::Number("calls"),
        Head::Number("last minute"),
        Head::Number("in flight"),
        Head::Number("average"),
        Head::Number("shortest"),
        Head::Number("longest"),
    ];
    sheet("segments", heads, segments.into_iter().map(row)) + &forms("segments")
}

fn row(segment: &SegmentStats) -> [Cell; 10] {
    [
        Cell::words(&segment.product),
        Cell::words(&segment.operation),
        Cell::words(&segment.collection),
        Cell::time(segment.total),
        Cell::count(segment.calls),
        Cell::count(segment.last_minute),
        Cell::count(segment.in_flight),
        Cell::time(segment.average()),
        Cell::time(segment.shortest),
        Cell::time(segment.longest),
    ]
}
