//! A service with a worker that is blocked now and then: who blocks it is told, and nobody where none is.

use std::time::Duration;

use flamewatch_tests::port::until;
use flamewatch_tests::{FakeSlack, Service, block};

const BLOCKS: &str = "stuck_worker::reads_a_file_the_blocking_way";

#[test]
fn who_blocks_a_worker_is_named_on_the_page_and_in_the_alert() {
    let slack = FakeSlack::start();
    let service = Service::start("stuck_worker", &[("FLAMEWATCH_SLACK_WEBHOOK", &slack.webhook())]);
    let patience = Duration::from_secs(30);
    let line =
        until("a line", patience, || service.status("blocked workers").filter(|line| line.contains(BLOCKS)));
    assert!(line.contains(" of main for 0.") && line.contains("stuck_worker.rs:"), "{line}");
    let of_worker = |message: &serde_json::Value| block(message, 0).contains("worker blocked");
    let message = until("an alert", patience, || slack.accepted().into_iter().find(of_worker));
    assert!(message.to_string().contains(BLOCKS), "{message:#}");
    let profile = service.ask("/debug/pprof/workers?format=folded").text();
    assert!(profile.contains(BLOCKS) && profile.contains("run_task"), "{profile}");
}

#[test]
fn a_long_computation_in_a_task_is_named_too() {
    let service = Service::start("stuck_worker", &[("MODE", "computes")]);
    let workers = || service.ask("/debug/pprof/workers?format=folded").text();
    let is_named = |text: &String| text.contains("stuck_worker::computes_for_long");
    until("a stack", Duration::from_secs(30), || Some(workers()).filter(is_named));
}

#[test]
fn one_long_poll_after_the_other_is_no_blocked_worker() {
    let service = Service::start("stuck_worker", &[("MODE", "busy")]);
    let is_told = |line: &String| line.contains("busy with long polls");
    let line = until("a line", Duration::from_secs(30), || service.status("blocked workers").filter(is_told));
    assert!(line.starts_with("none"), "{line}");
}

#[test]
fn a_healthy_service_has_no_blocked_worker_and_its_tasks_tell_where_they_wait() {
    let service = Service::start("stuck_worker", &[("MODE", "healthy")]);
    let folded = service.ask("/debug/pprof/awaits?format=folded").text();
    let waits = |what: &str| {
        let lines = folded.lines().filter(|line| line.contains(what));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum::<u64>()
    };
    assert_eq!(waits("stuck_worker::waits_for_a_turn"), 107, "{folded}");
    assert_eq!(waits("stuck_worker::loads_a_page"), 2, "{folded}");
    let chain = folded.lines().find(|line| line.contains("waits_for_a_turn")).unwrap_or_default();
    let place = |what: &str| chain.find(what).unwrap_or_else(|| panic!("no {what} in {chain}"));
    assert!(place("stuck_worker::answers") < place("stuck_worker::waits_for_a_turn"), "{chain}");
    assert!(place("waits_for_a_turn") < place("batch_semaphore::Acquire"), "{chain}");
    assert!(!chain.contains("flamewatch::"), "{chain}");
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(service.status("blocked workers").as_deref().map(|line| line.starts_with("none")), Some(true));
    assert_eq!(service.status("tokio.workers.blocked").as_deref(), Some("0"));
}
