//! What the running agent has noticed: what it cannot read, who cannot be reached, what was lost since it runs.

use std::time::Duration;

use super::super::Port;
use super::super::profiles::Wanted;
use crate::Unit;
use crate::desk::{Board, Charts, Outlet};
use crate::doctor::Check;
use crate::figure::Family;
use crate::moment::spoken;

/// The profiles that a service wants to have.
const PROFILES: [&str; 5] = ["heap", "profile", "wall", "goroutine", "threads"];

/// How old the last reading of the gauges may be; the longest tick that can be set is shorter.
const LATE: Duration = Duration::from_secs(10 * 60);

/// Of the file descriptors there may be, this share is too many.
const CROWDED: f64 = 0.8;

/// What the agent counts when it loses something: the counter, what that means, what to do about it.
const LOSSES: [(&str, &str, &str); 10] = [
    (
        "flamewatch_heap_dropped_total",
        "samples or frees of the heap were not kept: its profile shows too little, or too much",
        "a few are no harm; many mean a heap of more live samples than there is room for, and a coarser lg_prof_sample helps",
    ),
    (
        "flamewatch_heap_stacks_shared_total",
        "samples of the heap found no room for their stack and count under another",
        "look for code that allocates from an endless number of stacks, such as deep recursion",
    ),
    (
        "flamewatch_heap_stacks_truncated_total",
        "stacks of the heap are deeper than is followed: their outermost frames are missing",
        "the innermost frames, which say who allocates, are right",
    ),
    (
        "flamewatch_labels_left_out_total",
        "labels were left out, because their table is full",
        "look whether a scope or a span is named after something there is no end of, such as an id",
    ),
    ("flamewatch_labels_cut_total", "labels were cut, because they are too long", "give them shorter names"),
    (
        "flamewatch_rounds_panicked_total",
        "rounds of the agent ended with the panic of a gauge: its rules are not judged",
        "look into the log for the panic; only a gauge of the service's own can do that",
    ),
    (
        "flamewatch_alerts_without_evidence_total",
        "alerts were sent without a profile: there were more than 12 in an hour",
        "look whether rules fire that nobody needs",
    ),
    (
        "flamewatch_alerts_unnamed_total",
        "alerts were sent with a profile that has no names yet, for want of memory or CPU time",
        "open their snapshot: it is named then",
    ),
    (
        "flamewatch_spool_dropped_total",
        "alerts found no room on the disk: they would not survive a restart",
        "look whether a sink is down",
    ),
    (
        "flamewatch_spool_unreadable_total",
        "alerts of earlier runs were damaged on the disk",
        "look at the disk below FLAMEWATCH_DIR",
    ),
];

/// All of it. Counts what lives: not for the port's own thread.
pub(super) fn checks(port: &Port) -> Vec<Check> {
    let desk = &port.desk;
    let mut checks = gauges(&desk.charts(), desk.identity().started.elapsed());
    checks.extend(sinks(&desk.board()));
    checks.push(profiles(port));
    checks.push(snapshots(&desk.store().summary()));
    let figures = desk.figures();
    checks.extend(descriptors(&figures));
    checks.extend(losses(&figures));
    checks.push(door(port.access.is_guarded()));
    checks
}

fn gauges(charts: &Charts, up: Duration) -> Vec<Check> {
    let silent = up.saturating_sub(charts.now);
    if silent > LATE {
        let finding = format!("not read for {}: no rule is judged", spoken(silent));
        return vec![Check::problem(
            "gauges",
            finding,
            "look into the log for what holds up the agent's thread",
        )];
    }
    let problem = |chart: &crate::desk::Chart| {
        let problem = chart.problem.as_ref()?;
        let finding = format!("{} cannot be read: {problem}", chart.gauge);
        Some(Check::problem("gauges", finding, "its rules will not fire; mend it, or remove the gauge"))
    };
    let problems: Vec<_> = charts.charts.iter().filter_map(problem).collect();
    if problems.is_empty() {
        return vec![Check::ok("gauges", format!("{} are read", charts.charts.len()))];
    }
    problems
}

fn sinks(board: &Board) -> Vec<Check> {
    let problems: Vec<_> = board.outlets.iter().flat_map(sink).collect();
    match board.outlets.len() {
        _ if !problems.is_empty() => problems,
        0 => vec![Check::hint("sinks", "alerts go nowhere", "see the README for the sinks there are")],
        count => vec![Check::ok("sinks", format!("{count}, none of them is known to be down"))],
    }
}

fn sink(outlet: &Outlet) -> Vec<Check> {
    let mut checks = Vec::new();
    let Outlet { name, dropped, files_left_out, last_error, down_since, .. } = outlet;
    if down_since.is_some() {
        let why = last_error.as_deref().unwrap_or("no answer");
        let finding = format!("nothing arrives at {name}: {why}");
        checks.push(Check::problem("sinks", finding, "mend what the error says; what waits is sent then"));
    }
    if *dropped > 0 {
        let finding = format!("{} alerts will never arrive at {name}", Unit::Count.show(*dropped as f64));
        checks.push(Check::problem("sinks", finding, "look into the log for why it refused them"));
    }
    if *files_left_out > 0 {
        let finding = format!(
            "{} files found no room on their way to {name}",
            Unit::Count.show(*files_left_out as f64)
        );
        checks.push(Check::hint(
            "sinks",
            finding,
            "their snapshots are on /debug/snapshots while there is room",
        ));
    }
    checks
}

