//! `flamewatch leaks` on snapshots as flamewatch, Go and jemalloc_pprof write them, and on dumps that jemalloc has
//! written of this program while it leaked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use prost::Message as _;
use serde_json::Value;

use crate::proto;
use crate::run::{Ran, flamewatch, folder, own_path};

const MIB: i64 = 1 << 20;

/// A stack of a snapshot: what pushes to a Vec, and the MiB that are in use and were ever allocated there.
type Row = (&'static str, i64, i64);

/// A snapshot as flamewatch writes it, `minute` minutes after the first.
fn snapshot(minute: i64, rows: &[Row]) -> proto::Profile {
    let mut profile = proto::Profile {
        string_table: ["", "alloc_space", "inuse_objects", "inuse_space", "bytes", "count", "space"]
            .into_iter()
            .chain(["/srv/shop", "0ab1", "Vec::push", "/rustc/0/library/alloc/src/vec/mod.rs", "src/shop.rs"])
            .map(str::to_owned)
            .collect(),
        sample_type: [(1, 4), (2, 5), (3, 4)].map(|(name, unit)| proto::ValueType { name, unit }).to_vec(),
        mapping: vec![proto::Mapping {
            id: 1,
            memory_start: 0x5000,
            memory_limit: 0x9000,
            filename: 7,
            build_id: 8,
            has_functions: true,
            ..Default::default()
        }],
        time_nanos: 1_700_000_000_000_000_000 + minute * 60_000_000_000,
        period_type: Some(proto::ValueType { name: 6, unit: 4 }),
        period: 512 << 10,
        ..Default::default()
    };
    function(&mut profile, 9, 10);
    for (name, held, allocated) in rows {
        let index = i64::try_from(profile.string_table.len()).expect("few");
        profile.string_table.push((*name).to_owned());
        let id = function(&mut profile, index, 11);
        let value = vec![allocated * MIB, held * MIB / 10_007, held * MIB];
        profile.sample.push(proto::Sample { location_id: vec![1, id], value, label: Vec::new() });
    }
    profile
}

/// A function on line 7 of its file, and its location.
fn function(profile: &mut proto::Profile, name: i64, filename: i64) -> u64 {
    let id = profile.function.len() as u64 + 1;
    profile.function.push(proto::Function { id, name, filename, ..Default::default() });
    let line = vec![proto::Line { function_id: id, line: 7, column: 0 }];
    let address = 0x5000 + id;
    profile.location.push(proto::Location { id, mapping_id: 1, address, line, ..Default::default() });
    id
}

/// Files with these snapshots, and what the program says of them.
fn leaks(name: &str, snapshots: &[proto::Profile], more: &[&str]) -> Ran {
    let folder = folder(&format!("leaks_{name}"));
    let paths: Vec<String> = snapshots
        .iter()
        .enumerate()
        .map(|(index, profile)| {
            let path = folder.join(format!("heap.{index}.pb"));
            fs::write(&path, profile.encode_to_vec()).expect("a file");
            path.into_os_string().into_string().expect("UTF-8")
        })
        .collect();
    ran(&paths, more)
}

fn ran(paths: &[String], more: &[&str]) -> Ran {
    let arguments: Vec<&str> = paths.iter().map(String::as_str).chain(more.iter().copied()).collect();
    flamewatch("leaks", &arguments, b"")
}

#[track_caller]
fn says(ran: &Ran, expected: &[&str]) {
    let text = String::from_utf8_lossy(&ran.out);
    for expected in expected {
        assert!(text.contains(expected), "{expected}: {text}{}", ran.err);
    }
}

/// A leak, a cache that is full after the second snapshot, and a buffer that comes and goes.
fn an_hour() -> Vec<proto::Profile> {
    let rows = [(10, 20, 5), (40, 100, 90), (70, 102, 10), (100, 101, 95), (130, 102, 30), (160, 102, 12)];
    (0..)
        .zip(rows)
        .map(|(index, (leak, cache, saw))| {
            let all = 1000 * (index + 1);
            snapshot(
                12 * index,
                &[("shop::leak", leak, leak), ("shop::cache", cache, all), ("shop::saw", saw, all)],
            )
        })
        .collect()
}

#[test]
fn a_leak_is_told_from_a_cache_and_a_saw() {
    let ran = leaks("an_hour", &an_hour(), &[]);
    assert_eq!((ran.status, &*ran.err), (1, ""));
    says(
        &ran,
        &[
            "6 snapshots of shop over 60 min, from 2023-11-14 22:13:20 UTC\n",
            "the load did not grow\n",
            "1. shop::leak  src/shop.rs:7\n   grows steadily (5 of 5 steps, not slowing)\n",
            "   10.0 MiB -> 160 MiB (from 317 samples), +150 MiB ±6%, +2.5 MiB/min, ",
            "   at least 99 % of the 150 MiB that it allocated meanwhile is still held\n",
            "line 7, through Vec::push\n",
            "2. shop::cache  src/shop.rs:7\n   grew and leveled off (3 of 5 steps)\n",
            "verdict: shop::leak may leak\n",
            "/debug/leaks",
        ],
    );
}

#[test]
fn json_for_scripts() {
    let ran = leaks("as_json", &an_hour(), &["--json", "--top", "1"]);
    let report: Value = serde_json::from_slice(&ran.out).expect("JSON");
    assert_eq!((ran.status, &report["may_leak"], &report["places_that_grew"]), (1, &true.into(), &2.into()));
    let [place] = &**report["places"].as_array().expect("places") else { panic!("one: {report:#}") };
    let expected = [("function", "shop::leak"), ("verdict", "steady"), ("file", "src/shop.rs")];
    for (key, value) in expected {
        assert_eq!(place[key], value, "{report:#}");
    }
    assert_eq!(place["growth"]["bytes"], 150 * MIB);
    assert_eq!(place["inuse_bytes"][5], 160 * MIB);
    let error = place["growth"]["standard_error"].as_i64().expect("a number");
    assert!((8 * MIB..10 * MIB).contains(&error), "{error}");
}

#[test]
fn two_snapshots_cannot_tell_why() {
    let both = [snapshot(42, &[("shop::f", 100, 400)]), snapshot(0, &[("shop::f", 20, 200)])];
    let ran = leaks("two", &both, &[]);
    assert_eq!((ran.status, &*ran.err), (1, ""));
    says(
        &ran,
        &[
            "2 snapshots of shop over 42 min",
            "grew; two snapshots cannot tell a leak from a cache that fills, nor from more load\n   20.0 MiB -> 100 MiB",
            "at least 35 % of the 200 MiB that it allocated meanwhile",
            "at least 6 snapshots over 60 min",
        ],
    );
}

#[test]
fn what_grew_less_than_its_error_is_noise() {
    let both = [snapshot(0, &[("shop::f", 20, 200)]), snapshot(42, &[("shop::f", 24, 900)])];
    let ran = leaks("noise", &both, &[]);
    assert_eq!((ran.status, &*ran.err), (0, ""));
    says(
        &ran,
        &[
            "noise: 1 place, +4.0 MiB in all, each less than 3.0 times its sampling error",
            "shop::f\nverdict: nothing that looks like a leak\nWhat grew by less than about 4.5 MiB does not stand out",
        ],
    );
}

#[test]
fn more_load_is_told() {
    let rows = [(40, 1_000), (80, 11_000), (160, 51_000)];
    let snapshots: Vec<_> =
        (0..).zip(rows).map(|(minute, (held, all))| snapshot(minute, &[("shop::f", held, all)])).collect();
    let ran = leaks("load", &snapshots, &[]);
    assert_eq!((ran.status, &*ran.err), (0, ""));
    says(
        &ran,
        &["the load grew\n", "grew with the load (2 of 2 steps), and keeps little of what it allocates"],
    );
}

/// Status 2, nothing written, and one line that holds all of `expected`.
#[track_caller]
fn refused(name: &str, snapshots: &[proto::Profile], expected: &[&str]) {
    let ran = leaks(name, snapshots, &[]);
    assert_eq!((ran.status, ran.out.len(), ran.err.lines().count()), (2, 0, 1), "{}", ran.err);
    for expected in expected {
        assert!(ran.err.contains(expected), "{expected}: {}", ran.err);
    }
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let first = || snapshot(0, &[("shop::f", 20, 200)]);
    let with = |change: fn(&mut proto::Profile)| {
        let mut profile = snapshot(42, &[("shop::f", 80, 300)]);
        change(&mut profile);
        [first(), profile]
    };
    let run = "compare snapshots of one run of one process";
    refused("one", &[first()], &["give two or more"]);
    refused("twice", &[first(), first()], &["give two or more"]);
    refused(
        "build",
        &with(|profile| profile.string_table[8] = "0ab2".to_owned()),
        &["different builds", run],
    );
    refused(
        "program",
        &with(|profile| profile.string_table[7] = "/srv/bank".to_owned()),
        &["/srv/bank", run],
    );
    refused("restarted", &with(|profile| profile.mapping[0].memory_start = 0x4000), &["started again", run]);
    refused("fewer", &with(|profile| profile.sample[0].value[0] = 5), &["200 MiB", "started again", run]);
    refused(
        "delta",
        &with(|profile| profile.duration_nanos = 5),
        &["heap.1.pb", "fetch it without seconds="],
    );
    refused("negative", &with(|profile| profile.sample[0].value[2] = -5), &["fetch it without seconds="]);
    refused(
        "cpu",
        &with(|profile| profile.string_table[3] = "cpu".to_owned()),
        &["no inuse_space", "/debug/pprof/heap"],
    );
}

#[test]
fn files_that_are_none_are_refused() {
    let ran = flamewatch("leaks", &["-"], b"0x10\n0x20\n");
    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("neither a pprof profile, a heap_v2 dump nor collapsed stacks"), "{}", ran.err);
    let ran = flamewatch("leaks", &["/nonexistent/heap"], b"");
    assert_eq!((ran.status, ran.err.contains("/nonexistent/heap")), (2, true), "{}", ran.err);
    let ran = flamewatch("leaks", &["--debug-dir", "/nonexistent", "-"], b"");
    assert_eq!((ran.status, ran.err.contains("flamewatch leaks --help")), (2, true), "{}", ran.err);
    assert_eq!(flamewatch("leaks", &[], b"").status, 2);
    let help = flamewatch("leaks", &["--help"], b"");
    for expected in ["Exit status:", "Examples:", "--top", "heap_v2", "noise"] {
        assert!(help.text().contains(expected), "{expected}");
    }
}

