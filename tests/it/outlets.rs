//! The sinks beside Slack, the log and the folder, against receivers that hold them to what Alertmanager's receivers,
//! PagerDuty and Pyroscope document: every message of an incident, trouble on the way, proxies, and no secret anywhere.

mod judge;
mod planted;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use flamewatch::sink::{Alert, Kind, Outcome, PagerDuty, Pyroscope, Sink, Site, State, Webhook};
use flamewatch_tests::port::{free, until};
use flamewatch_tests::{FakeSlack, Fixture, Post, Receiver, Service};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(45);

/// What signs, and what must be nowhere else.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const KEY: &str = "0123456789abcdef0123456789abcdef";

/// The messages of an incident's life.
fn life() -> Vec<Alert> {
    let began = SystemTime::now();
    let kinds = [Kind::New, Kind::Reply, Kind::Reminder, Kind::Resolved];
    let message = |(number, kind): (u32, Kind)| {
        let state = if kind == Kind::Resolved { State::Resolved } else { State::Firing };
        let mut alert = Alert::new("7f3a-1", state, "shop", "heap leak");
        (alert.kind, alert.at) = (kind, began + Duration::from_secs(3_600) * number);
        alert.group = "shop/heap leak/orders/1.2".to_owned();
        alert.headline = format!("message {number}: \"<quoted>\" & {{{{headline}}}}\n");
        alert.details = vec!["one".to_owned(), "two".to_owned()];
        alert.sites =
            vec![Site::new("<orders::Book<T> as Keep>::remember", Some("orders.rs:31".into()), "+1 GiB")];
        alert.snapshot_url = Some("http://127.0.0.1:6060/debug/snapshots/7f3a-1?format=svg".to_owned());
        alert
    };
    (0..).zip(kinds).map(message).collect()
}

#[track_caller]
fn deliver(sink: &mut impl Sink, alert: &Alert) -> Outcome {
    let outcome = sink.deliver(alert, Instant::now() + PATIENCE);
    judge::holds_no_secret(&format!("{outcome:?} {}", sink.name()));
    outcome
}

/// The value at `pointer` of every post.
fn all(posts: &[Post], pointer: &str) -> Vec<Value> {
    let value = |post: &Post| post.json().expect("JSON").pointer(pointer).cloned().unwrap_or_default();
    posts.iter().map(value).collect()
}

#[test]
fn alertmanagers_receivers_take_every_message_and_know_the_incident_again() {
    let receiver = Receiver::start(|post| judge::alertmanager(post, SECRET));
    let mut webhook =
        Webhook::new(&receiver.url("/alerts")).and_then(|sink| sink.signed(SECRET)).expect("a sink");
    for alert in life() {
        assert_eq!(deliver(&mut webhook, &alert), Outcome::Sent, "{:?}", receiver.posts("/alerts").last());
    }
    let posts = receiver.posts("/alerts");
    for same in ["/groupKey", "/alerts/0/fingerprint", "/alerts/0/labels", "/alerts/0/startsAt"] {
        let values = all(&posts, same);
        assert!(values.iter().all(|value| *value == values[0]), "{same}: {values:?}");
    }
    assert_eq!(all(&posts, "/status"), ["firing", "firing", "firing", "resolved"]);
    assert_eq!(all(&posts, "/commonAnnotations/message"), ["new", "reply", "reminder", "resolved"]);
    let mut ids: Vec<&str> = posts.iter().map(|post| post.header("webhook-id")).collect();
    ids.dedup();
    assert_eq!(ids.len(), 4, "each message has its own: {ids:?}");
}

#[test]
fn one_who_has_another_secret_is_refused() {
    let receiver = Receiver::start(|post| judge::alertmanager(post, SECRET));
    let signed = |secret| Webhook::new(&receiver.url("/alerts")).and_then(|sink| sink.signed(secret));
    let mut stranger = signed("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").expect("a sink");
    assert!(matches!(deliver(&mut stranger, &life()[0]), Outcome::Drop { .. }));
    let mut unsigned = Webhook::new(&receiver.url("/alerts")).expect("a sink");
    assert!(matches!(deliver(&mut unsigned, &life()[0]), Outcome::Drop { .. }));
}

