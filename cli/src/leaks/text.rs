//! The report for people. Pure.

use std::fmt::Write as _;

use super::course::{Course, Judged};
use super::place::NAMELESS;
use super::report::{ENOUGH_MINUTES, ENOUGH_SNAPSHOTS, Finding, Report};
use super::series::Sums;
use crate::amount::{bytes, date, error, share, signed, span};

/// The most ways that are shown of one place.
const MAX_WAYS: usize = 4;

/// The most values that are shown of one course.
const MAX_VALUES: usize = 8;

/// The report with at most `top` places.
pub(super) fn write(report: &Report, top: usize) -> String {
    let mut text = head(report);
    for (rank, finding) in (1..).zip(report.findings.iter().take(top)) {
        text.push('\n');
        tell(&mut text, report, rank, finding);
    }
    text.push('\n');
    rest(&mut text, report, top);
    verdict(&mut text, report);
    text
}

fn head(report: &Report) -> String {
    let mut text = String::new();
    let program = report.snapshots.last().map_or("", |last| last.program.name());
    let of = if program.is_empty() { String::new() } else { format!(" of {program}") };
    let began = report.snapshots.first().map_or(0, |first| first.nanos);
    let (count, over, began) = (report.snapshots.len(), span(report.seconds), date(began));
    let _ = writeln!(text, "{count} snapshots{of} over {over}, from {began} UTC");
    let _ = writeln!(text, "in use     {}", grown(&report.total, &report.total_values, report.seconds));
    match report.load {
        Some(load) => {
            let [first, second] = [load.first_half, load.second_half].map(bytes);
            let so = match load {
                _ if load.grew() => "the load grew",
                _ if load.fell() => "the load fell",
                _ => "the load did not grow",
            };
            let _ =
                writeln!(text, "allocated  {first}/min in the first half, {second}/min in the second: {so}");
        }
        None if report.snapshots.iter().any(|about| about.allocated.is_none()) => {
            let _ = writeln!(
                text,
                "allocated  unknown: no alloc_space in the files, so load cannot be told apart"
            );
        }
        None => {
            let [first, last] = [report.snapshots.first(), report.snapshots.last()]
                .map(|about| about.and_then(|about| about.allocated).unwrap_or(0.0));
            let each_minute = bytes((last - first) / report.seconds * 60.0);
            let _ = writeln!(
                text,
                "allocated  {each_minute}/min; whether the load grew takes a third snapshot to tell"
            );
        }
    }
    text
}

fn tell(text: &mut String, report: &Report, rank: usize, finding: &Finding) {
    let Finding { place, judged, values, .. } = finding;
    let title = format!("{rank}. {}  {}", place.function, finding.location());
    let _ = writeln!(text, "{}", title.trim_end());
    let _ = writeln!(text, "   {}", phrase(judged));
    let numbers = grown(judged, values, report.seconds);
    let _ = writeln!(text, "   {numbers}, {} of all that grew", share(finding.share));
    if let (Some(kept), Some(allocated)) = (judged.kept_at_least, finding.allocated) {
        let (kept, allocated) = (share(kept), bytes(allocated));
        let _ =
            writeln!(text, "   at least {kept} of the {allocated} that it allocated meanwhile is still held");
    }
    if values.len() > 2 {
        let _ = writeln!(text, "   course {}", course(values));
    }
    let ways = || finding.ways.iter().filter(|(_, change)| change.by > 0.0);
    for (way, change) in ways().take(MAX_WAYS) {
        let line = if way.line == 0 { String::new() } else { format!("line {}", way.line) };
        let through = if way.through.is_empty() { String::new() } else { format!("through {}", way.through) };
        let how = [line, through].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
        // The line alone stands above already, when it is the only one.
        if !way.through.is_empty() || finding.ways.len() > 1 {
            let by = signed(change.by);
            let _ = writeln!(text, "   {by:>12} {:<7} {how}", error(change.error, change.by));
        }
    }
    if let Some(more) = ways().count().checked_sub(MAX_WAYS).filter(|more| *more > 0) {
        let _ = writeln!(text, "   and in {more} more ways");
    }
}

/// `2.1 MiB -> 59.2 MiB (from 118 samples), +57.1 MiB ±10%, +71.4 MiB/min`.
fn grown(judged: &Judged, values: &[Sums], seconds: f64) -> String {
    let [first, last] = [values.first(), values.last()].map(|sums| bytes(sums.map_or(0.0, |sums| sums.held)));
    let growth = judged.growth;
    let (by, off) = (signed(growth.by), error(growth.error, growth.by));
    let samples = values.last().map_or(0.0, |last| last.samples);
    let each_minute = signed(growth.by / seconds * 60.0);
    format!("{first} -> {last} (from {samples:.0} samples), {by} {off}, {each_minute}/min")
}

