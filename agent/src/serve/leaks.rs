//! `/debug/leaks`: what leaks, as a page, as text or as JSON.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;

use super::Port;
use super::answer::{self, Refusal};
use super::ask::{Ask, Form};
use super::page::{Escaped, scripted};
use super::sheets::{Cell, Head, SCRIPT, flame, only, sheet};
use crate::leak::{Leak, Level, Part, Report, Subject, level};
use crate::moment::spoken;
use crate::render;
use crate::{Error, ErrorKind};

/// What each leak is told with, and each of its parts.
const LEAKS: [Head; 6] = [
    Head::Words("verdict"),
    Head::Words("what"),
    Head::Words("where"),
    Head::Number("a minute"),
    Head::Number("so far"),
    Head::Number("first told"),
];
const PARTS: [Head; 3] = [Head::Sorted("a minute"), Head::Words("through"), Head::Words("at")];

const FORMS: &str = "<p class=\"quiet\">Also as <a href=\"/debug/leaks?format=text\">text</a> and \
    <a href=\"/debug/leaks?format=json\">JSON</a>. A leak is told by ages, not by size: more of what a place allocates \
    outlives ten minutes, half an hour or an hour and a half than is freed at that age, hour after hour. The bounds of a rate \
    allow for chance alone: one that changes with the day is less sure than that.</p>";

pub(super) async fn show(State(port): State<Arc<Port>>, uri: Uri) -> Result<Response, Refusal> {
    let (report, now) = (port.desk.leaks(), port.desk.identity().started.elapsed());
    let form = Ask::of(&uri)?.form(Form::Page)?;
    let mut out = Vec::new();
    let written = match form {
        Form::Page => out.write_all(html(&report, now).as_bytes()),
        Form::Text => render::leaks::text(&report, now, &mut out),
        Form::Json => render::leaks::json(&report, now, &mut out),
    };
    written.map_err(|error| Error::new(ErrorKind::Io, "cannot write the leaks").because(error))?;
    Ok(answer::ok(form.media_type(), out))
}

fn html(report: &Report, now: Duration) -> String {
    let leaking = report.leaks.iter().any(|leak| leak.level != Level::Resolved);
    let class = if leaking { "wrong" } else { "well" };
    let summary = render::leaks::summary(report, now);
    let mut body = format!("<p class=\"state {class}\">{}</p>", Escaped(&summary));
    for line in &report.memory {
        let _ = write!(body, "<p>Memory: {}</p>", Escaped(line));
    }
    if !report.leaks.is_empty() {
        body += &sheet("leaks", LEAKS, report.leaks.iter().map(|leak| row(leak, now)));
    }
    for (leak, number) in report.leaks.iter().zip(1..) {
        body.push_str(&section(leak, number));
    }
    for remark in &report.remarks {
        let _ = write!(body, "<p>{}</p>", Escaped(remark));
    }
    scripted("leaks", &(body + FORMS), &[SCRIPT])
}

fn row(leak: &Leak, now: Duration) -> [Cell; 6] {
    let unit = leak.subject.unit();
    let (low, rate, high) = leak.rate;
    let route = leak.route.as_ref().map(|route| format!(" on {route}")).unwrap_or_default();
    let name = Cell::words(&format!("{}{route}", leak.name));
    let name = match profile(leak.subject) {
        Some(profile) => name.to(&flame(profile, &[("focus", &only(&leak.name))])),
        None => name,
    };
    let age = now.saturating_sub(leak.since);
    [
        Cell::words(level(leak.level)),
        Cell::words(leak.subject.as_str()),
        name.with(leak.place.as_deref().unwrap_or_default()),
        Cell::number(&unit.show(rate), rate).with(&format!("{} to {}", unit.show(low), unit.show(high))),
        Cell::number(&unit.show(leak.leaked.0), leak.leaked.0),
        Cell::number(&format!("{} ago", spoken(age)), age.as_secs_f64()),
    ]
}

/// The profile in which it is seen.
const fn profile(subject: Subject) -> Option<&'static str> {
    match subject {
        Subject::Heap => Some("heap"),
        Subject::Tasks => Some("tasks"),
        Subject::Threads | Subject::Descriptors => None,
    }
}

fn section(leak: &Leak, number: usize) -> String {
    let mut section = format!("<h2>{}</h2><p>{}.", Escaped(&leak.title()), Escaped(&leak.growth()));
    leak.reasons().iter().for_each(|reason| {
        let _ = write!(section, " {}", Escaped(reason));
    });
    section.push_str("</p>");
    if leak.parts.is_empty() {
        return section;
    }
    let part = |part: &Part| {
        let rate = Cell::number(&leak.subject.unit().show(part.rate), part.rate);
        [rate, Cell::words(&part.name), Cell::words(part.place.as_deref().unwrap_or_default())]
    };
    section + &sheet(&format!("parts-{number}"), PARTS, leak.parts.iter().map(part))
}
