//! `/debug/pprof/`, and the part of the overview that is the same: every profile with what it shows, how to look at it, and
//! the exact command.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::response::Response;

use super::Port;
use super::answer::{self, HTML};
use super::ask::MAX_SECONDS;
use super::page::{Escaped, scripted};
use crate::Unit;
use crate::source::Source;

/// What the form offers first: long enough to see something, short enough to wait for.
const OFFERED_SECONDS: u64 = 10;

const REST: &str = "<h2>others</h2><p class=\"quiet\"><code>mutex</code>, <code>block</code>, <code>goroutine</code> and \
    <code>threadcreate</code> are always answered under <code>/debug/pprof/</code>; where nothing is collected, with \
    an empty profile that says so. <code>tasks</code> and <code>goroutine</code> are one, <code>allocs</code> is \
    <code>heap</code> opened with what was allocated. <code>?seconds=N</code> gives what changed in N seconds, \
    <code>?raw=1</code> keeps the allocator's own frames, <code>?value=NAME</code> draws another value, \
    <code>?format=json</code> and <code>?format=folded</code> are for programs.</p>";

pub(super) async fn show(State(port): State<Arc<Port>>, headers: HeaderMap) -> Response {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let profiles = profiles(port.desk.sources(), &port.command(host));
    answer::ok(
        HTML,
        scripted("profiles", &format!("<h2 class=\"unseen\">collected</h2>{profiles}{REST}"), &[]),
    )
}

/// Every one of `sources`, asked for by `command`.
pub(super) fn profiles(sources: &[Arc<dyn Source>], command: &str) -> String {
    let sections: String = sources.iter().map(|source| section(source.as_ref(), command)).collect();
    format!("<div class=\"profiles\">{sections}</div>")
}

fn section(source: &dyn Source, command: &str) -> String {
    let (name, about) = (Escaped(source.name()), Escaped(source.about()));
    let count = source
        .count()
        .map_or_else(String::new, |count| format!(" <small>{}</small>", Unit::Count.show(count as f64)));
    let detail =
        source.detail().map(|detail| format!(" <small>{}</small>", Escaped(&detail))).unwrap_or_default();
    let path = format!("/debug/pprof/{name}");
    let links = if source.windowed() { String::new() } else { links(&path, source.name()) };
    let form = form(&path, source.name(), source.windowed());
    let seconds = if source.windowed() { format!("?seconds={OFFERED_SECONDS}") } else { String::new() };
    let command = format!("{command}{path}{seconds}'");
    let command = Escaped(&command);
    format!(
        "<article class=\"profile\"><h3>{name}{count}</h3><p>{about}{detail}</p><div class=\"ways\">{links}{form}\
         <code class=\"command\">{command}</code></div></article>\n"
    )
}

/// A profile that takes time is never a bare link: a form says how long it will be.
fn links(path: &str, name: &str) -> String {
    let name = Escaped(name);
    format!(
        "<span class=\"links\"><a class=\"main\" href=\"/debug/flame?profile={name}\">view</a> \
         <a href=\"/debug/top?profile={name}\">top 50</a> {}<a href=\"{path}?debug=1\">text</a> \
         <a href=\"{path}\">download</a></span>",
        if cfg!(feature = "flamegraph") {
            format!("<a href=\"{path}?format=svg\">SVG</a> <a href=\"{path}?format=png\">picture</a> ")
        } else {
            String::new()
        }
    )
}

/// What takes seconds, each of its forms a button.
fn form(path: &str, name: &str, windowed: bool) -> String {
    let what = if windowed { "over" } else { "what changes in" };
    let (name, main) = (Escaped(name), if windowed { " class=\"main\"" } else { "" });
    let elsewhere = |path: &str, words: &str, class: &str| {
        format!("<button formaction=\"{path}\" name=\"profile\" value=\"{name}\"{class}>{words}</button>")
    };
    let here =
        |format: &str, words: &str| format!("<button name=\"format\" value=\"{format}\">{words}</button>");
    let drawn = if cfg!(feature = "flamegraph") && windowed {
        here("svg", "SVG") + &here("png", "picture")
    } else {
        String::new()
    };
    let form = format!(
        "<form action=\"{path}\"><label>{what} <input type=\"number\" name=\"seconds\" min=\"1\" max=\"{MAX_SECONDS}\" \
         value=\"{OFFERED_SECONDS}\"> s</label> {}{}{drawn}{}{}</form>",
        elsewhere("/debug/flame", "view", main),
        elsewhere("/debug/top", "top 50", ""),
        here("text", "text"),
        here("pprof", "download")
    );
    if windowed { form } else { format!("<details><summary>change</summary>{form}</details>") }
}