#[test]
fn a_webhook_that_is_tried_again_is_the_same_message() {
    let answers =
        [(500, ""), (200, "<!doctype html><title>Sign in</title>"), (302, ""), (429, ""), (204, "")];
    let count = AtomicUsize::new(0);
    let receiver = Receiver::start(move |_| {
        let (status, body) = answers[count.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1)];
        (status, body.to_owned())
    });
    let mut webhook =
        Webhook::new(&receiver.url("/alerts")).and_then(|sink| sink.signed(SECRET)).expect("a sink");
    let alert = life().remove(0);
    for (status, _) in &answers[..4] {
        assert!(matches!(deliver(&mut webhook, &alert), Outcome::Retry { .. }), "{status}");
    }
    assert_eq!(deliver(&mut webhook, &alert), Outcome::Sent);
    let posts = receiver.posts("/alerts");
    assert!(posts.iter().all(|post| post.header("webhook-id") == posts[0].header("webhook-id")));
    assert!(posts.iter().all(|post| post.body == posts[0].body));
}

#[test]
fn a_refusal_names_the_remedy() {
    let receiver = Receiver::start(|_| (403, "hunter2".to_owned()));
    let mut webhook = Webhook::new(&receiver.url("/alerts/hunter2")).expect("a sink");
    let Outcome::Drop { reason } = deliver(&mut webhook, &life()[0]) else { panic!("it is final") };
    assert_eq!(
        reason,
        "127.0.0.1 refused (403): check the password in FLAMEWATCH_WEBHOOK and the secret that both sides have"
    );
}

#[test]
fn a_template_makes_any_body() {
    let receiver = Receiver::start(|post| (post.json().map_or(400, |_| 200), String::new()));
    let template = r#"{"text": "*{{service}}* {{headline}}", "blocks": [{"text": "{{suspects}}"}], "n": 7}"#;
    let mut webhook =
        Webhook::new(&receiver.url("/any")).and_then(|sink| sink.template(template)).expect("a sink");
    let alert = life().remove(0);
    assert_eq!(deliver(&mut webhook, &alert), Outcome::Sent);
    let body = receiver.posts("/any")[0].json().expect("JSON");
    assert_eq!(body["text"], format!("*shop* {}", alert.headline));
    assert_eq!(body["blocks"][0]["text"], "+1 GiB <orders::Book<T> as Keep>::remember at orders.rs:31");
}

#[test]
fn pagerduty_takes_every_message_and_one_key_is_in_all() {
    let receiver = Receiver::start(|post| judge::pagerduty(post, KEY));
    let mut pagerduty = PagerDuty::new(KEY).and_then(|sink| sink.at(&receiver.url(""))).expect("a sink");
    let mut giant = life().remove(0);
    giant.headline = "🔥\u{1}".repeat(100_000);
    giant.details = vec!["\u{1}".repeat(100_000); 20];
    giant.service = "s".repeat(100_000);
    for alert in life().iter().chain([&giant]) {
        assert_eq!(
            deliver(&mut pagerduty, alert),
            Outcome::Sent,
            "{:?}",
            receiver.posts("/v2/enqueue").last()
        );
    }
    let posts = receiver.posts("/v2/enqueue");
    assert_eq!(all(&posts, "/event_action"), ["trigger", "trigger", "trigger", "resolve", "trigger"]);
    assert!(all(&posts, "/dedup_key").iter().all(|key| key == "7f3a-1"));
    let other = "f".repeat(32);
    let mut stranger = PagerDuty::new(&other).and_then(|sink| sink.at(&receiver.url(""))).expect("a sink");
    assert!(matches!(deliver(&mut stranger, &giant), Outcome::Drop { .. }));
}

#[test]
fn a_pagerduty_that_does_not_say_202_has_nothing() {
    let receiver = Receiver::start(|_| (200, "{}".to_owned()));
    let mut pagerduty = PagerDuty::new(KEY).and_then(|sink| sink.at(&receiver.url(""))).expect("a sink");
    assert!(matches!(deliver(&mut pagerduty, &life()[0]), Outcome::Retry { .. }));
}

