//! The Slack sink against a Slack that enforces Slack's limits, over loopback: every way to fail, and the way back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use flamewatch::sink::{Alert, Delivery, Options, Outcome, Sink, Site, Slack, State, Status};
use flamewatch_tests::FakeSlack;
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(20);

fn sink(fake: &FakeSlack) -> Slack {
    Slack::new(&fake.webhook()).expect("a sink")
}

/// A delivery to `fake` that waits milliseconds where production waits minutes.
fn delivery(fake: &FakeSlack) -> Delivery {
    let mut options = Options::default();
    options.attempt = Duration::from_millis(500);
    options.first_wait = Duration::from_millis(10);
    options.longest_wait = Duration::from_millis(100);
    Delivery::start(Box::new(sink(fake)), options).expect("a thread")
}

fn accepted(fake: &FakeSlack) -> Vec<String> {
    fake.accepted().iter().map(|message| message["text"].as_str().unwrap_or_default().to_owned()).collect()
}

fn alert(headline: &str) -> Alert {
    let mut alert = Alert::new("a1", State::Firing, "shop", "heap growing");
    alert.headline = headline.into();
    alert.details = vec!["<!channel> & co".into()];
    let place = Some(String::from("orders.rs:31"));
    alert.sites =
        (0..9).map(|_| Site::new("<orders::Book<T> as Keep>::remember", place.clone(), "+1 GiB")).collect();
    alert.snapshot_url = Some("http://127.0.0.1:6060/debug/snapshots/1?format=svg&x=y".into());
    alert
}

fn deliver(fake: &FakeSlack, alert: &Alert) -> Outcome {
    let outcome = sink(fake).deliver(alert, Instant::now() + PATIENCE);
    assert!(!format!("{outcome:?}").contains("SECRET"), "{outcome:?}");
    outcome
}

