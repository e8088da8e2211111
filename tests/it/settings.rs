//! Settings that make no sense, and ports that are taken: an error at start names what is wrong, and a default that
//! does not work stops nobody.

use std::net::TcpListener;

use flamewatch_tests::port::{free, get};
use flamewatch_tests::{Fixture, Service};

/// What the shop says when it does not start.
fn refusal(env: &[(&str, &str)]) -> String {
    let (status, out, error) = Fixture::optimized("leaky_shop").run(env.iter().copied());
    assert!(!status.success() && out.is_empty(), "{status}: {out}{error}");
    error
}

#[test]
fn a_value_that_is_not_allowed_is_refused_by_name() {
    let error = refusal(&[("FLAMEWATCH_TICK", "fast"), ("FLAMEWATCH_BIND", "off")]);
    for part in ["FLAMEWATCH_TICK", "fast", "a duration from 100ms to 5m"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_sink_that_cannot_work_is_refused_by_name_and_shows_no_secret() {
    let template = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("wrong-template.json");
    std::fs::write(&template, r#"{"blocks": [{"text": "{{headlin}}"}]}"#).expect("a file");
    let template = template.display().to_string();
    let webhook = ("FLAMEWATCH_WEBHOOK", "http://user:hunter2@receiver.invalid/hunter2");
    let error = refusal(&[("FLAMEWATCH_BIND", "off"), webhook, ("FLAMEWATCH_WEBHOOK_TEMPLATE", &template)]);
    for part in ["FLAMEWATCH_WEBHOOK_TEMPLATE", "wrong-template.json", "{{headlin}} at /blocks/0/text"] {
        assert!(error.contains(part), "{error}");
    }
    let key = refusal(&[("FLAMEWATCH_BIND", "off"), ("FLAMEWATCH_PAGERDUTY_KEY", "hunter2")]);
    assert!(key.contains("FLAMEWATCH_PAGERDUTY_KEY is a value of 7 characters (not shown)"), "{key}");
    assert!(!error.contains("hunter2") && !key.contains("hunter2"), "{error}{key}");
}

#[test]
fn a_port_that_strangers_can_reach_needs_a_token() {
    let error = refusal(&[("FLAMEWATCH_BIND", "0.0.0.0:0")]);
    assert!(error.contains("0.0.0.0:0") && error.contains("FLAMEWATCH_TOKEN"), "{error}");
    let open = Service::start(
        "leaky_shop",
        &[("FLAMEWATCH_BIND", "0.0.0.0:0"), ("FLAMEWATCH_TOKEN", "correct-horse-battery")],
    );
    assert_eq!(get(&open.running.url("/health")).expect("an answer").status, 200);
}

#[test]
fn a_port_that_was_asked_for_must_be_free() {
    let address = free();
    let taken = TcpListener::bind(address).expect("a free port");
    let error = refusal(&[("FLAMEWATCH_BIND", &address.to_string())]);
    for part in [&address.to_string(), "FLAMEWATCH_BIND", "in use"] {
        assert!(error.contains(part), "{error}");
    }
    drop(taken);
}

#[test]
fn without_the_default_port_the_service_runs_on() {
    // Taken by us, or by somebody before us: either will do.
    let taken = TcpListener::bind("127.0.0.1:6060");
    let shop = Fixture::optimized("leaky_shop").spawn([]);
    assert_eq!(get(&shop.url("/health")).expect("an answer").text(), "ok");
    drop(taken);
}

#[test]
fn switched_off_it_does_nothing() {
    let address = free();
    let bind = address.to_string();
    let shop =
        Fixture::optimized("leaky_shop").spawn([("FLAMEWATCH", "off"), ("FLAMEWATCH_BIND", bind.as_str())]);
    assert_eq!(get(&shop.url("/health")).expect("an answer").text(), "ok");
    TcpListener::bind(address).expect("nobody listens on the debug port");
    let threads = std::fs::read_dir(format!("/proc/{}/task", shop.id())).expect("a running process");
    let names = threads.flatten().map(|thread| std::fs::read_to_string(thread.path().join("comm")));
    let ours: Vec<_> = names.flatten().filter(|name| name.starts_with("flamewatch")).collect();
    assert!(ours.is_empty(), "{ours:?}");
}
