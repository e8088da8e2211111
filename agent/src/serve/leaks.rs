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
use super::page::{Escaped, page};
use crate::leak::{Leak, Report, level};
use crate::moment::spoken;
use crate::render;
use crate::{Error, ErrorKind};

/// What each leak is told with.
const HEADS: &str = "<tr><th>verdict<th>what<th>where<th>grows a minute<th>so far<th>first told</tr>";

const FORMS: &str = "<p>Also as <a href=\"/debug/leaks?format=text\">text</a> and \
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
    let mut body = format!("<p>{}</p>", Escaped(&render::leaks::summary(report, now)));
    for line in &report.memory {
        let _ = write!(body, "<p>Memory: {}</p>", Escaped(line));
    }
    if !report.leaks.is_empty() {
        let rows: String = report.leaks.iter().map(|leak| row(leak, now)).collect();
        let _ = write!(body, "<div class=\"wide\"><table>{HEADS}{rows}</table></div>");
    }
    for leak in &report.leaks {
        body.push_str(&section(leak));
    }
    for remark in &report.remarks {
        let _ = write!(body, "<p>{}</p>", Escaped(remark));
    }
    page("leaks", &(body + FORMS))
}

fn row(leak: &Leak, now: Duration) -> String {
    let unit = leak.subject.unit();
    let (low, rate, high) = leak.rate;
    let route = leak.route.as_ref().map(|route| format!(" on {route}")).unwrap_or_default();
    format!(
        "<tr><td>{}<td>{}<td>{}{}<br><small>{}</small><td>{}<br><small>{} to {}</small><td>{}<td>{} ago</tr>",
        level(leak.level),
        leak.subject.as_str(),
        Escaped(&leak.name),
        Escaped(&route),
        Escaped(leak.place.as_deref().unwrap_or_default()),
        unit.show(rate),
        unit.show(low),
        unit.show(high),
        unit.show(leak.leaked.0),
        spoken(now.saturating_sub(leak.since)),
    )
}

fn section(leak: &Leak) -> String {
    let mut section = format!("<h2>{}</h2><p>{}.", Escaped(&leak.title()), Escaped(&leak.growth()));
    leak.reasons().iter().for_each(|reason| {
        let _ = write!(section, " {}", Escaped(reason));
    });
    section.push_str("</p>");
    if leak.parts.is_empty() {
        return section;
    }
    section.push_str("<div class=\"wide\"><table><tr><th>grows a minute<th>through<th>at</tr>");
    for part in &leak.parts {
        let rate = leak.subject.unit().show(part.rate);
        let place = part.place.as_deref().unwrap_or_default();
        let _ = write!(section, "<tr><td>{rate}<td>{}<td>{}</tr>", Escaped(&part.name), Escaped(place));
    }
    section + "</table></div>"
}
