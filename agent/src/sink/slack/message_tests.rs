use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::sink::Kind;

/// An alert as the agent wrote it for the sink `Dir`: `fixtures/data/slack/alerts/NAME.json`.
fn written(name: &str) -> Alert {
    let path = data().join("alerts").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let json: Value = serde_json::from_str(&text).expect("json");
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let lines = |value: &Value| value.as_array().into_iter().flatten().filter_map(text).collect();
    let known = |name: &str| text(&json[name]).expect(name);
    let state = if json["state"] == "resolved" { State::Resolved } else { State::Firing };
    let mut alert = Alert::new(known("id"), state, known("service"), known("rule"));
    let kinds = [Kind::New, Kind::Reply, Kind::Reminder, Kind::Resolved];
    alert.kind = kinds.into_iter().find(|kind| json["kind"] == kind.as_str()).expect("a kind");
    alert.headline = known("headline");
    alert.time_left = text(&json["time_left"]);
    (alert.details, alert.context) = (lines(&json["details"]), lines(&json["context"]));
    alert.snapshot_url = text(&json["snapshot_url"]);
    alert.at = UNIX_EPOCH + Duration::from_secs(json["unix_seconds"].as_u64().expect("a time"));
    let sites = json["sites"].as_array().expect("sites").iter().map(|site| Site {
        relative_error: site["relative_error"].as_f64().expect("an error"),
        share: site["share"].as_f64().expect("a share"),
        share_of: ["the total", "all that leaks", "this leak"]
            .into_iter()
            .find(|of| site["share_of"] == **of)
            .unwrap_or("the growth"),
        ..Site::new(
            text(&site["function"]).expect("a name"),
            text(&site["place"]),
            text(&site["growth"]).expect("growth"),
        )
    });
    alert.sites = sites.collect();
    alert
}

fn data() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/data/slack")
}

/// What the agent tells of.
const WRITTEN: [&str; 13] = [
    "cpu_high.json",
    "died.json",
    "fds_leak.json",
    "heap_growing.json",
    "heap_leak.json",
    "reminder.json",
    "reply.json",
    "resolved.json",
    "rss_high.json",
    "tasks_growing.json",
    "tasks_leak.json",
    "threads_leak.json",
    "worker_blocked.json",
];

fn hostile() -> Alert {
    let mut alert = Alert::new("<!here>", State::Firing, "<!channel>&co", "queue <a|b> growing");
    alert.headline = "*const u8 & <!channel>\nsecond line".into();
    alert.details = vec!["<@U123> <https://evil.example|click> `code`".into()];
    let site = Site::new("a`<!subteam^S1>`b", Some("x`.rs:1".into()), "<!everyone>");
    alert.sites = vec![Site { relative_error: f64::NAN, share: f64::INFINITY, ..site }];
    alert.snapshot_url = Some("http://h/<!channel>".into());
    alert.context = vec!["<!channel>".into()];
    alert.at = UNIX_EPOCH;
    alert
}

fn json(alert: &Alert) -> Value {
    serde_json::to_value(laid_out(alert)).expect("json")
}

#[track_caller]
fn golden(name: &str, alert: &Alert) {
    let path = data().join(name);
    let actual = json(alert);
    if std::env::var_os("BLESS").is_some() {
        let text = serde_json::to_string_pretty(&actual).expect("json") + "\n";
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, text).expect("blessed");
    }
    let expected = std::fs::read_to_string(&path).expect("a golden file; BLESS=1 makes it");
    // Compared as values: whether keys keep their order is up to a feature that any crate may turn on.
    let expected: Value = serde_json::from_str(&expected).expect("json");
    assert_eq!(actual, expected, "{name} differs; BLESS=1 accepts it");
}

#[test]
fn as_blessed() {
    for name in WRITTEN {
        golden(name, &written(name));
    }
    golden("hostile.json", &hostile());
}

#[test]
fn a_summary_is_one_line() {
    assert_eq!(
        summary(&written("heap_growing.json")),
        "🔴 leaky_shop: OOM in ~4 min (4 to 5); heap.allocated: 137 MiB more every minute (± 123 KiB) for 15 s, now 35.6 \
         MiB; suspect leaky_shop::orders::remember (fixtures/src/bin/leaky_shop/orders.rs:33), 100 % of the growth"
    );
    let leak = summary(&written("heap_leak.json"));
    assert_eq!(leak.matches("leak_zoo::").count(), 1, "named once: {leak}");
    assert!(!summary(&hostile()).contains('\n'));
}

#[test]
fn nothing_pings() {
    let shown = json(&hostile()).to_string();
    for ping in ["<!channel", "<!here", "<!everyone", "<!subteam", "<@", "<https://evil"] {
        // A header is plain text, in which Slack reads no markup.
        let in_header = usize::from(ping == "<!channel");
        assert_eq!(shown.matches(ping).count(), in_header, "{ping} in {shown}");
    }
}

#[test]
fn the_largest_alert_fits() {
    let mut alert = written("heap_growing.json");
    let long = "<&>🔥`".repeat(2_000);
    alert.service = long.clone();
    alert.rule = long.clone();
    alert.headline = long.clone();
    alert.id = long.clone();
    alert.details = vec![long.clone(); 500];
    alert.context = vec![long.clone(); 500];
    let site = Site::new(long.as_str(), Some(long.clone()), long.as_str());
    alert.sites = vec![Site { relative_error: 1e300, share: 1e300, ..site }; 500];
    let message = json(&alert);
    let blocks = message["blocks"].as_array().expect("blocks");
    assert!(blocks.len() <= MAX_BLOCKS);
    for block in blocks {
        let (text, limit) = match block["type"].as_str().expect("a type") {
            "header" => (&block["text"]["text"], MAX_HEADER),
            "section" => (&block["text"]["text"], MAX_SECTION),
            _ => (&block["elements"][0]["text"], MAX_SECTION),
        };
        let length = units(text.as_str().expect("text"));
        assert!((1..=limit).contains(&length), "{length} > {limit}");
    }
    assert!(message.to_string().contains("more"), "what was left out is said");
}

/// In the order in which it is read: what, how much, where, and only then the small print.
#[test]
fn each_is_read_from_the_top() {
    for name in WRITTEN {
        let message = json(&written(name));
        let blocks = message["blocks"].as_array().expect("blocks");
        let kinds: Vec<&str> = blocks.iter().filter_map(|block| block["type"].as_str()).collect();
        let (first, middle, last) = (kinds[0], &kinds[1..kinds.len() - 1], kinds[kinds.len() - 1]);
        assert_eq!((first, last), ("header", "context"), "{name}");
        assert!(middle.iter().all(|kind| *kind == "section") && middle.len() <= 3, "{name}: {kinds:?}");
        let header = blocks[0]["text"]["text"].as_str().expect("text");
        let alert = written(name);
        assert!(header.contains(&format!("{}: {}", alert.service, alert.rule)), "{header}");
        assert!(alert.time_left.is_none_or(|left| header.ends_with(&left)), "{header}");
    }
}
