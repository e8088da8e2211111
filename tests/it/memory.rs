//! A service whose memory grows in one part: which one, and when it runs out, is told over HTTP, to scrapers and in the
//! alert; on the way to the limit snapshots are taken.

use std::time::Duration;

use flamewatch_tests::port::{get, until};
use flamewatch_tests::{FakeSlack, Service, block};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(40);

fn zoo(grow: &str, limit: &str, env: &[(&str, &str)]) -> Service {
    let own = [("GROW", grow), ("AFTER", "2500"), ("FLAMEWATCH_MEMORY_LIMIT", limit)];
    Service::start("memory_zoo", &[own.as_slice(), env].concat())
}

fn memory(service: &Service) -> Value {
    service.ask("/debug/memory?format=json").json()
}

/// What grows when the service grows by `grow`, once enough has grown.
#[track_caller]
fn grown(service: &Service, cause: &str) -> Value {
    until(cause, PATIENCE, || {
        let memory = memory(service);
        let enough = memory["verdict"]["grown"].as_u64().is_some_and(|grown| grown > 40 << 20);
        (enough && memory["verdict"]["cause"] == cause).then_some(memory)
    })
}

/// The parts of the process add up to what is resident, and `part` is most of it.
#[track_caller]
fn check_parts(memory: &Value, part: &str) {
    let own = ["allocated", "fragmentation", "kept", "metadata", "stacks", "anonymous", "file", "shared"];
    let bytes =
        |part: &str| memory["parts"][part].as_u64().unwrap_or_else(|| panic!("no {part} in {memory:#}"));
    let resident = memory["resident"].as_u64().expect("a number");
    let sum: u64 = own.into_iter().map(bytes).sum();
    assert!(sum.abs_diff(resident) < resident / 50, "{sum} of {memory:#}");
    assert!(bytes(part) * 2 > resident, "{memory:#}");
}

#[test]
fn a_growing_heap_is_told_with_the_time_left() {
    let service = zoo("heap", "2GiB", &[]);
    check_parts(&grown(&service, "allocated"), "allocated");
    let left = until("the time left", PATIENCE, || {
        let memory = memory(&service);
        memory["oom_seconds"].is_object().then_some(memory)
    });
    // 5,003,017 bytes every 250 ms and a little, until 2 GiB are full.
    let bound = |bound: &str| left["oom_seconds"][bound].as_f64().expect("a number");
    assert!(bound("earliest") <= bound("expected") && bound("expected") <= bound("latest"), "{left:#}");
    let room = left["limit"]["left"].as_f64().expect("a number");
    let truth = room / (4.0 * 5_003_017.0);
    assert!((0.9 * truth..1.5 * truth).contains(&bound("expected")), "{truth} {left:#}");
    let metrics = service.ask("/metrics").text();
    assert!(metrics.contains("\nflamewatch_oom_seconds{bound=\"earliest\"} "), "{metrics}");
    assert!(metrics.contains("\nflamewatch_memory_bytes{part=\"allocated\"} "), "{metrics}");
    let line = service.status("memory").expect("a line");
    assert!(line.starts_with("heap growth: "), "{line}");
    let line = service.status("memory left").expect("a line");
    assert!(line.contains(" of 2 GiB (FLAMEWATCH_MEMORY_LIMIT); OOM in ~"), "{line}");
}

#[test]
fn growing_stacks_are_no_heap() {
    let memory = grown(&zoo("stacks", "2GiB", &[]), "stacks");
    check_parts(&memory, "stacks");
    let sentence = memory["verdict"]["sentence"].as_str().unwrap_or_default();
    assert!(
        sentence.starts_with("thread stacks, not the heap (") && sentence.contains(" more): "),
        "{sentence}"
    );
}

#[test]
fn a_mapped_file_is_no_heap_and_runs_nobody_out_of_memory() {
    let service = zoo("file", "2GiB", &[]);
    check_parts(&grown(&service, "file"), "file");
    assert_eq!(memory(&service)["oom_seconds"], Value::Null);
    assert!(!service.ask("/metrics").text().contains("flamewatch_oom_seconds"));
}

#[test]
fn what_is_mapped_past_the_allocator_is_no_heap() {
    check_parts(&grown(&zoo("mmap", "2GiB", &[]), "anonymous"), "anonymous");
}

