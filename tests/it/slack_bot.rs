//! The Slack bot against a Slack that keeps Slack's rules, over loopback: threads, pictures, edits, and every way to fail.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use flamewatch::sink::{Alert, Attachment, Delivery, Kind, Options, Outcome, Sink, SlackBot, State, Status};
use flamewatch_tests::{FakeSlack, block};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(30);

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";

fn bot(fake: &FakeSlack) -> SlackBot {
    let bot = SlackBot::new(FakeSlack::TOKEN, FakeSlack::CHANNEL).expect("a bot");
    bot.api(&fake.api()).expect("its API").spread(Duration::ZERO).host("shop-1")
}

/// A delivery to `fake` that waits milliseconds where production waits minutes.
fn delivery(bot: SlackBot) -> Delivery {
    let mut options = Options::default();
    options.attempt = Duration::from_secs(2);
    options.first_wait = Duration::from_millis(10);
    options.longest_wait = Duration::from_millis(100);
    Delivery::start(Box::new(bot), options).expect("a thread")
}

fn alert(id: &str, kind: Kind, headline: &str) -> Alert {
    let state = if kind == Kind::Resolved { State::Resolved } else { State::Firing };
    let mut alert = Alert::new(id, state, "shop", "heap growing");
    alert.kind = kind;
    alert.group = "shop/heap growing//1.2".into();
    alert.headline = headline.into();
    if state == State::Firing && kind != Kind::Reminder {
        alert.details = vec!["<!channel> & co".into()];
        let files = [("heap.pb.gz", &b"pprof"[..]), ("heap.png", PNG)];
        let file = |(name, bytes): (&str, &[u8])| Arc::new(Attachment::new(name, bytes.to_vec()));
        alert.attachments = files.map(file).to_vec();
    }
    alert
}

/// Delivers at once, with the rests that it asks for.
fn deliver(bot: &mut SlackBot, alert: &Alert) -> Outcome {
    let end = Instant::now() + PATIENCE;
    loop {
        let outcome = bot.deliver(alert, Instant::now() + Duration::from_secs(10));
        assert!(!format!("{outcome:?}").contains("SECRET"), "{outcome:?}");
        match outcome {
            Outcome::Wait { after } if Instant::now() < end => std::thread::sleep(after),
            other => return other,
        }
    }
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

#[track_caller]
fn one(mut list: Vec<Value>) -> Value {
    assert_eq!(list.len(), 1, "{list:#?}");
    list.remove(0)
}

fn texts(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["text"].as_str().unwrap_or_default()).collect()
}

/// The token was shown to the Web API alone.
#[track_caller]
fn the_token_is_safe(fake: &FakeSlack) {
    for call in fake.state()["calls"].as_array().expect("calls") {
        assert_eq!(call["token"], call["method"] != "upload", "{call}");
    }
}

#[test]
fn an_incident_is_one_message_with_a_thread() {
    let fake = FakeSlack::start();
    fake.control(&json!({"rate": false}));
    let mut bot = bot(&fake);
    let mut first = alert("a1", Kind::New, "heap grows");
    first.at = SystemTime::now() - Duration::from_secs(41 * 60);
    assert_eq!(deliver(&mut bot, &first), Outcome::Sent);
    let message = one(fake.channel());
    assert!(block(&message, 0).starts_with("🔴 FIRING · shop: heap growing"), "{message:#}");
    assert_eq!(message["metadata"]["event_payload"]["alert"], "a1");
    let facts = message["blocks"].as_array().expect("blocks")[1..].to_vec();
    let picture = one(fake.thread(&message["ts"]));
    let file = picture["files"][0]["id"].as_str().expect("a file");
    assert_eq!(fake.file(file), PNG, "the profile itself is no picture, and is not sent");

    assert_eq!(deliver(&mut bot, &alert("a1", Kind::Reminder, "still firing after 4 h")), Outcome::Sent);
    assert_eq!(deliver(&mut bot, &alert("a1", Kind::Resolved, "level again")), Outcome::Sent);
    let message = one(fake.channel());
    assert_eq!(block(&message, 0), "🟢 RESOLVED after 41 min · shop: heap growing");
    assert_eq!(block(&message, 1), "*level again*");
    let blocks = message["blocks"].as_array().expect("blocks");
    assert!(facts.iter().all(|fact| blocks.contains(fact)), "{message:#}");
    assert_eq!(message["metadata"]["event_payload"]["state"], "resolved");
    let thread = fake.thread(&message["ts"]);
    let said = texts(&thread);
    assert!(said[1].contains("still firing after 4 h"), "{said:?}");
    assert!(said[2].starts_with("🟢 Resolved on shop-1, process "), "{said:?}");
    assert!(said[2].ends_with(" after 41 min: level again"), "{said:?}");

    assert_eq!(deliver(&mut bot, &alert("a1", Kind::Reply, "it is back")), Outcome::Sent);
    let message = one(fake.channel());
    assert_eq!(block(&message, 0), "🔴 FIRING AGAIN · shop: heap growing");
    assert_eq!(fake.thread(&message["ts"]).len(), 5, "with the picture of what is back");
    assert!(!fake.state().to_string().contains("<!channel>"));
    the_token_is_safe(&fake);
}

