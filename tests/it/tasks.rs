//! Tasks, routes and operations as a service's keeper sees them: which route leaves tasks behind, which operation never
//! ends, and what becomes of names there is no end of.

use std::time::Duration;

use flamewatch_tests::port::{get, until};
use flamewatch_tests::{Fixture, Service, promtool};
use serde_json::Value;

/// `file.rs:LINE` of the line of `source` that holds `code`.
fn place(file: &str, source: &str, code: &str) -> String {
    let line = source.lines().position(|line| line.contains(code));
    format!("{file}:{}", line.expect("the line") + 1)
}

fn leak() -> String {
    place("leaky_routes.rs", include_str!("../../fixtures/src/bin/leaky_routes.rs"), "// the leak")
}

/// Each stack of a profile in JSON as its value, the `file:line` of each of its functions, innermost first, and labels.
fn stacks(profile: &Value) -> Vec<(i64, Vec<String>, Vec<String>)> {
    let stacks = profile["stacks"].as_array().expect("stacks");
    let mut stacks: Vec<_> = stacks
        .iter()
        .map(|stack| {
            let frames = stack["frames"].as_array().expect("frames");
            let text = |frame: &Value, key: &str| frame[key].as_str().unwrap_or_default().to_owned();
            let functions = frames.iter().filter(|frame| frame["name"].is_string());
            let labels = frames.iter().filter(|frame| frame["label"].is_string());
            (
                stack["values"][0].as_i64().expect("a count"),
                functions
                    .map(|function| format!("{}:{}", text(function, "file"), function["line"]))
                    .collect(),
                labels.map(|frame| format!("{}={}", text(frame, "label"), text(frame, "value"))).collect(),
            )
        })
        .collect();
    stacks.sort_by_key(|(value, ..)| std::cmp::Reverse(*value));
    stacks
}

#[test]
fn the_route_that_leaves_tasks_behind_stands_first_in_a_difference() {
    let service = Service::start("leaky_routes", &[("RATE", "200")]);
    let tasks = |path: &str| -> Option<u64> {
        let routes = service.ask("/debug/routes?format=json").json();
        let route = routes["routes"].as_array()?.iter().find(|route| route["path"] == path)?.clone();
        route["tasks"].as_u64()
    };
    // As many as there are under this load, so that the rise to it is not in the difference.
    until("45 tasks of the bursty route", Duration::from_secs(10), || {
        tasks("/bursty").filter(|tasks| *tasks > 30)
    });
    // Ten a second come to stay; the difference is of 5 s.
    let delta = service.ask("/debug/pprof/goroutine?seconds=5&format=json").json();
    let stacks = stacks(&delta);
    let (grown, at, labels) = &stacks[0];
    assert!((40..=60).contains(grown), "{stacks:?}");
    // The line that spawned them is the outermost; what they wait for is inside of it.
    assert!(at.last().is_some_and(|at| at.ends_with(&leak())), "{stacks:?}");
    assert!(labels.contains(&"route=GET /orders/{id}".to_owned()), "{stacks:?}");
    for (change, at, labels) in &stacks[1..] {
        // Under way at one end and not at the other, more of them when the machine stalls. The bursty route holds 45 tasks.
        let most = if labels.iter().any(|label| label == "route=GET /bursty") { 60 } else { 20 };
        assert!(change.abs() < most, "{change} at {at:?}: {stacks:?}");
    }
    // The same in Go's text: the leak is the one that is old.
    let text = service.ask("/debug/pprof/goroutine?debug=1").text();
    assert!(text.starts_with("goroutine profile: total "), "{text}");
    let is_old = |block: &&str| {
        block.contains("\"route\":\"GET /orders/{id}\"") && block.contains("\"state\":\"never-wakes\"")
    };
    let block = text.split("\n\n").find(is_old).unwrap_or_else(|| panic!("{text}"));
    assert!(block.contains("\tleaky_routes::confirm+0x0\t") && block.ends_with(&leak()), "{block}");
    let oldest = service.ask("/debug/tasks?size=1").text();
    assert!(
        oldest.contains("route=GET /orders/{id}") && oldest.contains("next page: ?page=2&size=1"),
        "{oldest}"
    );
    let every = service.ask("/debug/pprof/goroutine?debug=2&size=2").text();
    assert!(
        every.contains("next page: ?debug=2&page=2&size=2") && every.contains("task [waiting for "),
        "{every}"
    );
    assert!(tasks("/orders/{id}") > Some(50), "{:?}", tasks("/orders/{id}"));
    assert!(tasks("/healthy") < Some(10), "{:?}", tasks("/healthy"));
}

