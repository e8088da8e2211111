//! The first page: every profile with what it shows, how to look at it, and the exact command.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::response::Response;

use super::Port;
use super::answer::{self, HTML};
use super::ask::MAX_SECONDS;
use super::page::{Escaped, page};
use crate::Unit;
use crate::render::Format;
use crate::source::Source;

/// What the form offers first: long enough to see something, short enough to wait for.
const OFFERED_SECONDS: u64 = 10;

/// What is counted and not sampled, each with what it says.
const TABLES: &str = "<h2>tables</h2><ul><li><a href=\"/debug/leaks\">leaks</a>: what grows and is never freed, by name\
    <li><a href=\"/debug/alerts\">alerts</a>: what is open, what was not told, and whether alerts arrive\
    <li><a href=\"/debug/tasks\">tasks</a>: every task alive, the oldest first\
    <li><a href=\"/debug/memory\">memory</a>: what it consists of, which part grows, when it runs out\
    <li><a href=\"/debug/routes\">routes</a>: requests by route, how long they take, how many are in flight\
    <li><a href=\"/debug/segments\">segments</a>: operations on other systems\
    <li><a href=\"/debug/stats\">stats</a>: rates of both over 1, 5 and 15 minutes, and all gauges, as JSON\
    <li><a href=\"/debug/threads\">threads</a>: every thread with its stack\
    <li><a href=\"/metrics\">metrics</a>: every number, for Prometheus</ul>\
    <p>As text; <code>?format=json</code> is for programs, <code>?page=</code> and <code>?size=</code> turn the pages of \
    the tasks.</p>";

const REST: &str = "<h2>others</h2><p><code>mutex</code>, <code>block</code>, <code>goroutine</code> and \
    <code>threadcreate</code> are always answered under <code>/debug/pprof/</code>; where nothing is collected, with \
    an empty profile that says so. <code>tasks</code> and <code>goroutine</code> are one, <code>allocs</code> is \
    <code>heap</code> opened with what was allocated. <code>?seconds=N</code> gives what changed in N seconds, \
    <code>?raw=1</code> keeps the allocator's own frames, <code>?value=NAME</code> draws another value, \
    <code>?format=json</code> and <code>?format=folded</code> are for programs.</p>";

pub(super) async fn show(State(port): State<Arc<Port>>, headers: HeaderMap) -> Response {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let user = if port.access.is_guarded() { "x:$TOKEN@" } else { "" };
    let mut body = about(&port.desk.about());
    for source in port.desk.sources() {
        body.push_str(&section(source.as_ref(), &format!("http://{user}{host}")));
    }
    answer::ok(HTML, page("profiles", &(body + TABLES + REST)))
}

fn about(lines: &[(String, String)]) -> String {
    let rows = lines.iter().fold(String::new(), |mut rows, (name, value)| {
        let _ = write!(rows, "<tr><th>{}<td>{}</tr>", Escaped(name), Escaped(value));
        rows
    });
    format!("<div class=\"wide\"><table>{rows}</table></div>\n")
}

fn section(source: &dyn Source, base: &str) -> String {
    let (name, about) = (Escaped(source.name()), Escaped(source.about()));
    let count = source
        .count()
        .map_or_else(String::new, |count| format!(" <small>{}</small>", Unit::Count.show(count as f64)));
    let detail =
        source.detail().map(|detail| format!(" <small>{}</small>", Escaped(&detail))).unwrap_or_default();
    let path = format!("/debug/pprof/{name}");
    let links = if source.windowed() { String::new() } else { links(&path) };
    let form = form(&path, source.windowed());
    let seconds = if source.windowed() { format!("?seconds={OFFERED_SECONDS}") } else { String::new() };
    let command = format!("go tool pprof '{}{path}{seconds}'", Escaped(base));
    format!("<h2>{name}{count}</h2><p>{about}{detail}</p>{links}{form}<pre>{command}</pre>\n")
}

/// A profile that takes time is never a bare link: a form says how long it will be.
fn links(path: &str) -> String {
    let graph = if cfg!(feature = "flamegraph") {
        format!("<a href=\"{path}?format=svg\">flame graph</a><a href=\"{path}?format=png\">picture</a>")
    } else {
        String::new()
    };
    format!("<p>{graph}<a href=\"{path}?debug=1\">text</a><a href=\"{path}\">download</a></p>")
}

fn form(path: &str, windowed: bool) -> String {
    let what = if windowed { "over" } else { "what changes in" };
    let shown =
        |format: &Format| !matches!(format, Format::Svg | Format::Png) || cfg!(feature = "flamegraph");
    let order = [Format::Svg, Format::Png, Format::Text, Format::Pprof, Format::Folded, Format::Json];
    let options: String = order.iter().filter(|format| shown(format)).map(|format| option(*format)).collect();
    format!(
        "<form action=\"{path}\"><label>{what} <input type=\"number\" name=\"seconds\" min=\"1\" max=\"{MAX_SECONDS}\" \
         value=\"{OFFERED_SECONDS}\"> seconds</label> <label>as <select name=\"format\">{options}</select></label> \
         <button>go</button></form>"
    )
}

fn option(format: Format) -> String {
    let words = match format {
        Format::Svg => "flame graph",
        Format::Png => "picture",
        Format::Pprof => "download",
        other => other.name(),
    };
    format!("<option value=\"{}\">{words}</option>", format.name())
}
