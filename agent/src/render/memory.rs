//! What the memory of the process consists of, which part of it grew, and when it runs out: for terminals, as JSON, and as
//! families of figures.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::columns::{self, Set::Left, Set::Right};
use crate::Unit;
use crate::figure::Family;
use crate::watch::memory::{Account, Cgroup, Level, Memory, Part};
use crate::watch::{CONFIDENCE, TimeLeft};

/// Writes `account` for a terminal: the verdict first, then the table of the parts.
pub(crate) fn text(account: &Account, out: &mut dyn Write) -> io::Result<()> {
    head(account).iter().try_for_each(|line| writeln!(out, "{line}"))?;
    writeln!(out)?;
    let heads = [("bytes", Right), ("share", Right), ("part", Left), ("what it is", Left)];
    let cells = |(part, bytes, share, about): (Part, u64, Option<f64>, String)| {
        let share = share.map(|share| Unit::Ratio.show(share)).unwrap_or_default();
        [show(bytes), share, part.name().to_owned(), about]
    };
    columns::write(heads, rows(account).into_iter().map(cells), out)?;
    notes(&account.memory).iter().try_for_each(|note| writeln!(out, "\n{note}"))
}

/// What there is and what grew, how far the limit is, and when it is reached: a sentence each.
pub(crate) fn head(account: &Account) -> Vec<String> {
    let Account { memory, verdict, growth, time_left } = account;
    let mut lines = vec![format!("{} resident; {}", show(memory.rss()), verdict.sentence)];
    if !verdict.over.is_zero() {
        lines.push(format!("compared with {} s ago", verdict.over.as_secs()));
    }
    lines.push(match memory.level {
        Some(level) => {
            let Level { usage, limit, room, whose } = level;
            format!("limit: {} of {} ({whose}), {} left", show(usage), show(limit), show(room))
        }
        None => "limit: none is known".to_owned(),
    });
    lines.push(match (time_left, growth) {
        (Some(left), Some(growth)) => {
            let (rate, error) =
                (Unit::Bytes.show(growth.per_minute), Unit::Bytes.show(2.0 * growth.standard_error));
            let (left, sure) = (left.sentence(), Unit::Ratio.show(CONFIDENCE));
            format!("OOM in {left}: {rate} ± {error} more a minute ({sure} sure, if it goes on like this)")
        }
        _ => "OOM: not in sight, nothing that lasts grows steadily towards the limit".to_owned(),
    });
    lines
}

/// Every part that is known, its bytes, its share of what is resident where it is part of that, and what it is.
pub(crate) fn rows(account: &Account) -> Vec<(Part, u64, Option<f64>, String)> {
    let (memory, rss) = (&account.memory, account.memory.rss());
    let parts = memory.parts().into_iter();
    parts
        .map(|(part, bytes)| {
            let share = (part.is_resident() && rss > 0).then(|| bytes as f64 / rss as f64);
            (part, bytes, share, about(memory, part))
        })
        .collect()
}

/// Writes `account` as JSON. Bytes and seconds; what is not known is `null`.
pub(crate) fn json(account: &Account, out: &mut dyn Write) -> io::Result<()> {
    let Account { memory, verdict, growth, time_left } = account;
    let document = Document {
        resident: memory.rss(),
        threads: memory.threads,
        parts: memory.parts().into_iter().map(|(part, bytes)| (part.name(), bytes)).collect(),
        untouched: memory.untouched(),
        stacks_estimated: memory.stacks.is_some_and(|stacks| stacks.estimated),
        verdict: Told {
            cause: verdict.name(),
            sentence: &verdict.sentence,
            grown: verdict.grown,
            over_seconds: verdict.over.as_secs(),
        },
        cgroup: memory.cgroup.map(|Cgroup { usage, cache, inactive_file, limit }| Group {
            usage,
            cache,
            inactive_file,
            limit,
        }),
        limit: memory.level.map(|Level { usage, limit, room, whose }| Limit {
            usage,
            bytes: limit,
            left: room,
            whose,
        }),
        growth: growth
            .map(|growth| Growth { per_minute: growth.per_minute, standard_error: growth.standard_error }),
        oom_seconds: time_left.map(|left| seconds(&left).into_iter().collect()),
        confidence: CONFIDENCE,
    };
    serde_json::to_writer(&mut *out, &document)?;
    out.write_all(b"\n")
}

/// `account` for scrapers. The parts of the process add up to what is resident; those of the container come on top.
pub(crate) fn families(account: &Account) -> Vec<Family> {
    let Account { memory, time_left, .. } = account;
    let parts = Family::gauge("flamewatch_memory_bytes", "Memory by what it is for.");
    let parts = memory
        .parts()
        .into_iter()
        .fold(parts, |family, (part, bytes)| family.with([("part", part.name())], bytes as f64));
    let mut families = vec![parts];
    if let Some(level) = memory.level {
        families.extend([
            Family::gauge("flamewatch_memory_used_bytes", "What is held against the memory limit.")
                .of(level.usage as f64),
            Family::gauge("flamewatch_memory_limit_bytes", "The memory limit.").of(level.limit as f64),
        ]);
    }
    if let Some(left) = time_left {
        let oom = Family::gauge(
            "flamewatch_oom_seconds",
            "Time until the limit is reached, while memory grows steadily.",
        );
        families.push(
            seconds(left)
                .into_iter()
                .fold(oom, |family, (bound, time)| family.with([("bound", bound)], time)),
        );
    }
    families
}

fn about(memory: &Memory, part: Part) -> String {
    let estimated = part == Part::Stacks && memory.stacks.is_some_and(|stacks| stacks.estimated);
    match part {
        Part::Stacks if estimated => {
            format!("stacks of {} threads, estimated by those that sleep", memory.threads)
        }
        Part::Stacks => format!("stacks of {} threads", memory.threads),
        other => other.about().to_owned(),
    }
}

