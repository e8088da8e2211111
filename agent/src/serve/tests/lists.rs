//! What is counted: tables of tasks, routes and segments, and tasks in Go's text.

use std::sync::atomic::Ordering;

use super::{BROWSER, SCRIPT, Server};

/// A name that tries the table, the terminal and the page.
const HOSTILE: &str = "find\n</pre><script>alert(1)</script>\x1b[2J\"}";

#[test]
fn every_table_comes_as_text_and_as_json() {
    let server = Server::start();
    let _in_flight = crate::segment("tables", HOSTILE, "bookings");
    for path in ["/debug/tasks", "/debug/routes", "/debug/segments", "/debug/memory"] {
        if path == "/debug/routes" && cfg!(not(feature = "http")) {
            assert_eq!(server.get(path).status, 501);
            continue;
        }
        let text = server.get(path);
        assert_eq!((text.status, text.header("content-type")), (200, "text/plain; charset=utf-8"), "{path}");
        assert!(!text.text().contains('\x1b'), "{}", text.text());
        let json = server.get(&format!("{path}?format=json"));
        assert_eq!((json.status, json.header("content-type")), (200, "application/json"));
        serde_json::from_slice::<serde_json::Value>(&json.body).expect("JSON");
    }
    let text = server.get("/debug/segments");
    let shown = "find </pre><script>alert(1)</script>\\u{1b}[2J\"}";
    let lines: Vec<_> = text.text().lines().filter(|line| line.contains("tables")).collect();
    assert!(lines.len() == 1 && lines[0].contains(shown), "{}", text.text());
    let json: serde_json::Value =
        serde_json::from_slice(&server.get("/debug/segments?format=json").body).expect("JSON");
    let rows = json.as_array().expect("rows");
    assert!(rows.iter().any(|row| row["operation"] == HOSTILE && row["in_flight"] == 1), "{json}");
}

#[test]
fn pages_are_asked_for_with_numbers() {
    let server = Server::start();
    for (query, why) in [
        ("page=0", "invalid value for \"page\" - must be a whole number from 1 to 10000"),
        ("page=-1", "invalid value for \"page\""),
        ("page=one", "invalid value for \"page\""),
        ("size=0", "invalid value for \"size\" - must be a whole number from 1 to 1000"),
        ("size=1001", "invalid value for \"size\""),
        ("format=svg", "must be one of: text, json"),
        ("format=table", "must be one of: pprof, svg, png, text"),
    ] {
        for path in ["/debug/tasks", "/debug/pprof/goroutine?debug=2"] {
            let path = if path.contains('?') { format!("{path}&{query}") } else { format!("{path}?{query}") };
            for method in ["GET", "HEAD"] {
                let answer = server.request(method, &path, &[], b"");
                assert_eq!(answer.status, 400, "{method} {path}: {answer:?}");
                assert!(method == "HEAD" || answer.text().contains(why), "{path}: {}", answer.text());
            }
        }
    }
    let beyond = server.get("/debug/tasks?page=10000&size=1");
    assert!(beyond.status == 200 && beyond.text().contains("page 10,000 of "), "{}", beyond.text());
}

#[test]
fn tasks_come_as_go_prints_goroutines() {
    let server = Server::start();
    for name in ["goroutine", "tasks"] {
        let answer = server.get(&format!("/debug/pprof/{name}?debug=1"));
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        let text = answer.text();
        assert!(text.starts_with("goroutine profile: total "), "{text}");
        assert!(text.contains(" @ 0x1 0x2 0x3\n# labels: {\"route\":"), "{text}");
        assert!(text.contains("#\t0x3\tshop::main+0x0"), "{text}");
        let asked = server.source("tasks").asked.load(Ordering::SeqCst);
        let every = server.get(&format!("/debug/pprof/{name}?debug=2"));
        assert!(
            every.status == 200 && every.text().starts_with("spawned through flamewatch::spawn: "),
            "{}",
            every.text()
        );
        assert_eq!(server.source("tasks").asked.load(Ordering::SeqCst), asked, "a list is no profile");
    }
    assert!(server.get("/debug/pprof/heap?debug=1").text().starts_with("heap profile: 1: 1048576 ["));
    assert!(server.get("/debug/pprof/goroutine?format=text").text().starts_with("tasks: "));
    assert!(!server.get("/debug/").text().contains(SCRIPT));
}

#[test]
fn the_index_links_to_every_table_and_a_head_costs_nothing() {
    let server = Server::start();
    let index = server.get("/debug/");
    for path in
        ["/debug/alerts", "/debug/tasks", "/debug/routes", "/debug/segments", "/debug/stats", "/metrics"]
    {
        assert!(index.text().contains(&format!("<a href=\"{path}\">")), "{path}");
        let head = server.request("HEAD", path, &[], b"");
        assert_eq!((head.status, head.body.len(), head.header("content-length")), (200, 0, "0"), "{path}");
    }
}

/// What a form a page comes in, or does not, is the same for who asks for the head alone.
#[test]
fn a_head_is_that_of_the_answer() {
    let server = Server::start();
    for path in [
        "/debug/alerts",
        "/debug/leaks",
        "/debug/tasks",
        "/debug/segments",
        "/debug/memory",
        "/debug/history",
    ] {
        for query in ["", "?format=text", "?format=json", "?format=svg", "?format=nothing"] {
            for headers in [&[][..], &[BROWSER][..]] {
                let of = |method: &str| {
                    let answer = server.request(method, &format!("{path}{query}"), headers, b"");
                    (answer.status, answer.header("content-type").to_owned())
                };
                assert_eq!(of("HEAD"), of("GET"), "{path}{query} {headers:?}");
            }
        }
        assert_eq!(server.get(&format!("{path}?format=svg")).status, 400, "{path}");
    }
}

#[test]
fn metrics_come_in_prometheus_own_type() {
    let server = Server::start();
    let _in_flight = crate::segment("metrics", HOSTILE, "a");
    let answer = server.get("/metrics");
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, "text/plain; version=0.0.4; charset=utf-8")
    );
    let text = answer.text();
    assert!(text.contains("# TYPE process_open_fds gauge\nprocess_open_fds "), "{text}");
    assert!(text.contains("\nflamewatch_memory_bytes{part=\"file\"} "), "{text}");
    let labels = "{product=\"metrics\",operation=\"find\\n</pre><script>alert(1)</script>\x1b[2J\\\"}\",collection=\"a\"}";
    assert!(text.contains(&format!("flamewatch_segment_in_flight{labels} 1\n")), "{text}");
    let head = server.request("HEAD", "/metrics", &[], b"");
    assert_eq!((head.status, head.header("content-type")), (200, answer.header("content-type")));
    let guarded = Server::with_token(Some("secret"));
    assert_eq!(guarded.get("/metrics").status, 401);
}

#[test]
fn rates_come_as_json_alone() {
    let server = Server::start();
    let answer = server.get("/debug/stats");
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    let json: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert!(json["routes"].is_array() && json["segments"].is_array() && json["gauges"].is_array(), "{json}");
    for query in ["format=text", "format=nothing"] {
        assert_eq!(server.get(&format!("/debug/stats?{query}")).status, 400);
    }
}
