//! The report as one JSON object. Pure.

use serde_json::{Value, json};

use super::course::{Course, Judged};
use super::report::{Finding, Report};
use super::series::{Change, Sums};

/// The object with at most `top` places, on one line.
pub(super) fn write(report: &Report, top: usize) -> String {
    let snapshots: Vec<Value> = report
        .snapshots
        .iter()
        .zip(&report.total_values)
        .map(|(about, sums)| {
            json!({
                "file": about.name, "time_nanos": about.nanos, "dated_by_file": about.dated_by_file,
                "inuse_bytes": whole(sums.held), "alloc_bytes": about.allocated.map(whole),
                "samples": whole(sums.samples),
            })
        })
        .collect();
    let load = report.load.map(|load| {
        json!({
            "first_half": whole(load.first_half), "second_half": whole(load.second_half), "grew": load.grew(),
        })
    });
    let places: Vec<Value> = report.findings.iter().take(top).map(|found| place(report, found)).collect();
    let object = json!({
        "snapshots": snapshots, "seconds": report.seconds,
        "growth": change(report.total.growth), "alloc_bytes_per_minute": load,
        "may_leak": report.may_leak(), "places": places, "places_that_grew": report.findings.len(),
        "noise": { "places": report.noise.places, "bytes": whole(report.noise.by) },
        "without_findings": change(report.rest),
        "places_that_fell": report.fell, "warnings": report.warnings,
    });
    format!("{object}\n")
}

fn place(report: &Report, finding: &Finding) -> Value {
    let Judged { course, growth, steps, grew_in, kept, kept_at_least } = finding.judged;
    let ways: Vec<Value> = finding
        .ways
        .iter()
        .map(|(way, by)| json!({ "line": way.line, "through": way.through, "growth": change(*by) }))
        .collect();
    let held: Vec<i64> = finding.values.iter().map(|sums| whole(sums.held)).collect();
    json!({
        "function": finding.place.function, "file": finding.place.file, "line": finding.line(),
        "verdict": word(course), "may_leak": course.may_leak(), "growth": change(growth),
        "bytes_per_minute": whole(growth.by / report.seconds * 60.0), "share": finding.share,
        "steps": steps, "steps_that_grew": grew_in, "alloc_bytes": finding.allocated.map(whole), "kept": kept,
        "kept_at_least": kept_at_least,
        "inuse_bytes": held, "samples": whole(finding.values.last().map_or(0.0, |last: &Sums| last.samples)),
        "ways": ways,
    })
}

/// Names that scripts may rely on.
const fn word(course: Course) -> &'static str {
    match course {
        Course::Fell => "fell",
        Course::Noise => "noise",
        Course::Grew => "grew",
        Course::GrewAndKeeps => "grew_and_keeps",
        Course::GrewAndPasses => "grew_and_passes",
        Course::Steady => "steady",
        Course::SteadyOfLess => "steady_of_less",
        Course::Slowing => "slowing",
        Course::Leveled => "leveled_off",
        Course::UpAndDown => "up_and_down",
        Course::WithLoad => "with_load",
        Course::Uneven => "uneven",
        Course::Unsure => "unsure",
    }
}

fn change(change: Change) -> Value {
    json!({ "bytes": whole(change.by), "standard_error": whole(change.error) })
}

#[allow(clippy::cast_possible_truncation, reason = "the cast saturates")]
fn whole(value: f64) -> i64 {
    value.round() as i64
}