/// What one has to know beside the parts.
pub(crate) fn notes(memory: &Memory) -> Vec<String> {
    let mut notes = Vec::new();
    if memory.heap.is_none() {
        notes.push(
            "jemalloc is not the allocator (flamewatch::allocator!()): the heap is part of `anonymous`"
                .to_owned(),
        );
    }
    if memory.untouched() > 0 {
        let untouched = show(memory.untouched());
        notes.push(format!(
            "besides, jemalloc has {untouched} that were never written to: no memory is behind them"
        ));
    }
    if let Some(Cgroup { usage, cache, inactive_file, .. }) = memory.cgroup {
        let (usage, cache, inactive) = (show(usage), show(cache), show(inactive_file));
        notes.push(format!(
            "the container uses {usage}: of {cache} of file pages the kernel takes back {inactive} first"
        ));
    }
    notes
}

fn seconds(left: &TimeLeft) -> [(&'static str, f64); 3] {
    let TimeLeft { earliest, expected, latest } = *left;
    [("earliest", earliest), ("expected", expected), ("latest", latest)]
        .map(|(bound, time)| (bound, time.as_secs_f64()))
}

fn show(bytes: u64) -> String {
    Unit::Bytes.show(bytes as f64)
}

#[derive(Serialize)]
struct Document<'a> {
    resident: u64,
    threads: u64,
    parts: BTreeMap<&'static str, u64>,
    untouched: u64,
    stacks_estimated: bool,
    verdict: Told<'a>,
    cgroup: Option<Group>,
    limit: Option<Limit>,
    growth: Option<Growth>,
    oom_seconds: Option<BTreeMap<&'static str, f64>>,
    confidence: f64,
}

#[derive(Serialize)]
struct Told<'a> {
    cause: &'static str,
    sentence: &'a str,
    grown: Option<u64>,
    over_seconds: u64,
}

#[derive(Serialize)]
struct Group {
    usage: u64,
    cache: u64,
    inactive_file: u64,
    limit: u64,
}

#[derive(Serialize)]
struct Limit {
    usage: u64,
    bytes: u64,
    left: u64,
    whose: &'static str,
}

#[derive(Serialize)]
struct Growth {
    per_minute: f64,
    standard_error: f64,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::watch::memory::{Heap, History, Stacks};

    const MIB: u64 = 1 << 20;

    /// A heap that grows by 10 MiB a minute, in a container of 1 GiB.
    fn account() -> Account {
        let mut history = History::over(Duration::from_secs(600), Duration::from_secs(5));
        let memory = |minutes: u64| {
            let heap = 200 + 10 * minutes;
            let usage = (heap + 500) * MIB;
            let sums =
                Heap { allocated: heap * MIB, active: heap * MIB, resident: heap * MIB, ..Heap::default() };
            Memory {
                anonymous: (heap + 20) * MIB,
                file: 10 * MIB,
                threads: 9,
                heap: Some(sums),
                stacks: Some(Stacks { bytes: MIB, estimated: true }),
                cgroup: Some(Cgroup { usage, cache: 410 * MIB, inactive_file: 300 * MIB, limit: 1024 * MIB }),
                level: Some(Level {
                    usage: usage - 300 * MIB,
                    limit: 1024 * MIB,
                    room: 1324 * MIB - usage,
                    whose: "its limit",
                }),
                ..Memory::default()
            }
        };
        (0..=10).for_each(|minutes| history.push(Duration::from_secs(60 * minutes), memory(minutes)));
        history.account(Duration::from_secs(600), memory(10))
    }

    #[test]
    fn the_verdict_comes_first() {
        let mut out = Vec::new();
        text(&account(), &mut out).expect("text");
        let text = String::from_utf8(out).expect("text");
        let expected = "330 MiB resident; heap growth: all of the 100 MiB growth is allocated and not freed\n\
                        compared with 600 s ago\n\
                        limit: 500 MiB of 1 GiB (its limit), 524 MiB left\n\
                        OOM in ~52 min: 10 MiB ± 0 B more a minute (95 % sure, if it goes on like this)\n\n";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.contains("\n300 MiB   91 %  allocated      heap: allocated and not freed\n"), "{text}");
        assert!(text.contains("stacks of 9 threads, estimated by those that sleep\n"), "{text}");
        assert!(text.ends_with(
            "the container uses 800 MiB: of 410 MiB of file pages the kernel takes back 300 MiB first\n"
        ));
    }

    #[test]
    fn programs_get_every_part_once() {
        let mut out = Vec::new();
        json(&account(), &mut out).expect("JSON");
        let json: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(
            (json["parts"]["allocated"].as_u64(), json["limit"]["left"].as_u64()),
            (Some(300 * MIB), Some(524 * MIB))
        );
        assert_eq!(
            (json["verdict"]["cause"].as_str(), json["verdict"]["over_seconds"].as_u64()),
            (Some("allocated"), Some(600))
        );
        assert!(
            json["oom_seconds"]["expected"].as_f64().is_some_and(|seconds| (seconds - 3_144.0).abs() < 1.0),
            "{json}"
        );
        let families = families(&account());
        let names: Vec<_> = families.iter().map(|family| (family.name, family.figures.len())).collect();
        let expected = [
            ("flamewatch_memory_bytes", 10),
            ("flamewatch_memory_used_bytes", 1),
            ("flamewatch_memory_limit_bytes", 1),
            ("flamewatch_oom_seconds", 3),
        ];
        assert_eq!(names, expected);
        let resting = Account { time_left: None, ..account() };
        assert!(super::families(&resting).iter().all(|family| family.name != "flamewatch_oom_seconds"));
    }
}