/// As jemalloc_pprof writes them: one value, no period; and here without a time.
#[test]
fn less_is_known_of_other_tools_files() {
    let folder = folder("leaks_others");
    let paths: Vec<String> = [(0, 70), (1, 10), (2, 40)]
        .map(|(name, held)| {
            let mut profile = snapshot(0, &[("shop::f", held, 0)]);
            (profile.time_nanos, profile.period, profile.period_type) = (0, 0, None);
            profile.sample_type.drain(..2);
            profile.sample[0].value.drain(..2);
            let path = folder.join(format!("{name}.pb"));
            fs::write(&path, profile.encode_to_vec()).expect("a file");
            let seconds = 1_700_000_000 + u64::try_from(held).expect("positive") * 60;
            let file = fs::File::options().write(true).open(&path).expect("a file");
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).expect("its date");
            path.into_os_string().into_string().expect("UTF-8")
        })
        .to_vec();
    let ran = ran(&paths, &[]);
    assert_eq!(ran.status, 1);
    says(
        &ran,
        &["3 snapshots of shop over 60 min", "grows steadily (2 of 2 steps, not slowing)", "no alloc_space"],
    );
    for expected in [
        "warning: 3 of 3 files have no time of their own",
        "from 2023-11-14 22:23:20 to 2023-11-14 23:23:20 UTC",
        "warning: 3 of 3 files do not say how often they sample",
    ] {
        assert!(ran.err.contains(expected), "{expected}: {}", ran.err);
    }
}

