//! `/debug/alerts`: what is open, what was not told, and whether alerts arrive; as a page, as text or as JSON.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde_json::{Value, json};

use super::Port;
use super::answer::{self, Refusal};
use super::ask::{Ask, Form};
use super::page::{Escaped, scripted};
use super::sheets::{Cell, Head, SCRIPT, sheet};
use crate::desk::{Board, Outlet};
use crate::moment::{readable, spoken};
use crate::render::plain;
use crate::store::Open;

const FORMS: &str = "<p class=\"quiet\">Also as <a href=\"/debug/alerts?format=text\">text</a> and \
    <a href=\"/debug/alerts?format=json\">JSON</a>. What is not told is what came back soon, what an open alert explains, \
    and what goes beyond the messages of a day; <a href=\"/debug/snapshots\">snapshots</a> show what alerts saw.</p>";

const OPEN: [Head; 6] = [
    Head::Words("rule"),
    Head::Words("says"),
    Head::Number("since"),
    Head::Number("messages"),
    Head::Ways("look"),
    Head::Words("id"),
];
const SINKS: [Head; 8] = [
    Head::Words("sink"),
    Head::Words("state"),
    Head::Number("sent"),
    Head::Number("waiting"),
    Head::Number("retried"),
    Head::Number("dropped"),
    Head::Number("last arrived"),
    Head::Words("last error"),
];

pub(super) async fn show(State(port): State<Arc<Port>>, uri: Uri) -> Result<Response, Refusal> {
    let (board, now) = (port.desk.board(), SystemTime::now());
    let has_snapshot = |id: &str| port.desk.snapshot(id).is_some();
    let form = Ask::of(&uri)?.form(Form::Page)?;
    let body = match form {
        Form::Page => html(&board, now, has_snapshot),
        Form::Text => text(&board, now),
        Form::Json => format!("{}\n", document(&board)),
    };
    Ok(answer::ok(form.media_type(), body))
}

/// `2 open; 3 not told (came back: 3); 1 of 4 sinks is down.`
fn summary(board: &Board) -> String {
    let mut text = match board.open.len() {
        0 => "Nothing is open".to_owned(),
        count => format!("{count} open"),
    };
    let total: u64 = board.suppressed.iter().map(|(_, count)| count).sum();
    if total > 0 {
        let why: Vec<String> = board
            .suppressed
            .iter()
            .map(|(why, count)| format!("{}: {count}", why.replace('_', " ")))
            .collect();
        let _ = write!(text, "; {total} not told ({})", why.join(", "));
    }
    let (down, all) =
        (board.outlets.iter().filter(|outlet| outlet.down_since.is_some()).count(), board.outlets.len());
    let _ = match down {
        0 => write!(text, "; no sink is known to be down."),
        1 => write!(text, "; 1 of {all} sinks is down."),
        _ => write!(text, "; {down} of {all} sinks are down."),
    };
    text
}

fn text(board: &Board, now: SystemTime) -> String {
    let mut text = format!("{}\n", summary(board));
    for (open, messages) in &board.open {
        let Open { id, rule, headline, since } = open;
        let _ = writeln!(text, "\n{} since {} ({} ago)", plain(rule), readable(*since), ago(*since, now));
        let _ = writeln!(text, "  {}\n  {}, id {}", plain(headline), told(*messages), plain(id));
    }
    text.push('\n');
    for outlet in &board.outlets {
        let Outlet { name, sent, retried, dropped, files_left_out, waiting, .. } = outlet;
        let _ = writeln!(
            text,
            "sink {}: {}; {sent} sent, {waiting} waiting, {retried} retried, {dropped} dropped, {files_left_out} files left out",
            plain(name),
            state(outlet, now)
        );
        if let Some(error) = &outlet.last_error {
            let _ = writeln!(text, "  last error: {}", plain(error));
        }
    }
    text
}