#[test]
fn after_a_restart_the_thread_is_found_again() {
    let fake = FakeSlack::start();
    fake.control(&json!({"rate": false}));
    assert_eq!(deliver(&mut bot(&fake), &alert("a1", Kind::New, "heap grows")), Outcome::Sent);
    let mut restarted = bot(&fake);
    assert_eq!(deliver(&mut restarted, &alert("a1", Kind::Reminder, "still firing")), Outcome::Sent);
    let message = one(fake.channel());
    assert_eq!(fake.thread(&message["ts"]).len(), 2);
    assert_eq!(deliver(&mut bot(&fake), &alert("a1", Kind::Resolved, "level again")), Outcome::Sent);
    assert!(block(&one(fake.channel()), 0).starts_with("🟢 RESOLVED"));
    // An alert that was told before the process died is not told again.
    let again = alert("a2", Kind::New, "another");
    assert_eq!(deliver(&mut bot(&fake), &again), Outcome::Sent);
    assert_eq!(deliver(&mut bot(&fake), &again), Outcome::Sent);
    assert_eq!(fake.channel().len(), 2);
}

#[test]
fn without_the_scope_for_history_it_still_tells() {
    let fake = FakeSlack::start();
    fake.control(&json!({"mode": "error", "method": "conversations.history", "error": "missing_scope"}));
    let mut bot = bot(&fake).spread(Duration::from_secs(60));
    let mut first = alert("a1", Kind::New, "heap grows");
    first.at = SystemTime::now() - Duration::from_secs(60);
    assert_eq!(deliver(&mut bot, &first), Outcome::Sent);
    assert_eq!(deliver(&mut bot, &alert("a1", Kind::Resolved, "level again")), Outcome::Sent);
    let message = one(fake.channel());
    assert!(block(&message, 0).starts_with("🟢 RESOLVED"), "{message:#}");
    assert_eq!(fake.calls("conversations.history"), 1, "asked once");
}

