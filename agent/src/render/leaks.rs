//! What leaks, for terminals and for programs.

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use super::plain::plain;
use crate::leak::{Followed, Leak, Part, Report, level};
use crate::moment::spoken;

/// The report at `now`, counted from the start of the agent as its times are.
pub(crate) fn text(report: &Report, now: Duration, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", summary(report, now))?;
    report.memory.iter().try_for_each(|line| writeln!(out, "memory: {}", plain(line)))?;
    for leak in &report.leaks {
        write_leak(leak, now, out)?;
    }
    writeln!(out)?;
    for followed in &report.followed {
        writeln!(out, "{}", followed_line(followed))?;
    }
    if report.timescale != 1.0 {
        writeln!(
            out,
            "time is judged {} times as fast as it passes (FLAMEWATCH_LEAK_TIMESCALE)",
            report.timescale
        )?;
    }
    report.remarks.iter().try_for_each(|remark| writeln!(out, "{}", plain(remark)))
}

/// The report as one object of JSON. Times are in seconds, amounts in bytes or a count.
pub(crate) fn json(report: &Report, now: Duration, out: &mut dyn Write) -> io::Result<()> {
    let shown = Shown {
        up_seconds: now.as_secs(),
        looked_seconds_ago: report.looked.map(|looked| now.saturating_sub(looked).as_secs_f64()),
        timescale: report.timescale,
        leaks: report.leaks.iter().map(|leak| row(leak, now)).collect(),
        followed: report.followed.iter().map(count).collect(),
        memory: &report.memory,
        remarks: &report.remarks,
    };
    serde_json::to_writer(&mut *out, &shown)?;
    writeln!(out)
}

/// How many leak, or why there is nothing to say yet, in one sentence.
pub(crate) fn summary(report: &Report, now: Duration) -> String {
    let up = spoken(now);
    let Some(looked) = report.looked else { return format!("Nothing was looked at yet; up {up}.") };
    let looked = format!("looked at {} ago, up {up}", spoken(now.saturating_sub(looked)));
    match report.counts() {
        (0, 0, 0) => {
            let hours =
                |hours: f64| spoken(Duration::from_secs_f64(hours * 3600.0 / report.timescale.max(1e-3)));
            format!(
                "No leak is known; {looked}. A suspicion takes about {} of steady growth, to be sure {}.",
                hours(1.0),
                hours(2.0)
            )
        }
        (sure, suspects, over) => {
            format!("{sure} confirmed, {suspects} suspected, {over} resolved; {looked}.")
        }
    }
}

fn write_leak(leak: &Leak, now: Duration, out: &mut dyn Write) -> io::Result<()> {
    let subject = leak.subject.as_str();
    let level = level(leak.level);
    writeln!(out, "\n{level} {subject} leak: {}", plain(&leak.title()))?;
    let told = spoken(now.saturating_sub(leak.since));
    writeln!(out, "  {}; first told {told} ago", leak.growth())?;
    leak.reasons().iter().try_for_each(|reason| writeln!(out, "  {reason}"))?;
    leak.parts.iter().try_for_each(|part| write_part(leak, part, out))
}

fn write_part(leak: &Leak, part: &Part, out: &mut dyn Write) -> io::Result<()> {
    let place = part.place.as_ref().map(|place| format!("  {place}")).unwrap_or_default();
    let rate = leak.subject.unit().show(part.rate);
    writeln!(out, "    {rate:>10} a minute  {}{}  ({})", plain(&part.name), plain(&place), level(part.level))
}

fn followed_line(followed: &Followed) -> String {
    let show = |count: f64| crate::Unit::Count.show(count);
    let Followed { subject, living, keys, left_out, bytes } = followed;
    let left_out = match left_out {
        0 => String::new(),
        count => format!(", {} left out for want of room", show(*count as f64)),
    };
    format!(
        "{:7} {:>10} alive of {} kinds, {} followed{left_out}",
        subject.as_str(),
        show(*living as f64),
        show(*keys as f64),
        crate::Unit::Bytes.show(*bytes as f64),
    )
}

#[derive(Serialize)]
struct Shown<'r> {
    up_seconds: u64,
    looked_seconds_ago: Option<f64>,
    timescale: f64,
    leaks: Vec<Row<'r>>,
    followed: Vec<Count>,
    memory: &'r [String],
    remarks: &'r [String],
}

#[derive(Serialize)]
struct Row<'r> {
    subject: &'static str,
    level: &'static str,
    name: &'r str,
    place: Option<&'r str>,
    route: Option<&'r str>,
    unit: &'static str,
    per_minute: f64,
    per_minute_low: f64,
    per_minute_high: f64,
    leaked: f64,
    leaked_error: f64,
    standing: f64,
    never_freed_share: Option<f64>,
    oldest_seconds: u64,
    median_seconds: u64,
    first_seen_seconds_ago: u64,
    told_seconds_ago: u64,
    window_seconds: f64,
    border_seconds: f64,
    samples: u32,
    low_confidence: bool,
    plateau: Option<f64>,
    reasons: Vec<String>,
    parts: Vec<PartRow<'r>>,
}

#[derive(Serialize)]
struct PartRow<'r> {
    name: &'r str,
    place: Option<&'r str>,
    level: &'static str,
    per_minute: f64,
    leaked: f64,
}

#[derive(Serialize)]
struct Count {
    subject: &'static str,
    living: u64,
    followed: usize,
    left_out: u64,
    bytes: usize,
}

fn row(leak: &Leak, now: Duration) -> Row<'_> {
    let ago = |at: Duration| now.saturating_sub(at).as_secs();
    Row {
        subject: leak.subject.as_str(),
        level: level(leak.level),
        name: &leak.name,
        place: leak.place.as_deref(),
        route: leak.route.as_deref(),
        unit: leak.subject.unit().as_str(),
        per_minute: leak.rate.1,
        per_minute_low: leak.rate.0,
        per_minute_high: leak.rate.2,
        leaked: leak.leaked.0,
        leaked_error: leak.leaked.1,
        standing: leak.standing,
        never_freed_share: leak.immortal,
        oldest_seconds: leak.oldest.as_secs(),
        median_seconds: leak.median.as_secs(),
        first_seen_seconds_ago: ago(leak.first_seen),
        told_seconds_ago: ago(leak.since),
        window_seconds: leak.window.as_secs_f64(),
        border_seconds: leak.border.as_secs_f64(),
        samples: leak.samples,
        low_confidence: leak.low_confidence,
        plateau: leak.plateau,
        reasons: leak.reasons(),
        parts: leak.parts.iter().map(part).collect(),
    }
}

fn part(part: &Part) -> PartRow<'_> {
    let Part { name, place, level: at, rate, leaked } = part;
    PartRow { name, place: place.as_deref(), level: level(*at), per_minute: *rate, leaked: *leaked }
}

const fn count(followed: &Followed) -> Count {
    let Followed { subject, living, keys, left_out, bytes } = followed;
    Count { subject: subject.as_str(), living: *living, followed: *keys, left_out: *left_out, bytes: *bytes }
}