fn profiles(port: &Port) -> Check {
    let is_there = |name: &&str| matches!(Wanted::of(&port.desk, name), Ok(Wanted::Source { .. }));
    let (there, missing): (Vec<&str>, Vec<&str>) = PROFILES.into_iter().partition(|name| is_there(name));
    if missing.is_empty() {
        return Check::ok("profiles", format!("{} are collected", there.join(", ")));
    }
    let remedy = "enable `flamewatch/full`, and see what stands here about the heap and the CPU sampler";
    Check::hint("profiles", format!("{} cannot be had in this process", missing.join(", ")), remedy)
}

fn snapshots(summary: &str) -> Check {
    if summary.starts_with("in memory only") {
        let remedy =
            "set FLAMEWATCH_DIR to a folder that outlives the process, so that its last minutes do, too";
        return Check::hint("snapshots", "they and what was told are in memory only", remedy);
    }
    Check::ok("snapshots", summary.to_owned())
}

fn descriptors(figures: &[Family]) -> Option<Check> {
    let (open, most) = (number(figures, "process_open_fds")?, number(figures, "process_max_fds")?);
    let finding = format!("{} of {} are open", Unit::Count.show(open), Unit::Count.show(most));
    Some(if open > most * CROWDED {
        Check::problem(
            "file descriptors",
            finding,
            "raise the limit (ulimit -n, LimitNOFILE=), or find who keeps them open",
        )
    } else {
        Check::ok("file descriptors", finding)
    })
}

fn losses(figures: &[Family]) -> Vec<Check> {
    let lost = |(name, means, remedy): (&str, &'static str, &'static str)| {
        let count = number(figures, name).filter(|count| *count > 0.0)?;
        let finding = format!("{} {means}", Unit::Count.show(count));
        let is_broken = name == "flamewatch_rounds_panicked_total";
        Some(if is_broken {
            Check::problem("losses", finding, remedy)
        } else {
            Check::hint("losses", finding, remedy)
        })
    };
    let found: Vec<_> = LOSSES.into_iter().filter_map(lost).collect();
    if found.is_empty() { vec![Check::ok("losses", "nothing is known to be lost")] } else { found }
}

fn door(is_guarded: bool) -> Check {
    Check::ok("debug port", if is_guarded { "asks for a token" } else { "on loopback, without a token" })
}

/// The sum of a family's numbers; `None` where there is no such family.
fn number(figures: &[Family], name: &str) -> Option<f64> {
    let family = figures.iter().find(|family| family.name == name)?;
    Some(family.figures.iter().map(|figure| figure.value).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;

    #[test]
    fn what_is_lost_says_what_it_means_and_what_to_do() {
        let none = Family::counter("flamewatch_labels_cut_total", "").of(0.0);
        assert_eq!(losses(&[none])[0].state(), State::Fine);
        let dropped = Family::counter("flamewatch_heap_dropped_total", "")
            .with([("why", "busy")], 2.0)
            .with([("why", "full")], 3.0);
        let panicked = Family::counter("flamewatch_rounds_panicked_total", "").of(1.0);
        let found = losses(&[dropped, panicked]);
        assert_eq!(found.iter().map(Check::state).collect::<Vec<_>>(), [State::Hint, State::Broken]);
        assert!(found[0].finding.starts_with("5 samples or frees"), "{found:?}");
    }

    /// A counter that is renamed would never be looked at again.
    #[test]
    fn every_counter_of_losses_is_one_that_the_agent_has() {
        let sources = [include_str!("../../agent/figures.rs"), include_str!("../../store/spool.rs")].concat();
        for (name, ..) in LOSSES {
            assert!(sources.contains(&format!("\"{name}\"")), "{name}");
        }
    }

    #[test]
    fn a_process_that_runs_out_of_descriptors_is_told_so() {
        let of = |open| {
            [Family::gauge("process_open_fds", "").of(open), Family::gauge("process_max_fds", "").of(100.0)]
        };
        assert_eq!(descriptors(&of(80.0)).map(|check| check.ok), Some(true));
        assert_eq!(descriptors(&of(81.0)).map(|check| check.ok), Some(false));
        assert_eq!(descriptors(&[]), None);
    }

    #[test]
    fn gauges_that_are_not_read_any_more_are_told_of() {
        let charts = |now| Charts { now: Duration::from_secs(now), charts: Vec::new() };
        assert!(gauges(&charts(100), Duration::from_secs(700))[0].ok);
        assert!(!gauges(&charts(100), Duration::from_secs(701))[0].ok);
    }
}
