//! `/debug/flame` and `/debug/top`: a profile or a snapshot as a flame graph drawn in the browser, and as a table that
//! needs no script. What is looked at stands in the query, how it is looked at behind the `#`, so that a link keeps both.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::header::HOST;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;

use super::answer::{self, HTML, Refusal};
use super::ask::Ask;
use super::page::{Escaped, scripted};
use super::profiles::{self, Wanted};
use super::{Port, snapshots};
use crate::desk::on_quiet_thread;
use crate::moment;
use crate::profile::Profile;
use crate::render::{self, Report};
use crate::{Error, ErrorKind};

/// How many functions the table has.
const ROWS: usize = 50;

/// The parts of the query that say what is looked at, and are handed on to where the profile comes from.
const HANDED_ON: [&str; 6] = ["seconds", "last", "hz", "raw", "base", "value"];

/// What draws, and what that imports.
const MODULES: [&str; 11] = [
    "flame.js",
    "icicle.js",
    "nodes.js",
    "owners.js",
    "pprof.js",
    "table.js",
    "tools.js",
    "tree.js",
    "units.js",
    "view.js",
    "words.js",
];

/// What a page is about.
pub(super) struct Subject {
    /// In words.
    title: String,
    /// Why there is such a snapshot.
    why: String,
    /// Where the profile itself is.
    path: String,
    /// The query for there; empty, or with `?`.
    query: String,
    /// The query of this page.
    own_query: String,
    what: What,
}

enum What {
    Profile(String),
    Snapshot(String),
}

impl Subject {
    /// Reads what `uri` is about: `?snapshot=ID&base=ID`, `?profile=NAME&seconds=N`, or `?profile=NAME&base=ID`.
    fn of(port: &Port, uri: &Uri, ask: &Ask) -> Result<Self, Refusal> {
        let pairs: Query<Vec<(String, String)>> =
            Query::try_from_uri(uri).map_err(|_| Refusal::invalid("the query cannot be read"))?;
        let find = |key: &str| pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
        let mut why = String::new();
        let (what, path, title) = match (find("snapshot"), find("profile")) {
            (Some(id), _) => {
                let snapshot = port.snapshot(&id)?;
                let base = ask.base.as_deref().map(|base| port.snapshot(base)).transpose()?;
                let kind = &snapshot.about.kind;
                let title = match base {
                    Some(base) => format!("{kind}: {id} less {}", base.about.id),
                    None => format!("{kind}: {id}"),
                };
                why = format!("{}: {}", moment::readable(snapshot.about.taken), snapshot.about.trigger);
                let path = format!("/debug/snapshots/{id}");
                (What::Snapshot(id), path, title)
            }
            (None, Some(name)) => {
                let base = Wanted::of(&port.desk, &name)?.base(port, ask)?;
                let path = format!("/debug/pprof/{name}");
                let title = match base {
                    Some(base) => {
                        let (taken, trigger) = (moment::readable(base.about.taken), &base.about.trigger);
                        why = format!("what changed since {taken}, when it was kept: {trigger}");
                        format!("{name}: now less {}", base.about.id)
                    }
                    None => name.clone(),
                };
                (What::Profile(name), path, title)
            }
            (None, None) => return Err(Refusal::invalid("say which: ?profile=heap, or ?snapshot=ID")),
        };
        let safe =
            |value: &str| value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        let handed: Vec<String> = pairs
            .iter()
            .filter(|(name, value)| HANDED_ON.contains(&name.as_str()) && safe(value))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let query = handed.join("&");
        let own = match &what {
            What::Profile(name) => format!("profile={name}"),
            What::Snapshot(id) => format!("snapshot={id}"),
        };
        let own_query =
            [own, query.clone()].iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>();
        Ok(Self { title, why, path, query, own_query: own_query.join("&"), what })
    }

    /// The profile's own address with `extra` in its query.
    fn with(&self, extra: &str) -> String {
        let parts: Vec<&str> =
            [self.query.as_str(), extra].into_iter().filter(|part| !part.is_empty()).collect();
        if parts.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, parts.join("&")) }
    }
}

