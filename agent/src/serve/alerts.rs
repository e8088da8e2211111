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
use super::page::{Escaped, page};
use crate::desk::{Board, Outlet};
use crate::moment::{readable, spoken};
use crate::render::plain;
use crate::store::Open;

const FORMS: &str = "<p>Also as <a href=\"/debug/alerts?format=text\">text</a> and \
    <a href=\"/debug/alerts?format=json\">JSON</a>. What is not told is what came back soon, what an open alert explains, \
    and what goes beyond the messages of a day; <a href=\"/debug/snapshots\">snapshots</a> show what alerts saw.</p>";

/// What the table of open alerts is headed by, and that of the sinks.
const OPEN: &str = "<tr><th>since<th>rule<th>says<th>messages<th>id</tr>";
const SINKS: &str =
    "<tr><th>sink<th>state<th>sent<th>waiting<th>retried<th>dropped<th>last arrived<th>last error</tr>";

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
    let mut body = format!("<p>{}</p>", Escaped(&summary(board)));
    if !board.open.is_empty() {
        let rows: String =
            board.open.iter().map(|(open, messages)| row(open, *messages, now, &has_snapshot)).collect();
        let _ = write!(body, "<div class=\"wide\"><table>{OPEN}{rows}</table></div>");
    }
    let rows: String = board.outlets.iter().map(|outlet| sink_row(outlet, now)).collect();
    let _ = write!(body, "<h2>sinks</h2><div class=\"wide\"><table>{SINKS}{rows}</table></div>");
    page("alerts", &(body + FORMS))
}

fn row(open: &Open, messages: u32, now: SystemTime, has_snapshot: &impl Fn(&str) -> bool) -> String {
    let id = Escaped(&open.id);
    let id = if has_snapshot(&open.id) {
        format!("<a href=\"/debug/flame?snapshot={id}\">{id}</a>")
    } else {
        id.to_string()
    };
    format!(
        "<tr><td>{}<br><small>{} ago</small><td>{}<td>{}<td>{messages}<td>{id}</tr>",
        readable(open.since),
        ago(open.since, now),
        Escaped(&open.rule),
        Escaped(&open.headline),
    )
}

fn sink_row(outlet: &Outlet, now: SystemTime) -> String {
    let Outlet { name, sent, retried, dropped, waiting, last_error, last_sent, .. } = outlet;
    let arrived = last_sent.map(|at| format!("{} ago", ago(at, now))).unwrap_or_default();
    format!(
        "<tr><td>{}<td>{}<td>{sent}<td>{waiting}<td>{retried}<td>{dropped}<td>{arrived}<td>{}</tr>",
        Escaped(name),
        state(outlet, now),
        Escaped(last_error.as_deref().unwrap_or_default()),
    )
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