#[track_caller]
fn until(delivery: &Delivery, ready: impl Fn(&Status) -> bool) -> Status {
    let end = Instant::now() + PATIENCE;
    loop {
        let status = delivery.status();
        assert!(!format!("{status:?}").contains("SECRET"), "{status:?}");
        if ready(&status) {
            return status;
        }
        assert!(Instant::now() < end, "{status:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_message_within_every_limit() {
    let fake = FakeSlack::start();
    assert_eq!(deliver(&fake, &alert("heap grows")), Outcome::Sent);
    let mut giant = alert(&"<&>🔥".repeat(5_000));
    giant.service = "s".repeat(1_000);
    giant.details = vec!["d".repeat(5_000); 200];
    giant.context = vec!["c".repeat(5_000); 200];
    giant.sites = vec![Site::new("f<T>".repeat(3_000), Some("p".repeat(3_000)), "g".repeat(3_000)); 99];
    assert_eq!(deliver(&fake, &giant), Outcome::Sent);
    assert_eq!(fake.sent().len(), 2);
    for post in fake.sent() {
        assert_eq!(post["accepted"], true, "{post}");
        assert!(!post.to_string().contains("<!channel>"), "{post}");
    }
}

#[test]
fn each_answer_has_its_outcome() {
    let fake = FakeSlack::start();
    for (mode, expected) in [
        ("500", "Retry { after: None, reason: \"127.0.0.1 answered 500"),
        ("429", "Retry { after: Some(2s), reason: \"127.0.0.1 asks us to slow down"),
        ("html", "Retry { after: None, reason: \"127.0.0.1 answered 200, but not Slack's `ok`"),
        ("302", "Retry { after: None, reason: \"127.0.0.1 answered 302, a redirect"),
        ("error", "Retry { after: None, reason: \"127.0.0.1 answered 200, but not Slack's `ok`"),
        ("cut", "Retry { after: None, reason: \""),
        ("403", "Drop { reason: \"127.0.0.1 refused (403 action_prohibited): "),
        ("404", "Drop { reason: \"127.0.0.1 refused (404 channel_not_found): "),
        ("410", "Drop { reason: \"127.0.0.1 refused (410 channel_is_archived): "),
        ("slow", "Sent"),
        ("ok", "Sent"),
    ] {
        fake.control(&json!({"mode": mode, "retry_after": 2}));
        let outcome = format!("{:?}", deliver(&fake, &alert(mode)));
        assert!(outcome.starts_with(expected), "{mode}: {outcome}");
    }
    // An hour or two is more likely a mistake than a wish.
    fake.control(&json!({"mode": "429", "retry_after": 7_200, "times": 1}));
    let outcome = format!("{:?}", deliver(&fake, &alert("two hours")));
    assert!(outcome.starts_with("Retry { after: Some(600s)"), "{outcome}");
    let mut elsewhere = Slack::new(&fake.url("/services/gone/SECRET")).expect("a sink");
    let outcome = format!("{:?}", elsewhere.deliver(&alert("elsewhere"), Instant::now() + PATIENCE));
    assert!(outcome.starts_with("Drop { reason: \"127.0.0.1 refused (404 no_service): "), "{outcome}");
}

#[test]
fn a_layout_that_is_refused_is_sent_as_words() {
    let fake = FakeSlack::start();
    fake.control(&json!({"mode": "refuse_blocks"}));
    assert_eq!(deliver(&fake, &alert("heap grows")), Outcome::Sent);
    let accepted = accepted(&fake);
    assert_eq!(accepted.len(), 1);
    assert!(accepted.concat().contains("heap grows; suspect"), "{accepted:?}");
}

#[test]
fn a_server_that_never_answers_is_left_at_the_deadline() {
    let fake = FakeSlack::start();
    fake.control(&json!({"mode": "hang"}));
    let began = Instant::now();
    let outcome = sink(&fake).deliver(&alert("hangs"), began + Duration::from_secs(1));
    assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn the_alert_arrives_once_slack_is_back() {
    let fake = FakeSlack::start();
    let delivery = delivery(&fake);
    for (index, mode) in ["500", "html", "hang", "slow_body", "cut", "429"].into_iter().enumerate() {
        fake.control(&json!({"mode": mode, "times": 2, "retry_after": 0}));
        let before = delivery.status();
        delivery.send(Arc::new(alert(mode)));
        let status = until(&delivery, |status| status.sent == index as u64 + 1);
        assert_eq!(
            (status.retried - before.retried, status.waiting, status.last_error),
            (2, 0, None),
            "{mode}"
        );
    }
    let accepted = accepted(&fake);
    assert_eq!(accepted.len(), 6, "each once: {accepted:?}");
    let modes = ["500", "html", "hang", "slow_body", "cut", "429"];
    assert!(accepted.iter().zip(modes).all(|(text, mode)| text.contains(mode)));
}

#[test]
fn retry_after_is_honored() {
    let fake = FakeSlack::start();
    let delivery = delivery(&fake);
    fake.control(&json!({"mode": "429", "times": 1, "retry_after": 1}));
    delivery.send(Arc::new(alert("limited")));
    until(&delivery, |status| status.sent == 1);
    let times: Vec<f64> = fake.sent().iter().filter_map(|post| post["at"].as_f64()).collect();
    let [first, second] = times[..] else { panic!("{times:?}") };
    assert!(second - first >= 1.0, "{times:?}");
}

#[test]
fn a_webhook_that_is_gone_is_counted_and_grows_nothing() {
    let fake = FakeSlack::start();
    let delivery = delivery(&fake);
    fake.control(&json!({"mode": "404", "times": 3}));
    (0..3).for_each(|_| delivery.send(Arc::new(alert("gone"))));
    let status = until(&delivery, |status| status.dropped == 3);
    assert_eq!((status.waiting, status.retried), (0, 0));
    assert!(status.last_error.expect("told").contains("make a new webhook"));
    delivery.send(Arc::new(alert("made anew")));
    until(&delivery, |status| status.sent == 1);
    assert_eq!(accepted(&fake).len(), 1);
}

#[test]
fn a_dead_slack_costs_a_bounded_queue() {
    let fake = FakeSlack::start();
    let delivery = delivery(&fake);
    fake.control(&json!({"mode": "500"}));
    (0..1_000).for_each(|number| delivery.send(Arc::new(alert(&format!("number {number};")))));
    let status = until(&delivery, |status| status.retried > 2);
    assert_eq!((status.waiting, status.dropped), (64, 936));
    fake.control(&json!({"mode": "ok"}));
    until(&delivery, |status| status.sent == 64);
    let accepted = accepted(&fake);
    assert_eq!(accepted.len(), 64);
    assert!(accepted.first().is_some_and(|text| text.contains("number 936;")), "{accepted:?}");
}