#[test]
fn a_pyroscope_is_told_nothing_without_a_profile() {
    let receiver = Receiver::start(|_| (200, "{}".to_owned()));
    let mut pyroscope = Pyroscope::new(&receiver.url("")).expect("a sink");
    assert_eq!(deliver(&mut pyroscope, &life()[0]), Outcome::Sent);
    assert!(receiver.posts("/push.v1.PusherService/Push").is_empty());
}

/// A service that is above its memory limit by being there, and writes down what the agent logs.
fn talkative(name: &str, env: &[(&str, &str)]) -> (Service, PathBuf) {
    let folder = fresh_folder(name);
    (in_folder(&folder, &Fixture::optimized("talkative"), env), folder)
}

fn fresh_folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("outlets-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn in_folder(folder: &Path, program: &Fixture, env: &[(&str, &str)]) -> Service {
    let (log, kept) = (folder.join("log"), folder.join("kept"));
    let (log, kept) = (log.display().to_string(), kept.display().to_string());
    let limits = [("FLAMEWATCH_MEMORY_LIMIT", "64MiB"), ("FLAMEWATCH_RSS_SHARE", "0.05")];
    let all: Vec<(&str, &str)> = limits
        .into_iter()
        .chain([("LOG", log.as_str()), ("FLAMEWATCH_DIR", &kept)])
        .chain(env.iter().copied())
        .collect();
    Service::of(program, &all)
}

/// The sink called `name`, as `/debug/alerts` tells of it.
fn sink(service: &Service, name: &str) -> Option<Value> {
    let document = service.ask("/debug/alerts?format=json").json();
    document["sinks"].as_array()?.iter().find(|sink| sink["name"] == name).cloned()
}