fn document(board: &Board) -> Value {
    let open = |(open, messages): &(Open, u32)| {
        json!({
            "id": open.id, "rule": open.rule, "headline": open.headline, "since": readable(open.since),
            "messages": messages,
        })
    };
    let outlet = |outlet: &Outlet| {
        json!({
            "name": outlet.name, "sent": outlet.sent, "waiting": outlet.waiting, "retried": outlet.retried,
            "dropped": outlet.dropped, "files_left_out": outlet.files_left_out, "last_error": outlet.last_error,
            "last_sent": outlet.last_sent.map(readable), "down_since": outlet.down_since.map(readable),
        })
    };
    json!({
        "open": board.open.iter().map(open).collect::<Vec<_>>(),
        "not_told": board.suppressed.iter().map(|(why, count)| ((*why).to_owned(), json!(count))).collect::<serde_json::Map<_, _>>(),
        "sinks": board.outlets.iter().map(outlet).collect::<Vec<_>>(),
    })
}

fn html(board: &Board, now: SystemTime, has_snapshot: impl Fn(&str) -> bool) -> String {
    let worst = if board.open.is_empty() { "well" } else { "wrong" };
    let mut body = format!("<p class=\"state {worst}\">{}</p>", Escaped(&summary(board)));
    if !board.open.is_empty() {
        let rows = board.open.iter().map(|(open, messages)| row(open, *messages, now, &has_snapshot));
        body += &sheet("open", OPEN, rows);
    }
    body += "<h2>sinks</h2>";
    body += &sheet("sinks", SINKS, board.outlets.iter().map(|outlet| sink_row(outlet, now)));
    scripted("alerts", &(body + FORMS), &[SCRIPT])
}

fn row(open: &Open, messages: u32, now: SystemTime, has_snapshot: &impl Fn(&str) -> bool) -> [Cell; 6] {
    let view = format!("/debug/flame?snapshot={}", open.id);
    [
        Cell::words(&open.rule),
        Cell::words(says(open)),
        aged(open.since, now).with(&readable(open.since)),
        Cell::count(messages.into()),
        if has_snapshot(&open.id) { Cell::words("flame graph").to(&view) } else { Cell::default() },
        Cell::words(&open.id),
    ]
}

fn sink_row(outlet: &Outlet, now: SystemTime) -> [Cell; 8] {
    let Outlet { name, sent, retried, dropped, waiting, last_error, last_sent, down_since, .. } = outlet;
    let standing = Cell::words(&state(outlet, now));
    [
        Cell::words(name),
        if down_since.is_some() { standing.wrong() } else { standing },
        Cell::count(*sent),
        Cell::count(*waiting as u64),
        Cell::count(*retried),
        Cell::errors(*dropped),
        last_sent.map_or_else(Cell::default, |at| aged(at, now)),
        Cell::words(last_error.as_deref().unwrap_or_default()),
    ]
}

/// The headline without the name of the rule, which stands beside it; that of a leak begins with it.
pub(super) fn says(open: &Open) -> &str {
    open.headline.strip_prefix(&open.rule).unwrap_or(&open.headline).trim_start_matches([',', ' '])
}

/// How long ago it was.
fn aged(at: SystemTime, now: SystemTime) -> Cell {
    let age = now.duration_since(at).unwrap_or_default();
    Cell::number(&format!("{} ago", spoken(age)), age.as_secs_f64())
}

/// `up`, `not tried yet`, or `down for 7 min`.
fn state(outlet: &Outlet, now: SystemTime) -> String {
    match (outlet.down_since, outlet.last_sent) {
        (Some(since), _) => format!("down for {}", ago(since, now)),
        (None, Some(_)) => "up".to_owned(),
        (None, None) => "not tried yet".to_owned(),
    }
}

fn told(messages: u32) -> String {
    if messages == 1 { "1 message".to_owned() } else { format!("{messages} messages") }
}

fn ago(at: SystemTime, now: SystemTime) -> String {
    spoken(now.duration_since(at).unwrap_or_default())
}
