//! The heap engine where it works: in programs of their own, whose headers state the right answers.

use std::time::Duration;

use flamewatch_tests::{Build, findings};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(50);

/// Sampled numbers are within this many standard errors; more happens once in 15,000 runs.
const SIGMAS: f64 = 4.0;

#[track_caller]
fn number(findings: &Value, key: &str) -> f64 {
    findings[key].as_f64().unwrap_or_else(|| panic!("{key} in {findings}"))
}

#[track_caller]
fn truth(scale: &str, build: Build) -> Value {
    let found = findings("heap_truth", &[scale], build, LIMIT);
    assert_eq!(found["fallback"], Value::Null, "{found}");
    for site in found["sites"].as_array().expect("sites") {
        let samples = number(site, "samples");
        let wrong = number(site, "inuse_space") / number(site, "truth") - 1.0;
        assert!(
            wrong.abs() < SIGMAS / samples.sqrt(),
            "{} is off by {wrong} with {samples} samples: {found}",
            site["site"]
        );
        let wrong = number(site, "inuse_objects") / number(site, "objects") - 1.0;
        assert!(
            wrong.abs() < SIGMAS / samples.sqrt(),
            "{} has {wrong} too many objects: {found}",
            site["site"]
        );
        assert!(number(site, "alloc_space") >= number(site, "inuse_space"), "{found}");
    }
    found
}

#[test]
fn estimates_are_right_within_their_error_also_for_odd_sizes() {
    let found = truth("1.0", Build::Debug);
    let odd = &found["sites"][2];
    let dump = number(odd, "heap_v2") / number(odd, "truth");
    assert!(dump > 1.08, "jemalloc's own dump is wrong for odd sizes, or was until now: {dump}");
}

#[test]
fn an_optimized_program_has_complete_stacks_too() {
    let found = truth("0.2", Build::Optimized);
    assert_ne!(found["unwinder"], "jemalloc's own (libgcc)", "{found}");
}

#[test]
fn at_a_rate_of_one_byte_it_equals_jemallocs_own_count() {
    for build in [Build::Debug, Build::Optimized] {
        let found = findings("heap_oracle", &[], build, LIMIT);
        assert_eq!((number(&found, "differ"), number(&found, "lost")), (0.0, 0.0), "{found}");
        assert!(number(&found, "objects") > 5000.0 && number(&found, "replaced") > 100.0, "{found}");
    }
}

#[test]
fn threads_that_allocate_while_they_end_do_no_harm() {
    for build in [Build::Debug, Build::Optimized] {
        let found = findings("heap_threads", &[], build, LIMIT);
        assert_eq!((number(&found, "inuse_objects"), number(&found, "lost")), (0.0, 0.0), "{found}");
        assert!(number(&found, "samples") > 10_000.0, "{found}");
    }
}

#[test]
fn sixty_four_threads_and_a_reader_never_block_each_other() {
    for build in [Build::Debug, Build::Optimized] {
        let found = findings("heap_storm", &["4"], build, LIMIT);
        assert_eq!(number(&found, "wrong"), 0.0, "{found}");
        assert!(number(&found, "inuse_objects") <= number(&found, "lost_frees"), "{found}");
        assert!(number(&found, "lost_frees") < number(&found, "samples") / 1000.0, "{found}");
        assert!(number(&found, "profiles") >= 3.0 && number(&found, "rounds") > 1000.0, "{found}");
    }
}

#[test]
fn the_rate_changes_while_samples_are_live() {
    let found = findings("heap_rate", &[], Build::Debug, LIMIT);
    let wrong = number(&found, "inuse_space") - number(&found, "truth");
    assert!(wrong.abs() < SIGMAS * 2.5e6, "off by {wrong} bytes: {found}");
    assert_eq!((number(&found, "after"), number(&found, "lg_rate")), (0.0, 12.0), "{found}");
}

#[test]
fn it_starts_small_stops_and_starts_again() {
    for build in [Build::Debug, Build::Optimized] {
        let found = findings("heap_cost", &[], build, LIMIT);
        assert!(number(&found, "start_anonymous_kib") < 1536.0, "{found}");
        assert_eq!((&found["refused"], number(&found, "problems")), (&Value::Bool(true), 0.0), "{found}");
        // A sample or two: what is allocated at the lowest rate between the start and the first look.
        assert!(number(&found, "samples_after_stop") < 100.0, "{found}");
        assert!(number(&found, "governed") >= 9.0, "{found}");
        for cost in found["costs"].as_array().expect("costs") {
            assert!(number(cost, "samples") > 80_000.0, "{found}");
        }
    }
}

#[test]
fn where_another_profiler_has_the_hooks_profiles_come_from_dumps() {
    let found = findings("heap_fallback", &[], Build::Debug, LIMIT);
    assert_eq!((number(&found, "values"), number(&found, "period")), (2.0, 524_288.0), "{found}");
    let why = "from a dump of jemalloc, because another profiler has taken jemalloc's hooks";
    assert_eq!(found["comments"][0], why, "{found}");
    let wrong = number(&found, "inuse_space") / number(&found, "truth") - 1.0;
    assert!(wrong.abs() < SIGMAS / number(&found, "samples").sqrt(), "off by {wrong}: {found}");
    assert!(number(&found, "heard") > 100.0, "{found}");
    assert!(
        found["diagnosis"][2].as_str().is_some_and(|line| line.contains("stop the other profiler")),
        "{found}"
    );
}

#[test]
fn children_of_a_fork_allocate_and_end() {
    for build in [Build::Debug, Build::Optimized] {
        let found = findings("heap_fork", &[], build, LIMIT);
        assert_eq!(found["ended"], found["children"], "{found}");
        assert!(
            number(&found, "samples_meanwhile") > 1000.0 && number(&found, "samples_after") > 100.0,
            "{found}"
        );
    }
}