#[test]
fn go_tool_pprof_reads_tasks_in_either_form() {
    let service = Service::start("leaky_routes", &[]);
    until("a leak", Duration::from_secs(10), || {
        service.ask("/debug/pprof/goroutine?debug=1").text().contains("/orders/{id}").then_some(())
    });
    for go in crate::go() {
        for query in ["", "?debug=1"] {
            let url = service.debug_url(&format!("/debug/pprof/goroutine{query}"));
            let (top, errors) = go.pprof(&["-top", "-symbolize=none", &url]);
            assert!(top.contains("Type: goroutine\n") && top.contains("flat%"), "{query}: {top}{errors}");
        }
    }
}

#[test]
fn a_cursor_that_is_never_closed_is_named_before_the_pool_is_empty() {
    let service = Service::start("bounded_pool", &[]);
    let operation = |name: &str| -> Option<Value> {
        let segments = service.ask("/debug/segments?format=json").json();
        segments.as_array()?.iter().find(|row| row["operation"] == name).cloned()
    };
    let in_flight = |name: &str| operation(name).and_then(|row| row["in_flight"].as_u64()).unwrap_or(0);
    // Five of thirteen connections are gone, and everybody else is still served.
    let mut seen = Vec::new();
    until("five open cursors", Duration::from_secs(20), || {
        seen.push(in_flight("readFirst"));
        (seen.last() >= Some(&5)).then_some(())
    });
    assert!(seen.is_sorted() && seen.last() < Some(&13), "only grows: {seen:?}");
    assert!(operation("readFirst").is_some_and(|row| row["calls"] == 0), "not one has ended");
    assert!(in_flight("find") <= 2, "the healthy operation ends");
    let text = service.ask("/debug/segments").text();
    let row = text.lines().find(|line| line.contains("readFirst")).unwrap_or_else(|| panic!("{text}"));
    assert!(row.ends_with("postgres  readFirst  bookings"), "{text}");
    // Then there is no connection left, and whoever asks waits.
    let waiting = |service: &Service| {
        let text = service.ask("/debug/pprof/goroutine?debug=1").text();
        let block = text.split("\n\n").find(|block| block.contains("bounded_pool::ask+0x0"))?.to_owned();
        let count = block.lines().find_map(|line| line.split_once(" @ ")?.0.parse::<u64>().ok());
        count.filter(|count| *count > 40 && block.contains("\"state\":\"waiting\""))
    };
    until("tasks that wait for the pool", Duration::from_secs(30), || waiting(&service));
    assert_eq!(in_flight("readFirst"), 13);
}