fn phrase(judged: &Judged) -> String {
    let steps = format!("{} of {} steps", judged.grew_in, judged.steps);
    match judged.course {
        Course::Fell => "holds less than before".to_owned(),
        Course::Noise => "noise: grew by less than its sampling error can make of it".to_owned(),
        Course::Grew => {
            "grew; two snapshots cannot tell a leak from a cache that fills, nor from more load".to_owned()
        }
        Course::GrewAndKeeps => {
            "grew and frees little; two snapshots cannot tell a leak from a cache that fills".to_owned()
        }
        Course::GrewAndPasses => {
            "grew, and frees nearly all that it allocates: more load may be all there is to it".to_owned()
        }
        Course::Steady => format!("grows steadily ({steps}, not slowing)"),
        Course::SteadyOfLess => {
            format!("grows steadily with what it allocates ({steps}; slower a minute because that is less)")
        }
        Course::Slowing => format!("grows, but slows ({steps}): a cache that fills does that"),
        Course::Leveled => format!("grew and leveled off ({steps})"),
        Course::UpAndDown => format!("up and down ({steps} up)"),
        Course::WithLoad => format!("grew with the load ({steps}), and keeps little of what it allocates"),
        Course::Uneven => format!("grew unevenly ({steps})"),
        Course::Unsure => format!("grew ({steps}), by too few samples to tell whether it slows"),
    }
}

/// The values in turn; of many the first, the last and some between.
fn course(values: &[Sums]) -> String {
    let last = values.len().saturating_sub(1);
    let shown = last.min(MAX_VALUES - 1);
    let picked = (0..=shown).filter_map(|index| values.get(index * last / shown.max(1)));
    picked.map(|sums| bytes(sums.held)).collect::<Vec<_>>().join(", ")
}

/// What is not shown one by one.
fn rest(text: &mut String, report: &Report, top: usize) {
    if let Some(more) = report.findings.len().checked_sub(top).filter(|more| *more > 0) {
        let _ = writeln!(text, "{} more grew; --top shows more than {top}", places(more));
    }
    if let Some((place, growth)) = &report.noise.largest {
        let (count, by) = (places(report.noise.places), signed(report.noise.by));
        let (largest, off) = (signed(growth.by), bytes(growth.error));
        let _ = writeln!(
            text,
            "noise: {count}, {by} in all, each less than {:.1} times its sampling error; the largest {largest} \
             ± {off}, {}",
            report.sigmas, place.function
        );
    }
    if report.fell > 0 {
        let _ = writeln!(text, "{} with less than before", places(report.fell));
    }
}

fn verdict(text: &mut String, report: &Report) {
    let leaks = report.leaks().count();
    let most = report.leaks().next().map(|finding| &*finding.place.function);
    let _ = match most {
        Some(NAMELESS) => writeln!(
            text,
            "verdict: something may leak, and has no name: give it names first, with --binary or --debug-dir"
        ),
        Some(first) if leaks == 1 => writeln!(text, "verdict: {first} may leak"),
        Some(first) => writeln!(text, "verdict: {leaks} places may leak, first of all {first}"),
        None if report.rest_grew() => {
            let (by, off) = (signed(report.rest.by), error(report.rest.error, report.rest.by));
            writeln!(
                text,
                "verdict: {by} {off} in all, of which no place has enough to stand out: wait longer between snapshots"
            )
        }
        None => writeln!(text, "verdict: nothing that looks like a leak"),
    };
    let short = report.seconds < ENOUGH_MINUTES * 60.0;
    if short && report.may_leak() {
        let over = span(report.seconds);
        let _ = writeln!(text, "In {over} a cache that fills and a service that warms up look the same.");
    } else if report.least() > 0.0 && !report.may_leak() {
        let least = bytes(report.least());
        let _ = writeln!(text, "What grew by less than about {least} does not stand out from the sampling.");
    }
    let _ = writeln!(text, "To be surer:");
    if short || report.snapshots.len() < ENOUGH_SNAPSHOTS {
        let _ = writeln!(
            text,
            "  at least {ENOUGH_SNAPSHOTS} snapshots over {ENOUGH_MINUTES} min or more, under the usual load"
        );
    }
    let _ = writeln!(
        text,
        "  /debug/leaks of the running service, if flamewatch is in it: it goes by the age of what is held"
    );
}

fn places(count: usize) -> String {
    if count == 1 { "1 place".to_owned() } else { format!("{count} places") }
}
