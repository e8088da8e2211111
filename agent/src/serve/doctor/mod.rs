//! `/debug/doctor`: what works in this process, what does not, and how to mend it; as a page, as text or as JSON. A check-up
//! of everything that can be tried out, and what the running agent has noticed meanwhile.

mod live;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use serde_json::json;

use super::answer::{self, Refusal};
use super::ask::{Ask, Form};
use super::page::scripted;
use super::sheets::{Cell, Head, SCRIPT, forms, sheet};
use super::{Port, page};
use crate::desk::on_quiet_thread;
use crate::doctor::{Check, State as Standing};
use crate::moment::spoken;
use crate::render::plain;

const ABOUT: &str = "<p class=\"quiet\">What can be tried out is tried out when this page is asked for, at most once a minute: a \
    forced sample, 150 ms of CPU time, a connection to each sink. The rest is what the agent has noticed since it runs.</p>";

pub(super) async fn show(
    State(port): State<Arc<Port>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Refusal> {
    let form = Ask::of(&uri)?.form(Form::taken_by(&headers))?;
    let permit = port.permit()?;
    let body = on_quiet_thread(move || {
        let (report, ago) = port.desk.checkup();
        let mut checks = report.checks.clone();
        checks.extend(live::checks(&port));
        // What is broken comes first; otherwise in the order in which it should be mended.
        checks.sort_by_key(Check::state);
        drop(permit);
        match form {
            Form::Page => html(&checks, ago),
            Form::Text => text(&checks, ago),
            Form::Json => document(&checks, ago),
        }
    });
    Ok(answer::ok(form.media_type(), body.await?))
}

/// `1 broken, 2 hints, 14 fine; looked at 3 s ago.`
fn summary(checks: &[Check], ago: Duration) -> String {
    let count = |state| checks.iter().filter(|check| check.state() == state).count();
    let (broken, hints, fine) = (count(Standing::Broken), count(Standing::Hint), count(Standing::Fine));
    let hints = if hints == 1 { "1 hint".to_owned() } else { format!("{hints} hints") };
    let ago = if ago.as_secs() == 0 { "just now".to_owned() } else { format!("{} ago", spoken(ago)) };
    format!("{broken} broken, {hints}, {fine} fine; looked at {ago}.")
}

fn text(checks: &[Check], ago: Duration) -> String {
    let mut text = format!("{}\n\n", summary(checks, ago));
    for check in checks {
        let _infallible = writeln!(text, "{:<6}  {}", check.state().as_str(), plain(&check.to_string()));
    }
    text
}

fn document(checks: &[Check], ago: Duration) -> String {
    let row = |check: &Check| {
        json!({
            "name": check.name, "state": check.state().as_str(), "finding": check.finding, "remedy": check.remedy,
        })
    };
    let well = checks.iter().all(|check| check.ok);
    let rows: Vec<_> = checks.iter().map(row).collect();
    format!("{}\n", json!({ "well": well, "looked_seconds_ago": ago.as_secs(), "checks": rows }))
}

fn html(checks: &[Check], ago: Duration) -> String {
    let worst = checks.iter().map(Check::state).min();
    let class = if worst == Some(Standing::Broken) { "wrong" } else { "well" };
    let summary = format!("<p class=\"state {class}\">{}</p>", page::Escaped(&summary(checks, ago)));
    let heads = [Head::Words("state"), Head::Words("what"), Head::Words("found"), Head::Words("what to do")];
    scripted(
        "doctor",
        &(summary + &sheet("checks", heads, checks.iter().map(row)) + ABOUT + &forms("doctor")),
        &[SCRIPT],
    )
}

fn row(check: &Check) -> [Cell; 4] {
    let state = check.state().as_str();
    [
        Cell::html(format!("<span class=\"badge {state}\">{state}</span>")),
        Cell::words(check.name),
        Cell::words(&check.finding),
        Cell::words(check.remedy.as_deref().unwrap_or_default()),
    ]
}