/// A leak of ten tasks a minute under 2,000 requests a second, with 450 tasks that come and go, and everything in time
/// thirty times as fast as by default: a window of 20 s for 10 min, 300 tasks a minute for 10, a rule of 900 for 30.
#[test]
fn a_slow_leak_under_churn_is_named() {
    let env = [
        ("FLAMEWATCH_GROWTH_WINDOW", "20s"),
        ("FLAMEWATCH_HOLD", "4s"),
        ("FLAMEWATCH_WARM_UP", "4s"),
        ("FLAMEWATCH_TASK_GROWTH", "900"),
    ];
    let with = |leak| env.into_iter().chain([("LEAK", leak)]).collect::<Vec<_>>();
    // One a minute is none while we look.
    let (healthy, leaking) =
        (Service::start("leaky_routes", &with("1")), Service::start("leaky_routes", &with("300")));
    let snapshot = until("an alert", Duration::from_secs(60), || {
        leaking.ask("/debug/snapshots?format=json").json().as_array()?.first().cloned()
    });
    let trigger = snapshot["trigger"].as_str().unwrap_or_default();
    assert!(trigger.starts_with("tasks.lasting: ") && trigger.contains(" more every minute"), "{snapshot}");
    let profile = leaking
        .ask(&format!("/debug/snapshots/{}?format=json", snapshot["id"].as_str().expect("an id")))
        .json();
    let stacks = stacks(&profile);
    assert!(stacks[0].1.last().is_some_and(|at| at.ends_with(&leak())), "{stacks:?}");
    assert!(stacks[0].2.contains(&"route=GET /orders/{id}".to_owned()), "{stacks:?}");
    assert!(stacks[1..].iter().all(|(change, ..)| change.abs() < 5), "nothing else stays: {stacks:?}");
    assert_eq!(leaking.status("rule: tasks growing").as_deref(), Some("ok"), "the sum is too noisy to tell");
    assert_eq!(healthy.status("rule: tasks.lasting growing").as_deref(), Some("ok"));
    assert_eq!(healthy.ask("/debug/snapshots?format=json").json(), Value::Array(Vec::new()));
}

/// Parts that a hostile name must never show as they are.
const SCRIPT: &str = "<script>alert(1)";

#[test]
fn names_without_end_take_little_and_cannot_break_out() {
    let port = flamewatch_tests::port::free().to_string();
    let service = Fixture::optimized("label_flood").spawn([("FLAMEWATCH_BIND", port.as_str())]);
    let ask = |path: &str| get(&format!("http://{port}{path}")).expect("an answer");
    // Not all at once in a minute on a slow machine: the answer may take its time.
    let flood = get(&service.url("/flood")).expect("an answer").json();
    assert!(flood["grown"].as_u64().expect("bytes") < 16 << 20, "{flood}");

    let routes = ask("/debug/routes?format=json").json();
    let rows = routes["routes"].as_array().expect("routes");
    assert_eq!(rows.len(), 1, "{routes}");
    assert_eq!((&rows[0]["path"], &rows[0]["calls"]), (&"(unmatched)".into(), &200_000.into()), "{routes}");

    let segments = ask("/debug/segments?format=json").json();
    let segments = segments.as_array().expect("segments");
    let calls: u64 = segments.iter().filter_map(|row| row["calls"].as_u64()).sum();
    assert_eq!((segments.len(), calls), (1_025, 100_000), "kept apart and counted together, none lost");
    let other = segments.iter().find(|row| row["product"] == "(other)").expect("the others");
    assert!(other["calls"].as_u64() > Some(90_000), "{other}");
    assert!(segments.iter().any(|row| row["operation"] == "\x1b[2J\x07\u{9b}31m"), "whole in JSON");

    let tables = ["/debug/routes", "/debug/segments", "/debug/tasks", "/debug/pprof/goroutine?debug=1"];
    for path in
        tables.into_iter().chain(["/debug/pprof/goroutine?debug=2", "/debug/pprof/goroutine?format=text"])
    {
        let text = ask(path).text();
        let obeyed = |char: char| char.is_control() && !matches!(char, '\n' | '\t') || char == '\u{202e}';
        assert!(!text.contains(obeyed), "{path}: {text:?}");
    }
    let segments = ask("/debug/segments").text();
    assert_eq!(segments.lines().count(), 1_026, "a line each, and the head");
    assert!(segments.lines().any(|line| line.contains(SCRIPT)), "text is not HTML: it says what is there");
    for path in ["/debug/", "/debug/snapshots"] {
        assert!(!ask(path).text().contains(SCRIPT), "{path}");
    }
    let index = ask("/debug/").text();
    assert!(index.contains("<a href=\"/debug/segments\">"), "{index}");

    let metrics = ask("/metrics").text();
    assert!(metrics.contains("operation=\"\\\"} 1\\nup{a=\\\"\""), "{metrics}");
    assert!(!metrics.lines().any(|line| line.starts_with("up{")), "no line is made up");
    assert!(metrics.contains("operation=\"back\\\\slash\\\\n\""), "{metrics}");
    if let Some(complaints) = promtool::complaints(metrics.as_bytes()) {
        assert_eq!(complaints, Vec::<String>::new());
    }
    until("labels counted that found no room", Duration::from_secs(10), || {
        let metrics = ask("/metrics").text();
        let count =
            metrics.lines().find_map(|line| line.strip_prefix("flamewatch_labels_left_out_total "))?;
        count.parse::<f64>().ok().filter(|count| *count > 100_000.0)
    });
}

