//! The page of alerts: what is open, what was not told, and whether alerts arrive.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::{SCRIPT, Server, snapshot};
use crate::desk::{Desk, Outlet};
use crate::store::Open;

/// Says it in a way that tries the terminal and the page.
const HOSTILE: &str = "<script>alert(1)</script>\x1b[2J";

fn fill(desk: &Desk) {
    for (id, rule) in [("a1", "rss.share high"), ("nothing-kept", "heap leak in orders")] {
        let since = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        desk.store().opened(Open {
            id: id.to_owned(),
            rule: rule.to_owned(),
            headline: "bare".to_owned(),
            since,
        });
    }
    for id in ["a1", "a1", "nobody"] {
        desk.store().retitled(id, "rss.share high", HOSTILE);
    }
    let day = Duration::from_secs(24 * 60 * 60);
    let down = Outlet {
        name: "webhook".to_owned(),
        retried: 7,
        waiting: 2,
        last_error: Some(HOSTILE.to_owned()),
        down_since: SystemTime::now().checked_sub(day),
        ..Outlet::default()
    };
    let up =
        Outlet { name: "log".to_owned(), sent: 3, last_sent: Some(SystemTime::now()), ..Outlet::default() };
    let new = Outlet { name: "slack".to_owned(), ..Outlet::default() };
    desk.set_board(vec![up, down, new], vec![("came_back", 4), ("full", 1)]);
    desk.keep(snapshot("a1", "heap", 1));
}

#[test]
fn it_says_what_is_open_what_was_not_told_and_who_is_down() {
    let server = Server::showing(fill);
    let summary = "2 open; 5 not told (came back: 4, full: 1); 1 of 3 sinks is down.";
    let text = server.get("/debug/alerts?format=text");
    assert_eq!((text.status, text.header("content-type")), (200, "text/plain; charset=utf-8"));
    let text = text.text();
    assert!(text.starts_with(summary), "{text}");
    assert!(text.contains("\nrss.share high since 2023-11-14T22:13:20Z ("), "{text}");
    assert!(
        text.contains("\\u{1b}[2J\n  2 messages, id a1\n") && text.contains("\n  bare\n  0 messages"),
        "{text}"
    );
    assert!(
        text.contains("sink log: up; 3 sent, 0 waiting") && text.contains("sink slack: not tried yet;"),
        "{text}"
    );
    assert!(text.contains("sink webhook: down for 24 h; 0 sent, 2 waiting, 7 retried"), "{text}");
    assert!(!text.contains('\x1b'), "{text}");
    let page = server.get("/debug/alerts");
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let page = page.text();
    assert!(page.contains(summary) && page.contains(" data-head=\"state\">down for 24 h<td"), "{page}");
    assert!(page.contains("<a href=\"/debug/flame?snapshot=a1\""), "{page}");
    assert!(page.contains("<td data-head=\"id\">nothing-kept</tr>") && !page.contains(SCRIPT), "{page}");
}

#[test]
fn programs_get_it_as_json() {
    let server = Server::showing(fill);
    let answer = server.get("/debug/alerts?format=json");
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    let document: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let open = json!({
        "id": "a1", "rule": "rss.share high", "headline": HOSTILE, "since": "2023-11-14T22:13:20Z", "messages": 2,
    });
    assert_eq!(document["open"][0], open);
    assert_eq!(document["not_told"], json!({"came_back": 4, "full": 1}));
    assert_eq!(document["sinks"][1]["name"], "webhook");
    assert!(document["sinks"][1]["down_since"].is_string() && document["sinks"][1]["last_sent"].is_null());
    assert!(server.get("/metrics").text().contains("\nflamewatch_alerts_open 2\n"));
    assert_eq!(server.get("/debug/alerts?format=svg").status, 400);
}

#[test]
fn where_nothing_is_open_it_says_so() {
    let text = Server::start().get("/debug/alerts?format=text");
    assert!(text.text().starts_with("Nothing is open; no sink is known to be down."), "{}", text.text());
}
