//! The CPU sampler, the wall clock and the thread dump at work in programs of their own, whose headers state the right
//! answers. Sampled shares are given room: these tests share their processors.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use flamewatch_tests::port::until;
use flamewatch_tests::{Build, Service, findings};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(60);

#[track_caller]
fn number(findings: &Value, key: &str) -> f64 {
    findings[key].as_f64().unwrap_or_else(|| panic!("{key} in {findings}"))
}

#[test]
fn the_handler_neither_allocates_nor_waits() {
    for build in [Build::Debug, Build::Optimized] {
        let found = findings("cpu_guard", &["2"], build, LIMIT);
        assert!(number(&found, "samples") > 50.0, "{found}");
        assert!(number(&found, "calls_inside") > 0.0, "the guard does not see the handler: {found}");
    }
}

#[test]
fn samples_account_for_the_time_of_each_thread_and_function() {
    for (engine, hertz, scenario, threads) in [
        ("timers", "99", "busy", "2"),
        ("timers", "999", "busy", "4"),
        ("timers", "199", "skew", "4"),
        ("timers", "199", "tokio", "2"),
    ] {
        let found = findings("cpu_truth", &[engine, hertz, "3", scenario, threads], Build::Optimized, LIMIT);
        let coverage = number(&found, "coverage");
        assert!((0.85..1.15).contains(&coverage), "{found}");
        assert!(number(&found, "rooted") > 0.99, "{found}");
        assert!(number(&found, "leaf") > 0.95, "{found}");
        for thread in found["threads"].as_array().expect("threads") {
            assert!((number(thread, "true") - number(thread, "seen")).abs() < 0.06, "{found}");
        }
        for (seen, expected) in
            found["functions"].as_array().expect("functions").iter().zip([0.1, 0.2, 0.3, 0.4])
        {
            assert!((seen.as_f64().expect("a share") - expected).abs() < 0.1, "{found}");
        }
    }
}

#[test]
fn work_that_hides_between_ticks_is_told() {
    let found = findings("cpu_truth", &["timers", "99", "3", "aliased", "4"], Build::Optimized, LIMIT);
    let (told, true_coverage) = (number(&found, "own_coverage"), number(&found, "coverage"));
    assert!((told - true_coverage).abs() < 0.15, "a profile that says {told} of {true_coverage}: {found}");
}

/// What `scripts/soak` does for ten minutes each.
#[track_caller]
fn survives(scenario: &str) -> Value {
    // What panics has to be caught, which a build that aborts cannot: with PROFILE=abort the optimized one does.
    let build = if scenario == "panic" { Build::Debug } else { Build::Optimized };
    let found = findings("cpu_stress", &[scenario, "2"], build, LIMIT);
    assert!(number(&found, "windows") >= 3.0 && number(&found, "samples") > 0.0, "{found}");
    assert_eq!(
        (number(&found, "ended"), found["errors"].as_array().map(Vec::len)),
        (3.0, Some(0)),
        "{found}"
    );
    assert!(number(&found, "dumps") > 0.0, "{found}");
    found
}

#[test]
fn allocation_panics_and_libraries_that_come_and_go() {
    for scenario in ["malloc", "panic", "dlopen"] {
        survives(scenario);
    }
}

#[test]
fn processes_and_threads_that_come_and_go() {
    for scenario in ["fork", "threads", "threads_that_tell", "nobody"] {
        survives(scenario);
    }
}

#[test]
fn stacks_that_are_small_foreign_or_lied_about() {
    for scenario in ["small_stacks", "private_stack", "wrong_cfi"] {
        survives(scenario);
    }
}

#[test]
fn signals_of_the_services_own() {
    survives("own_stack");
    let found = survives("own_handler");
    assert!(found["comments"].to_string().contains("handled by somebody else and left alone"), "{found}");
    let found = survives("storm");
    assert!(found["comments"].to_string().contains("came from somebody else and were ignored"), "{found}");
}

#[test]
fn a_thousand_threads_are_seen_and_none_is_woken() {
    for build in [Build::Debug, Build::Optimized] {
        let found = findings("thread_zoo", &["1000"], build, LIMIT);
        let seen = (number(&found, "right"), number(&found, "incomplete"), number(&found, "interrupted"));
        assert_eq!(seen, (1000.0, 0.0, 0.0), "{found}");
        let share = number(&found, "wall_share");
        assert!((0.95..1.05).contains(&share), "{found}");
    }
}

/// How many timers the kernel keeps for a process, proc_pid_timers(5).
fn timers(process: u32) -> usize {
    let text = std::fs::read_to_string(format!("/proc/{process}/timers")).expect("a list of timers");
    text.lines().filter(|line| line.starts_with("ID:")).count()
}

#[test]
fn who_goes_away_stops_the_timers_within_a_second() {
    let service = Service::start("labels", &[]);
    let process = service.running.id();
    assert_eq!(timers(process), 0, "nobody samples yet");
    let address = service.debug_url("").trim_start_matches("http://").to_owned();
    let clients: Vec<TcpStream> = (0..2)
        .map(|_| {
            let mut client = TcpStream::connect(&address).expect("a connection");
            let request = format!("GET /debug/pprof/profile?seconds=60 HTTP/1.1\r\nHost: {address}\r\n\r\n");
            client.write_all(request.as_bytes()).expect("a request");
            client
        })
        .collect();
    until("timers", Duration::from_secs(10), || (timers(process) > 0).then_some(()));
    let mut clients = clients.into_iter();
    drop(clients.next());
    std::thread::sleep(Duration::from_millis(500));
    assert!(timers(process) > 0, "somebody still reads");
    let left = Instant::now();
    drop(clients);
    until("their end", Duration::from_secs(10), || (timers(process) == 0).then_some(()));
    assert!(left.elapsed() < Duration::from_millis(1_500), "{:?}", left.elapsed());
    let profile = service.ask("/debug/pprof/profile?seconds=1&format=json").json();
    assert!(profile["stacks"].as_array().is_some_and(|stacks| !stacks.is_empty()), "the next one works");
}

#[test]
fn what_was_is_there_when_it_is_kept_all_the_time() {
    let service =
        Service::start("labels", &[("FLAMEWATCH_CPU_ALWAYS", "49"), ("FLAMEWATCH_CPU_KEEP", "30s")]);
    let profile = until("a piece of the past", Duration::from_secs(25), || {
        let answer = service.ask("/debug/pprof/profile?last=30&format=json");
        (answer.status == 200).then(|| answer.json())
    });
    assert!(profile["lasted_seconds"].as_f64().is_some_and(|lasted| lasted > 8.0), "{profile}");
    assert!(profile["stacks"].to_string().contains("labels::burn_"), "{profile}");
    // A window at another rate beside it, and the past goes on.
    let now = service.ask("/debug/pprof/profile?seconds=1&hz=199&format=json").json();
    assert!(now["comments"].to_string().contains("199 Hz"), "{now}");
}

#[test]
fn an_engine_that_is_not_there_costs_no_profile() {
    let service = Service::start("labels", &[("FLAMEWATCH_CPU_ENGINE", "pprof")]);
    let profile = service.ask("/debug/pprof/profile?seconds=1&format=json").json();
    assert!(profile["comments"].to_string().contains("engine timers"), "{profile}");
    let told = service.status("no CPU engine pprof").expect("a line on the index page");
    assert!(told.contains("not part of this build"), "{told}");
}