#[test]
fn rates_settle_at_what_is_asked_for() {
    let service = Service::start("leaky_routes", &[("RATE", "200")]);
    until("a rate of 150 a second", Duration::from_secs(30), || {
        let stats = service.ask("/debug/stats").json();
        let healthy = stats["routes"].as_array()?.iter().find(|route| route["path"] == "/healthy")?.clone();
        let rates = ["m1_rate", "m5_rate", "m15_rate"].map(|rate| healthy[rate].as_f64().unwrap_or(0.0));
        let mean = healthy["mean_seconds"].as_f64().filter(|mean| *mean > 0.0 && *mean < 0.1)?;
        assert!(healthy["count"].as_u64() > Some(0) && mean > 0.0, "{healthy}");
        // Three of four requests.
        rates.iter().all(|rate| (140.0..160.0).contains(rate)).then_some(())?;
        let gauges = stats["gauges"].as_array()?;
        gauges.iter().any(|gauge| gauge["name"] == "tokio_global_queue_depth").then_some(())
    });
}

#[test]
fn prometheus_reads_our_metrics() {
    let service = Service::start("leaky_routes", &[]);
    until("a first round", Duration::from_secs(10), || {
        let text = service.ask("/metrics").text();
        (text.contains("flamewatch_reading{gauge=\"rss\"") && text.contains("/orders/{id}")).then_some(())
    });
    let metrics = service.ask("/metrics").text();
    for name in [
        "process_cpu_seconds_total ",
        "process_resident_memory_bytes ",
        "process_open_fds ",
        "jemalloc_allocated_bytes ",
        "jemalloc_retained_bytes ",
        "tokio_workers 2",
        "tokio_alive_tasks ",
        "http_server_request_duration_seconds_bucket{http_request_method=\"GET\",http_route=\"/orders/{id}\",le=\"0.001\"} ",
        "http_server_active_requests{http_request_method=\"GET\",http_route=\"/bursty\"} ",
        "flamewatch_heap_samples_total ",
        "flamewatch_alerts_delivered_total{sink=\"log\"} ",
        "flamewatch_rule_firing{rule=\"tasks growing\"} ",
    ] {
        assert!(metrics.lines().any(|line| line.starts_with(name)), "{name} in\n{metrics}");
    }
    let site = leak();
    let alive =
        metrics.lines().find(|line| line.starts_with("flamewatch_tasks_alive{") && line.contains(&site));
    assert!(alive.is_some(), "{site} in\n{metrics}");
    for mark in ["# HELP ", "# TYPE "] {
        let mut told: Vec<_> =
            metrics.lines().filter_map(|line| line.strip_prefix(mark)?.split(' ').next()).collect();
        let all = told.len();
        told.sort_unstable();
        told.dedup();
        assert_eq!(told.len(), all, "every family is told once");
    }
    if let Some(complaints) = promtool::complaints(metrics.as_bytes()) {
        assert_eq!(complaints, Vec::<String>::new());
    }
}