/// Everything that people can read of `service` is without secrets.
fn reads_well(service: &Service, folder: &Path) {
    for page in
        ["/debug/", "/debug/alerts", "/debug/alerts?format=text", "/debug/alerts?format=json", "/metrics"]
    {
        judge::holds_no_secret(&service.ask(page).text());
    }
    let files = files(folder);
    assert!(
        files.iter().any(|file| file.ends_with("alert.json"))
            && files.iter().any(|file| file.ends_with("log"))
    );
    for file in files {
        judge::holds_no_secret(&String::from_utf8_lossy(&std::fs::read(file).expect("a file")));
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()).collect();
    entries.into_iter().flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn a_service_tells_everybody_and_shows_no_secret() {
    let receiver = Arc::new(Receiver::start(judge::of_all(SECRET, KEY)));
    let proxy = format!("http://watch:pr%6Fxy-hunter2@{}", receiver.address());
    let pyroscope = format!("http://user:pyro-hunter2@{}", receiver.address());
    let env = [
        ("FLAMEWATCH_WEBHOOK", "http://receiver.invalid/alerts/hunter2"),
        ("FLAMEWATCH_WEBHOOK_SECRET", SECRET),
        ("HTTP_PROXY", &proxy),
        ("http_proxy", ""),
        ("NO_PROXY", ""),
        ("no_proxy", ""),
        ("FLAMEWATCH_PAGERDUTY_KEY", KEY),
        ("FLAMEWATCH_PAGERDUTY_URL", &receiver.url("")),
        ("FLAMEWATCH_PYROSCOPE", &pyroscope),
        ("FLAMEWATCH_PYROSCOPE_TENANT", "team-7"),
    ];
    let (slack, app) = (FakeSlack::start(), free());
    let planted = planted::settings(app);
    let planted = planted.iter().map(|(name, value)| (*name, value.as_str()));
    let api = slack.api();
    let env: Vec<_> =
        env.into_iter().chain(planted).chain([("FLAMEWATCH_SLACK_API", api.as_str())]).collect();
    let folder = fresh_folder("all");
    let service = in_folder(&folder, &planted::program(&folder), &env);
    planted::ask_the_service(app);
    for (name, path) in [
        ("slack", "/api"),
        ("webhook", "/alerts/hunter2"),
        ("pagerduty", "/v2/enqueue"),
        ("pyroscope", "/push.v1.PusherService/Push"),
    ] {
        let sink = until(name, PATIENCE, || sink(&service, name).filter(|sink| sink["sent"] == 1));
        let posts = receiver.posts(path);
        assert!(name == "slack" || posts.len() == 1 && posts[0].status < 300, "{posts:?}");
        assert!(
            sink["last_sent"].is_string() && sink["down_since"].is_null() && sink["last_error"].is_null(),
            "{sink}"
        );
    }
    let alert = &receiver.posts("/alerts/hunter2")[0];
    assert_eq!(alert.through.as_deref(), Some("receiver.invalid:80"));
    assert_eq!(alert.proxy_authorization.as_deref(), Some("Basic d2F0Y2g6cHJveHktaHVudGVyMg=="));
    let body = alert.json().expect("JSON");
    assert_eq!(
        (&body["alerts"][0]["labels"]["alertname"], &body["status"]),
        (&"rss.share high".into(), &"firing".into())
    );
    let open = service.ask("/debug/alerts?format=json").json()["open"][0].clone();
    assert_eq!(
        (&open["id"], &open["messages"]),
        (&body["alerts"][0]["labels"]["incident"], &1.into()),
        "{open}"
    );
    assert!(receiver.posts("/v2/enqueue")[0].through.is_none(), "no proxy for this host");
    reads_well(&service, &folder);
    let mut found = planted::Found::of(&service, &folder);
    found.and("a post to a webhook", alert.body.clone());
    // Its key is for PagerDuty to see, as is what is in a header for Pyroscope.
    found.and("a post to PagerDuty", receiver.posts("/v2/enqueue")[0].body.clone());
    found.and("a post to Pyroscope", receiver.posts("/push.v1.PusherService/Push")[0].body.clone());
    let state = slack.state();
    found.and("Slack", state["messages"].to_string().into_bytes());
    // A picture: what is drawn in it is in the same alert's `heap.svg`, too.
    for file in state["files"].as_array().expect("a list") {
        found.and("a file in Slack", slack.file(file["id"].as_str().expect("an id")));
    }
    found.holds_nothing_planted();
}

#[test]
fn a_broken_proxy_and_a_container_without_ca_files_stop_nothing_and_are_told() {
    let receiver = Receiver::start(|_| (200, String::new()));
    let pagerduty = format!("https://{}", receiver.address());
    let env = [
        ("FLAMEWATCH_WEBHOOK", "https://receiver.invalid/alerts/hunter2"),
        ("HTTPS_PROXY", "socks5://watch:proxy-hunter2@proxy.invalid:1"),
        ("https_proxy", ""),
        ("NO_PROXY", ""),
        ("no_proxy", ""),
        ("FLAMEWATCH_PAGERDUTY_KEY", KEY),
        ("FLAMEWATCH_PAGERDUTY_URL", &pagerduty),
        // Where whoever trusts the system's certificates looks for them.
        ("SSL_CERT_FILE", "/nowhere"),
        ("SSL_CERT_DIR", "/nowhere"),
    ];
    let (service, folder) = talkative("broken", &env);
    let fails = |name: &str, why: &str| {
        let sink = until(name, PATIENCE, || sink(&service, name).filter(|sink| sink["retried"] != 0));
        let error = sink["last_error"].as_str().unwrap_or_default();
        assert!(error.contains(why) && sink["down_since"].is_string() && sink["sent"] == 0, "{sink}");
    };
    fails("webhook", "HTTPS_PROXY is a SOCKS proxy, which is not supported: http://HOST:PORT is expected");
    // It got as far as the handshake, with the roots that are compiled in, and found nobody who speaks TLS.
    fails("pagerduty", "cannot talk to 127.0.0.1 securely: received corrupt message");
    assert_eq!(sink(&service, "log").expect("it is there")["sent"], 1);
    assert!(service.ask("/metrics").text().contains("flamewatch_alert_sink_down{sink=\"webhook\"} 1\n"));
    reads_well(&service, &folder);
}
