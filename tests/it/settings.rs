//! Settings that make no sense, and ports that are taken: an error at start names what is wrong, and a default that
//! does not work stops nobody.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use flamewatch_tests::port::{free, get, until};
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
    let pem = |name: &str| format!("{}/../fixtures/data/tls/first.{name}", env!("CARGO_MANIFEST_DIR"));
    let tls = [("FLAMEWATCH_TLS_CERT", pem("pem")), ("FLAMEWATCH_TLS_KEY", pem("key"))];
    let [certificate, key] = [0, 1].map(|at| (tls[at].0, tls[at].1.as_str()));
    let error = refusal(&[("FLAMEWATCH_BIND", "0.0.0.0:0"), certificate, key]);
    assert!(error.contains("FLAMEWATCH_TOKEN"), "nor does TLS keep anybody out: {error}");
    let error = refusal(&[("FLAMEWATCH_BIND", "127.0.0.1:0"), (certificate.0, key.1), key]);
    assert!(error.contains("there is no certificate in PEM in"), "{error}");
    let error = refusal(&[("FLAMEWATCH_BIND", "unix:/tmp/debug.sock"), certificate, key]);
    assert!(error.contains("a unix socket, where there is no TLS"), "{error}");
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
fn a_unix_socket_outlives_no_process_that_ends_well_and_stops_none_that_comes_after_a_crash() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("debug-{}.sock", std::process::id()));
    let bind = format!("unix:{}", path.display());
    let env = [("FLAMEWATCH_BIND", bind.as_str())];
    let health = || {
        let mut stream = UnixStream::connect(&path).expect("it listens");
        let request = "GET /debug/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    };
    let killed = Fixture::optimized("leaky_shop").spawn(env);
    assert!(health().ends_with("\r\n\r\nok\n"), "{}", health());
    let error = refusal(&env);
    for part in [bind.as_str(), "FLAMEWATCH_BIND", "another process listens there"] {
        assert!(error.contains(part), "{error}");
    }
    drop(killed);
    assert!(path.exists() && UnixStream::connect(&path).is_err(), "it was killed");
    let next = Fixture::optimized("leaky_shop").spawn(env);
    assert!(health().ends_with("ok\n"));
    next.ask_to_end();
    until("the file's end", Duration::from_secs(10), || (!path.exists()).then_some(()));
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