/// A copy under another name, and one that was given names since, are the same snapshot.
#[test]
fn what_is_there_twice_counts_once() {
    let mut snapshots = an_hour();
    let mut named = snapshots[2].clone();
    named.string_table.push("named since".to_owned());
    snapshots.push(named);
    let ran = leaks("twice_there", &snapshots, &[]);
    says(&ran, &["6 snapshots of shop", "(5 of 5 steps, not slowing)"]);
    assert!(ran.err.contains("heap.6.pb is left out: it is the snapshot that "), "{}", ran.err);
}

/// Set in the process that leaks.
const CHILD: &str = "FLAMEWATCH_TEST_LEAKS_STEADILY";

/// 64 objects of a size class, and a dump for each 8 of them.
#[inline(never)]
fn leak_steadily() {
    for _ in 0..64 {
        std::hint::black_box(Vec::<u8>::with_capacity(std::hint::black_box(1 << 20)).leak());
    }
}

/// The dumps in `folder`, in turn.
fn dumps(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    // own.PID.NUMBER.iNUMBER.heap
    let number = |path: &PathBuf| path.to_str()?.rsplit('.').nth(2)?.parse::<u32>().ok();
    let mut paths: Vec<PathBuf> = entries.collect();
    paths.sort_by_key(|path| number(path).expect("a number"));
    paths
}