#[test]
fn each_answer_has_its_outcome() {
    let fake = FakeSlack::start();
    let post = "chat.postMessage";
    for (wish, expected) in [
        (json!({"mode": "500", "method": post}), "Retry { after: None, reason: \"127.0.0.1 answered 500"),
        (json!({"mode": "429", "method": post, "retry_after": 2}), "Retry { after: Some(2s), "),
        (json!({"mode": "429", "method": post, "retry_after": 7_200}), "Retry { after: Some(600s), "),
        (json!({"mode": "403", "method": post}), "Retry { after: None, reason: \"127.0.0.1 answered 403"),
        (
            json!({"mode": "302", "method": post}),
            "Retry { after: None, reason: \"127.0.0.1 answered 302, a redirect",
        ),
        (
            json!({"mode": "html", "method": post}),
            "Retry { after: None, reason: \"127.0.0.1 answered 200, but not",
        ),
        (json!({"mode": "cut", "method": post}), "Retry { after: None, reason: \""),
        (
            json!({"mode": "error", "method": post, "error": "internal_error"}),
            "Retry { after: None, reason: \"127",
        ),
        (
            json!({"mode": "error", "method": post, "error": "ratelimited"}),
            "Retry { after: None, reason: \"127",
        ),
        (
            json!({"mode": "error", "method": post, "error": "not_in_channel"}),
            "Drop { reason: \"127.0.0.1 refused (not_in_channel): invite the bot",
        ),
        (
            json!({"mode": "error", "method": post, "error": "token_revoked"}),
            "Drop { reason: \"127.0.0.1 refused (token_revoked): make a new bot token",
        ),
        (
            json!({"mode": "error", "method": post, "error": "Evil <page>"}),
            "Drop { reason: \"127.0.0.1 refused (no code)",
        ),
        (json!({"mode": "slow"}), "Sent"),
        (json!({"mode": "ok"}), "Sent"),
    ] {
        fake.control(&wish);
        let mut alert = alert(&wish.to_string(), Kind::New, "heap grows");
        alert.attachments.clear();
        alert.group.clone_from(&alert.id);
        let outcome = format!("{:?}", deliver(&mut bot(&fake), &alert));
        assert!(outcome.starts_with(expected), "{wish}: {outcome}");
    }
    fake.control(&json!({"mode": "ok"}));
    let wrong = SlackBot::new("xoxb-another-SECRET", FakeSlack::CHANNEL).expect("a bot");
    let outcome = deliver(&mut wrong.api(&fake.api()).expect("its API"), &alert("x", Kind::Reminder, "x"));
    assert!(format!("{outcome:?}").contains("refused (invalid_auth): make a new bot token"), "{outcome:?}");
}

#[test]
fn faults_lose_nothing_and_double_nothing() {
    let fake = FakeSlack::start();
    let delivery = delivery(bot(&fake));
    let faults = ["500", "html", "hang", "429", "cut", "cut_after", "slow_body"];
    for (index, mode) in faults.into_iter().enumerate() {
        fake.control(&json!({"mode": mode, "method": "chat.postMessage", "times": 2, "retry_after": 0}));
        let mut alert = alert(mode, Kind::New, mode);
        alert.group = mode.into();
        delivery.send(Arc::new(alert));
        until(&delivery, |status| status.sent == index as u64 + 1);
    }
    // Answers go into their threads whatever happens.
    for mode in faults {
        fake.control(&json!({"mode": mode, "method": "chat.postMessage", "times": 1, "retry_after": 0}));
        let sent = delivery.status().sent;
        delivery.send(Arc::new(alert(mode, Kind::Reminder, &format!("still {mode}"))));
        until(&delivery, |status| status.sent == sent + 1);
    }
    let messages = fake.channel();
    assert_eq!(messages.len(), faults.len(), "{:?}", texts(&messages));
    for (message, mode) in messages.iter().zip(faults) {
        let thread = fake.thread(&message["ts"]);
        let said = texts(&thread);
        assert_eq!(said.len(), 2, "{mode}: a picture and a reminder: {said:?}");
        assert!(said[1].contains(&format!("still {mode}")), "{said:?}");
    }
    the_token_is_safe(&fake);
}

#[test]
fn a_picture_that_cannot_be_had_costs_no_message() {
    let fake = FakeSlack::start();
    let steps = ["files.getUploadURLExternal", "upload", "files.completeUploadExternal"];
    for (number, step) in steps.into_iter().enumerate() {
        // Once: it is sent again. Always: the message is enough.
        for (name, times, pictures) in [("once", 1, 1), ("always", 99, 0)] {
            fake.control(&json!({"mode": "500", "method": step, "times": times}));
            let mut alert = alert(&format!("{name} {step}"), Kind::New, step);
            alert.group.clone_from(&alert.id);
            assert_eq!(deliver(&mut bot(&fake), &alert), Outcome::Sent, "{name} {step}");
            let message = fake.channel().pop().expect("a message");
            assert!(block(&message, 1).contains(step), "{message:#}");
            assert_eq!(fake.thread(&message["ts"]).len(), pictures, "{name} {step}");
        }
        assert_eq!(fake.channel().len(), 2 * (number + 1), "each once");
    }
}