/// The page on which the browser draws. It costs nothing: the profile is collected when the script asks for it.
pub(super) async fn show(
    State(port): State<Arc<Port>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Refusal> {
    let ask = Ask::of(&uri)?;
    let subject = Subject::of(&port, &uri, &ask)?;
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let body = format!(
        "{}<div id=\"flame\" data-source=\"{}\"{}></div>{}",
        links(&subject, &port.command(host)),
        Escaped(&subject.with("owners=1")),
        hints(&port, &subject, &ask)?,
        include_str!("viewer/flame.html"),
    );
    Ok(answer::ok(HTML, scripted(&subject.title, &body, &MODULES)))
}

/// The same as a table.
pub(super) async fn top(State(port): State<Arc<Port>>, uri: Uri) -> Result<Response, Refusal> {
    let ask = Ask::of(&uri)?;
    let subject = Subject::of(&port, &uri, &ask)?;
    let permit = port.permit()?;
    let profile = subject.profile(&port, &ask).await?;
    let options = ask.options(&profile)?;
    let report = on_quiet_thread(move || {
        let report = render::report(&profile, &options, ROWS);
        drop(permit);
        report
    });
    let failed = |error| Error::new(ErrorKind::Io, "cannot write the table").because(error);
    let report = report.await?.map_err(failed)?;
    let flame = format!("<p><a href=\"/debug/flame?{}\">flame graph</a></p>", Escaped(&subject.own_query));
    Ok(answer::ok(HTML, scripted(&subject.title, &(flame + &table(&report)), &[])))
}

/// The same checks, no work.
pub(super) async fn head(State(port): State<Arc<Port>>, uri: Uri) -> Result<Response, Refusal> {
    Subject::of(&port, &uri, &Ask::of(&uri)?)?;
    Ok(answer::ok(HTML, Vec::new()))
}

impl Subject {
    async fn profile(&self, port: &Port, ask: &Ask) -> Result<Profile, Refusal> {
        match &self.what {
            What::Profile(name) => profiles::collected(port, name, ask).await,
            What::Snapshot(id) => snapshots::profile(port, id, ask.base.as_deref()).await,
        }
    }
}

/// What the script cannot see by the profile: whether it is a difference, and for how many seconds one has to wait.
fn hints(port: &Port, subject: &Subject, ask: &Ask) -> Result<String, Refusal> {
    let (delta, wait) = match &subject.what {
        What::Profile(name) => {
            let wanted = Wanted::of(&port.desk, name)?;
            let wait =
                if ask.looks_back() { 0 } else { ask.seconds.unwrap_or(wanted.default_length().as_secs()) };
            (ask.base.is_some() || ask.seconds.is_some() && !wanted.is_windowed(), wait)
        }
        What::Snapshot(_) => (ask.base.is_some(), 0),
    };
    Ok(format!("{} data-wait=\"{wait}\"", if delta { " data-delta=\"1\"" } else { "" }))
}

/// The other forms of the same, which need no script.
fn links(subject: &Subject, command: &str) -> String {
    let link = |href: &str, words: &str| format!("<a href=\"{}\">{words}</a> ", Escaped(href));
    let mut links = link(&format!("/debug/top?{}", subject.own_query), &format!("top {ROWS}"));
    if cfg!(feature = "flamegraph") {
        links += &link(&subject.with("format=svg"), "SVG");
        links += &link(&subject.with("format=png"), "picture");
    }
    links += &link(&subject.with("format=text"), "text");
    links += &link(&subject.with(""), "download");
    let why = match subject.why.as_str() {
        "" => String::new(),
        why => format!("<p>{}</p>", Escaped(why)),
    };
    let command = format!("{command}{}'", subject.with(""));
    format!(
        "{why}<noscript><p>The flame graph is drawn by a script; these need none:</p></noscript>\
         <p class=\"links\">{links}<code class=\"command\">{}</code></p>",
        Escaped(&command)
    )
}

fn table(report: &Report) -> String {
    let mut html = String::new();
    let (first, rest) = report.head.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
    let rest: Vec<String> = rest.iter().map(|line| Escaped(line).to_string()).collect();
    let _ = write!(html, "<p>{}</p><p class=\"quiet\">{}</p>", Escaped(first), rest.join("<br>"));
    html.push_str(
        "<div class=\"wide\"><table class=\"numbers\"><tr><th>flat<th>flat%<th>±<th>cum<th>cum%<th>function<th>place</tr>",
    );
    for cells in &report.rows {
        html.push_str("<tr>");
        cells.iter().for_each(|cell| {
            let _ = write!(html, "<td>{}", Escaped(cell));
        });
        html.push_str("</tr>\n");
    }
    html.push_str("</table></div>");
    if report.more > 0 {
        let _ = write!(html, "<p>... and {} more functions</p>", report.more);
    }
    if !report.labels.is_empty() {
        html.push_str("<h2>by label</h2><div class=\"wide\"><table class=\"labels\">");
        for [value, share, label] in &report.labels {
            let _ =
                writeln!(html, "<tr><td>{}<td>{}<td>{}</tr>", Escaped(value), Escaped(share), Escaped(label));
        }
        html.push_str("</table></div>");
    }
    html
}
