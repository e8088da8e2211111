//! Leaks in a real process: every kind found at its place, and nobody else accused. A second plays a minute.

use std::time::Duration;

use flamewatch_tests::port::until;
use flamewatch_tests::promtool;
use flamewatch_tests::{FakeSlack, Service, block};
use serde_json::Value;

/// What the fixture leaks: of what, and under which name.
const LEAKS: [(&str, &str); 12] = [
    ("heap", "leak_zoo::leaks::rc_cycle"),
    ("heap", "leak_zoo::leaks::unbounded_channel"),
    ("heap", "leak_zoo::leaks::forgotten_box"),
    ("heap", "leak_zoo::leaks::hash_map"),
    ("heap", "leak_zoo::leaks::vec_push"),
    ("heap", "leak_zoo::leaks::string_interner"),
    ("heap", "leak_zoo::leaks::log_lines"),
    ("tasks", "leak_zoo::leaks::leaked_task"),
    ("threads", "leaky-worker-*"),
    ("fds", "leaky-*.part"),
    ("fds", "socket to 127.0.0.1:"),
    ("fds", "socket from 127.0.0.1 on port "),
];

/// Which of [`LEAKS`] a leak of the report is.
fn known(leak: &Value) -> Option<&'static (&'static str, &'static str)> {
    let name = leak["name"].as_str().unwrap_or_default();
    LEAKS.iter().find(|(subject, part)| leak["subject"] == *subject && name.contains(part))
}

#[test]
fn every_kind_of_leak_is_found_at_its_place_and_nobody_else_is_accused() {
    let slack = FakeSlack::start();
    let env = [
        ("FLAMEWATCH_LEAK_TIMESCALE", "60"),
        ("FLAMEWATCH_TICK", "500ms"),
        ("_RJEM_MALLOC_CONF", "lg_prof_sample:14"),
        ("FLAMEWATCH_SLACK_WEBHOOK", &slack.webhook()),
    ];
    let service = Service::start("leak_zoo", &env);
    let confirmed = || {
        let report = service.ask("/debug/leaks?format=json").json();
        let leaks = report["leaks"].as_array().expect("leaks").clone();
        leaks.into_iter().filter(|leak| leak["level"] == "confirmed").collect::<Vec<Value>>()
    };
    let found = until("every leak", Duration::from_secs(300), || {
        let found = confirmed();
        // What is accused for a while is accused, too.
        let others: Vec<&Value> = found.iter().filter(|leak| known(leak).is_none()).collect();
        assert!(others.is_empty(), "nothing of this leaks: {others:#?}");
        LEAKS.iter().all(|leak| found.iter().any(|one| known(one) == Some(leak))).then_some(found)
    });
    for leak in &found {
        let rates = ["per_minute_low", "per_minute", "per_minute_high"].map(|rate| leak[rate].as_f64());
        assert!(rates.is_sorted() && rates[0] > Some(0.0), "{leak:#}");
        let in_code = ["heap", "tasks"].iter().any(|subject| leak["subject"] == *subject);
        let place = leak["place"].as_str().unwrap_or_default();
        assert_eq!(place.contains("leak_zoo/leaks.rs:"), in_code, "{leak:#}");
    }
    let text = service.ask("/debug/leaks?format=text").text();
    assert!(
        text.contains(
            "confirmed heap leak: leak_zoo::leaks::forgotten_box (fixtures/src/bin/leak_zoo/leaks.rs:"
        ),
        "{text}"
    );
    let page = service.ask("/debug/leaks").text();
    assert!(
        page.contains(">confirmed<td data-head=\"what\">threads<td data-head=\"where\">leaky-worker-*"),
        "{page}"
    );
    let metrics = service.ask("/metrics").text();
    assert!(metrics.contains("flamewatch_leaks{of=\"fds\",level=\"confirmed\"} 3\n"), "{metrics}");
    assert_eq!(promtool::complaints(metrics.as_bytes()).unwrap_or_default(), Vec::<String>::new());
    for (subject, part) in
        ["heap", "tasks"].iter().flat_map(|of| LEAKS.iter().filter(move |leak| leak.0 == *of))
    {
        let of_leak = |message: &Value| {
            let text = message.to_string();
            text.contains(&format!("{subject} leak")) && text.contains(part)
        };
        until(part, Duration::from_secs(20), || slack.accepted().into_iter().find(of_leak));
    }
    // Of a table that doubles there is no such share.
    let with_reasons = |message: &Value| {
        block(message, 0).contains("heap leak")
            && message.to_string().contains("of what is allocated there is never freed")
    };
    assert!(slack.accepted().iter().any(with_reasons), "{:#?}", slack.accepted());
}