#[test]
fn a_layout_that_is_refused_is_sent_as_words() {
    let fake = FakeSlack::start();
    fake.control(&json!({"mode": "refuse_blocks"}));
    assert_eq!(deliver(&mut bot(&fake), &alert("a1", Kind::New, "heap grows")), Outcome::Sent);
    let message = one(fake.channel());
    assert!(message["blocks"].is_null() && texts(&[message])[0].contains("heap grows"));
}

#[test]
fn a_message_that_somebody_deleted_is_no_reason_to_be_silent() {
    let fake = FakeSlack::start();
    let mut bot = bot(&fake);
    assert_eq!(deliver(&mut bot, &alert("a1", Kind::New, "heap grows")), Outcome::Sent);
    let ts = one(fake.channel())["ts"].clone();
    let delete = json!({"channel": FakeSlack::CHANNEL, "ts": ts}).to_string();
    let request = ureq::post(fake.url("/api/chat.delete"))
        .header("authorization", format!("Bearer {}", FakeSlack::TOKEN));
    assert_eq!(request.send(delete).expect("an answer").status(), 200);
    assert_eq!(deliver(&mut bot, &alert("a1", Kind::Reminder, "still firing")), Outcome::Sent);
    assert!(texts(&fake.channel()).iter().any(|text| text.contains("still firing")));
}

#[test]
fn replicas_share_a_message_that_turns_green_with_the_last_of_them() {
    let fake = FakeSlack::start();
    let mut bots: Vec<SlackBot> = (1..=3)
        .map(|number| bot(&fake).host(format!("shop-{number}")).spread(Duration::from_millis(50)))
        .collect();
    fake.control(&json!({"rate": false}));
    for (number, bot) in bots.iter_mut().enumerate() {
        assert_eq!(deliver(bot, &alert(&format!("a{number}"), Kind::New, "heap grows")), Outcome::Sent);
    }
    let message = one(fake.channel());
    let thread = fake.thread(&message["ts"]);
    let said = texts(&thread);
    assert_eq!(said.len(), 3, "one picture, two lines: {said:?}");
    assert!(
        said[1].starts_with("Also on shop-2, process ") && said[2].starts_with("Also on shop-3, process ")
    );
    for (number, bot) in bots.iter_mut().enumerate() {
        assert!(block(&one(fake.channel()), 0).starts_with("🔴 FIRING"), "{number}");
        assert_eq!(deliver(bot, &alert(&format!("a{number}"), Kind::Resolved, "level")), Outcome::Sent);
    }
    let message = one(fake.channel());
    assert!(block(&message, 0).starts_with("🟢 RESOLVED"), "{message:#}");
    let thread = fake.thread(&message["ts"]);
    let said = texts(&thread);
    assert!(said[3].contains("Still firing on shop-2, process ") && said[3].contains("; shop-3"), "{said:?}");
    assert!(said[5].starts_with("🟢 Resolved on shop-3") && !said[5].contains("Still"), "{said:?}");
}

#[test]
fn the_younger_of_two_messages_moves_into_the_thread_of_the_older() {
    let fake = FakeSlack::start();
    fake.control(&json!({"late": 2.0}));
    let spread = Duration::from_secs(4);
    let bots = ["shop-1", "shop-2", "shop-3"].map(|host| bot(&fake).host(host).spread(spread));
    std::thread::scope(|scope| {
        for (number, mut bot) in bots.into_iter().enumerate() {
            let mut alert = alert(&format!("a{number}"), Kind::New, "heap grows");
            // No time to wait for others, so all post at once.
            alert.runs_out_in = Some(Duration::from_secs(300));
            scope.spawn(move || assert_eq!(deliver(&mut bot, &alert), Outcome::Sent));
        }
    });
    let message = one(fake.channel());
    let thread = fake.thread(&message["ts"]);
    let also = texts(&thread).iter().filter(|text| text.starts_with("Also on shop-")).count();
    assert_eq!(also, 2, "{:?}", texts(&thread));
    let everything = fake.state();
    let messages = everything["messages"].as_array().expect("messages");
    let first = messages.iter().filter(|message| message["thread_ts"].is_null()).count();
    assert_eq!(first, 3, "all three had posted");
}