/// Dates files as if they had been written a minute apart: how long a step took is up to the machine.
fn a_minute_apart(paths: &[PathBuf]) -> Vec<String> {
    let dated = |(minute, path): (u64, &PathBuf)| {
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + minute * 60);
        fs::File::options().write(true).open(path).and_then(|file| file.set_modified(date)).expect("a date");
        path.to_str().expect("UTF-8").to_owned()
    };
    (0..).zip(paths).map(dated).collect()
}

#[test]
fn dumps_that_jemalloc_wrote_meanwhile() {
    if std::env::var_os(CHILD).is_some() {
        return leak_steadily();
    }
    let folder = folder("leaks_dumps");
    let options =
        format!("prof:true,lg_prof_interval:23,lg_prof_sample:0,prof_prefix:{}/own", folder.display());
    let mut child = Command::new(own_path());
    child.args(["--exact", "leaks::dumps_that_jemalloc_wrote_meanwhile", "--test-threads=1"]);
    let output = child.env(CHILD, "1").env("_RJEM_MALLOC_CONF", options).output().expect("it starts");
    assert!(output.status.success(), "{output:?}");
    let dumps = dumps(&folder);
    assert!(dumps.len() >= 6, "{dumps:?}");
    let ran = ran(&a_minute_apart(&dumps), &[]);
    assert_eq!(ran.status, 1, "{}", ran.err);
    assert!(ran.err.contains("have no time of their own"), "{}", ran.err);
    says(&ran, &["1. cli::leaks::leak_steadily  ", "grows steadily", "±<1%", "cli/tests/leaks.rs:"]);
    without_the_program(&dumps);
}

/// The same dumps where the program is not: what starts its threads, which has a name, is not to blame.
#[track_caller]
fn without_the_program(dumps: &[PathBuf]) {
    let folder = folder("leaks_dumps_elsewhere");
    let moved = |(index, path): (usize, &PathBuf)| {
        let text = fs::read_to_string(path).expect("a dump").replace(&own_path(), "/srv/gone/shop");
        let moved = folder.join(format!("{index}.heap"));
        fs::write(&moved, text).expect("a file");
        moved
    };
    let moved: Vec<PathBuf> = dumps.iter().enumerate().map(moved).collect();
    let ran = ran(&a_minute_apart(&moved), &[]);
    assert_eq!(ran.status, 1, "{}", ran.err);
    says(&ran, &["1. (functions without names)\n   grows steadily", "has no name: give it names first"]);
    assert!(ran.err.contains("/srv/gone/shop"), "{}", ran.err);
}
