//! A service whose workers are all blocked: when the agent is needed most, it answers and tells.

use std::time::Duration;

use flamewatch_tests::port::until;
use flamewatch_tests::{FakeSlack, Service, block};

#[test]
fn tasks_are_told_and_the_alert_is_posted() {
    let slack = FakeSlack::start();
    let service = Service::start("blocked_host", &[("FLAMEWATCH_SLACK_WEBHOOK", &slack.webhook())]);
    let text = service.ask("/debug/pprof/goroutine?debug=1").text();
    let idle = text.split("\n\n").find(|stack| stack.lines().any(|line| line.starts_with("1009 @ ")));
    assert!(idle.is_some_and(|stack| stack.contains("blocked_host.rs:")), "{text}");
    let of_tasks = |message: &serde_json::Value| block(message, 0).contains("tasks growing");
    let message = until("an alert", Duration::from_secs(40), || slack.accepted().into_iter().find(of_tasks));
    assert!(block(&message, 0).contains("FIRING · blocked_host: tasks growing"), "{message:#}");
    let source = include_str!("../../fixtures/src/bin/blocked_host.rs");
    let line = source.lines().position(|line| line.contains("flamewatch::spawn_on(")).expect("the line") + 1;
    assert!(block(&message, 2).contains(&format!("blocked_host.rs:{line}`")), "{message:#}");
    let heap = service.ask("/debug/pprof/heap?debug=1");
    assert_eq!(heap.status, 200, "{}", heap.text());
}
