//! Services that tell Slack as a bot, end to end: a leaking shop whose alert comes with its picture and turns green when the
//! leak is over; twenty replicas that share one message; and what Slack's own SDK says of what we send.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use flamewatch_tests::port::until;
use flamewatch_tests::{FakeSlack, Fixture, Load, Service, block, slack_sdk};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

/// A bot's settings besides the address of the fake Slack.
const BOT: [(&str, &str); 3] = [
    ("FLAMEWATCH_SLACK_TOKEN", FakeSlack::TOKEN),
    ("FLAMEWATCH_SLACK_CHANNEL", FakeSlack::CHANNEL),
    ("FLAMEWATCH_SLACK_SPREAD", "0s"),
];

/// The width and the height of a PNG whose chunks are whole, from its signature to its end.
fn size_of_png(bytes: &[u8]) -> (u32, u32) {
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"), "a signature");
    let (mut at, mut last) = (8, Vec::new());
    while at + 12 <= bytes.len() {
        last = bytes[at + 4..at + 8].to_vec();
        at += 12 + number(at) as usize;
    }
    assert_eq!((at, last.as_slice()), (bytes.len(), &b"IEND"[..]), "whole chunks up to the end");
    (number(16), number(20))
}

#[test]
fn a_leak_comes_with_its_picture_and_turns_green_when_it_is_over() {
    let slack = FakeSlack::start();
    let (api, webhook) = (slack.api(), slack.webhook());
    let more = [
        ("LEAK", "orders"),
        ("FLAMEWATCH_SLACK_API", api.as_str()),
        // Both are set: the bot is used.
        ("FLAMEWATCH_SLACK_WEBHOOK", webhook.as_str()),
        ("FLAMEWATCH_CLEAR_HOLD", "2s"),
    ];
    let env: Vec<(&str, &str)> = BOT.into_iter().chain(more).collect();
    let service = Service::start("leaky_shop", &env);
    let load = Load::start(service.running.address(), 60, 400, "cart=1,orders=4");
    let message = until("a message", PATIENCE, || slack.channel().pop());
    assert!(block(&message, 0).starts_with("🔴 FIRING · leaky_shop: heap.allocated growing"), "{message:#}");
    assert!(block(&message, 2).contains("leaky_shop::orders::remember"), "{message:#}");
    let picture = until("a picture", PATIENCE, || slack.thread(&message["ts"]).pop());
    let file = picture["files"][0]["id"].as_str().expect("a file");
    let (width, height) = size_of_png(&slack.file(file));
    assert!(width >= 600 && height >= 100, "{width} by {height}");
    // The leak ends with the load.
    drop(load);
    let green = until("green", PATIENCE, || {
        slack.channel().pop().filter(|message| block(message, 0).starts_with("🟢 RESOLVED after "))
    });
    assert!(green.to_string().contains("leaky_shop::orders::remember"), "it keeps its facts: {green:#}");
    until("a line in the thread", PATIENCE, || {
        let thread = slack.thread(&message["ts"]);
        thread
            .iter()
            .any(|line| line["text"].as_str().is_some_and(|text| text.starts_with("🟢")))
            .then_some(())
    });
    assert_eq!((slack.channel().len(), slack.sent().len()), (1, 0), "one message, and none to the webhook");
    until("a count of two", PATIENCE, || {
        service.status("sink: slack").filter(|status| status.starts_with("2 sent, 0 waiting"))
    });
    let page = service.ask("/debug/pprof/").text() + &service.ask("/debug/metrics").text();
    assert!(!page.contains("SECRET"), "{page}");
    all_is_block_kit(&slack);
}

/// Everything in the channel, as Slack's own SDK judges it.
#[track_caller]
fn all_is_block_kit(slack: &FakeSlack) {
    let state = slack.state();
    let messages = state["messages"].as_array().expect("messages").iter();
    let with_blocks = messages.filter(|message| message.get("blocks").is_some());
    let named = with_blocks.map(|message| (message["ts"].to_string(), message.clone()));
    let messages = Value::Object(named.collect());
    assert!(messages.as_object().is_some_and(|messages| !messages.is_empty()), "{state}");
    if let Some(complaints) = slack_sdk::complaints(&messages) {
        assert_eq!(complaints, Vec::<String>::new());
    }
}

#[test]
fn twenty_replicas_share_one_message_although_the_history_is_late() {
    let slack = FakeSlack::start();
    slack.control(&json!({"late": 10.0}));
    let mut command = Command::new(Fixture::build("slack_replicas").executable());
    let output = command.args(["--api", &slack.api()]).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!((&report["sent"], &report["dropped"]), (&json!(20), &json!(0)), "{report}");
    let messages = slack.channel();
    assert_eq!(messages.len(), 1, "{report}: {messages:#?}");
    let thread = slack.thread(&messages[0]["ts"]);
    let lines: Vec<&str> = thread.iter().filter_map(|line| line["text"].as_str()).collect();
    for number in 1..=20 {
        let host = format!("shop-{number:02}");
        let told = lines.iter().filter(|line| line.starts_with(&format!("Also on {host}, "))).count();
        let is_first = messages[0]["metadata"]["event_payload"]["alert"] == format!("replica-{number}");
        assert_eq!(told, usize::from(!is_first), "{host}: {lines:#?}");
    }
    all_is_block_kit(&slack);
}

#[test]
fn every_layout_is_block_kit_to_slacks_own_sdk() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/data/slack");
    let files = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    let golden = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let read = |path: std::path::PathBuf| -> (String, Value) {
        let text = std::fs::read_to_string(&path).expect("a file");
        (path.display().to_string(), serde_json::from_str(&text).expect("json"))
    };
    let mut messages: serde_json::Map<String, Value> = golden.map(read).collect();
    assert!(messages.len() > 10, "{:?}", messages.keys());
    // The judge is one who can say no.
    let section =
        |length: usize| json!({"type": "section", "text": {"type": "mrkdwn", "text": "x".repeat(length)}});
    messages.insert("too long".into(), json!({"text": "x", "blocks": [section(3_001)]}));
    messages.insert("no such block".into(), json!({"text": "x", "blocks": [{"type": "sectoin"}]}));
    messages.insert("too many".into(), json!({"text": "x", "blocks": vec![section(1); 51]}));
    messages.insert("silent".into(), json!({"blocks": [section(1)]}));
    let Some(complaints) = slack_sdk::complaints(&Value::Object(messages)) else { return };
    let expected = [
        "no such block: block 0: unknown type 'sectoin'",
        "silent: no text, which is what a push notification shows",
        "too long: block 0: text attribute cannot exceed 3000 characters",
        "too many: 51 blocks, but at most 50",
    ];
    let mut complaints = complaints;
    complaints.sort();
    assert_eq!(complaints, expected);
}