#[test]
fn fragmentation_is_told_while_it_grows_and_when_it_has() {
    let service = zoo("fragments", "2GiB", &[]);
    let memory = grown(&service, "fragmentation");
    check_parts(&memory, "fragmentation");
    let sentence = memory["verdict"]["sentence"].as_str().unwrap_or_default();
    assert!(
        sentence.starts_with("fragmentation: active 1") && sentence.contains(" MiB allocated; "),
        "{sentence}"
    );
    let at_rest = until("rest", PATIENCE, || {
        let line = service.status("memory")?;
        line.starts_with("no growth").then_some(line)
    });
    assert!(at_rest.starts_with("no growth; the most is fragmentation: active 1"), "{at_rest}");
}

#[test]
fn a_service_at_rest_grows_in_no_part() {
    let service = zoo("nothing", "2GiB", &[]);
    until("a window", PATIENCE, || {
        (memory(&service)["verdict"]["over_seconds"].as_u64()? >= 11).then_some(())
    });
    let memory = memory(&service);
    assert_eq!(
        (&memory["verdict"]["cause"], &memory["oom_seconds"]),
        (&Value::from("no_growth"), &Value::Null)
    );
}

#[test]
fn an_alert_says_first_what_grows_and_how_long_is_left() {
    let slack = FakeSlack::start();
    let service = zoo("heap", "900MiB", &[("FLAMEWATCH_SLACK_WEBHOOK", &slack.webhook())]);
    let message = until("an alert", PATIENCE, || slack.accepted().into_iter().next());
    let header = block(&message, 0);
    assert!(header.contains("heap.allocated growing · OOM in ~"), "{message:#}");
    let mut verdict = block(&message, 1).lines().skip(1);
    assert!(verdict.next().is_some_and(|line| line.starts_with("Heap growth: ")), "{message:#}");
    let room = verdict.next().unwrap_or_default();
    assert!(
        room.starts_with("RSS is ") && room.ends_with(" of 900 MiB (FLAMEWATCH_MEMORY_LIMIT)."),
        "{message:#}"
    );
    // On the way to the limit: a profile at 90 and at 97 %, named only when it is opened.
    let rung = |percent: &str| {
        let list = service.ask("/debug/snapshots?format=json").json();
        let entries = list.as_array().expect("a list").clone();
        let trigger = format!("{percent} % of the limit: ");
        let found = entries
            .into_iter()
            .filter(|entry| entry["trigger"].as_str().is_some_and(|text| text.starts_with(&trigger)));
        found.collect::<Vec<_>>()
    };
    until("97 %", PATIENCE, || (!rung("97").is_empty()).then_some(()));
    for percent in ["90", "97"] {
        let [taken] = &rung(percent)[..] else { panic!("{percent}: {:?}", rung(percent)) };
        let url = service.debug_url(&format!("/debug/snapshots/{}", taken["id"].as_str().expect("an id")));
        let text = get(&format!("{url}?format=text")).expect("an answer").text();
        assert!(text.contains("memory_zoo::Zoo::remember"), "{text}");
    }
}

#[test]
fn where_memory_is_scarce_the_profile_is_kept_as_it_is_and_named_when_it_is_opened() {
    let slack = FakeSlack::start();
    // The zoo has passed that before a rule may fire.
    let service = zoo("heap", "100MiB", &[("FLAMEWATCH_SLACK_WEBHOOK", &slack.webhook())]);
    let message = until("an alert", PATIENCE, || slack.accepted().into_iter().next());
    let said = "The heap profile is kept without names, because only 0 B are left to the memory limit";
    assert!(message.to_string().contains(said), "{message:#}");
    let spared = until("a count", PATIENCE, || service.status("alerts that spared the service"));
    assert!(spared.starts_with("0 without a profile, "), "{spared}");
    let list = service.ask("/debug/snapshots?format=json").json();
    let entries = list.as_array().expect("a list");
    let is_of_alert =
        |entry: &&Value| entry["trigger"].as_str().is_some_and(|text| !text.contains("of the limit: "));
    let id = entries.iter().find(is_of_alert).and_then(|entry| entry["id"].as_str()).expect("a snapshot");
    let text = service.ask(&format!("/debug/snapshots/{id}?format=text")).text();
    assert!(text.contains("memory_zoo::Zoo::remember"), "{text}");
}
