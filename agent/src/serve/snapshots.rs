//! `/debug/snapshots`: the profiles that were kept, and each of them in any form, or less another (`?base=`).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use serde::Serialize;

use super::answer::{self, HTML, Refusal};
use super::ask::Ask;
use super::page::{Escaped, page};
use super::{Port, profiles};
use crate::moment;
use crate::profile::Profile;
use crate::render::{Format, pprof};
use crate::store::Snapshot;
use crate::{Error, ErrorKind, Unit};

/// One line of the list.
#[derive(Serialize)]
struct Entry<'s> {
    id: &'s str,
    taken: String,
    trigger: &'s str,
    kind: &'s str,
    bytes: usize,
}

pub(super) async fn list(State(port): State<Arc<Port>>, uri: Uri) -> Result<Response, Refusal> {
    let snapshots = port.desk.snapshots();
    let entries = snapshots.iter().map(|snapshot| entry(snapshot));
    match Ask::of(&uri)?.format {
        None => Ok(answer::ok(HTML, html(entries))),
        Some(Format::Json) => {
            let json = serde_json::to_vec(&entries.collect::<Vec<_>>());
            let json =
                json.map_err(|error| Error::new(ErrorKind::Io, "cannot list the snapshots").because(error))?;
            Ok(answer::ok(Format::Json.media_type(), json))
        }
        Some(_) => Err(Refusal::invalid("the list comes as a page or as ?format=json")),
    }
}

pub(super) async fn show(
    State(port): State<Arc<Port>>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let ask = Ask::of(&uri)?;
    let snapshot = port.snapshot(&id)?;
    let base = ask.base.as_ref().map(|base| port.snapshot(base)).transpose()?;
    if ask.format() == Format::Pprof && base.is_none() && snapshot.named {
        return Ok(profiles::bare(Format::Pprof, &file_name(&snapshot, false), snapshot.pprof.clone()));
    }
    if base.as_ref().is_some_and(|base| base.kind != snapshot.kind) {
        return Err(Refusal::invalid("the two snapshots are of different kinds"));
    }
    let permit = port.permit()?;
    let file = file_name(&snapshot, base.is_some());
    let title = Some(snapshot.trigger.clone());
    let profile = match base {
        Some(base) => port.profile(snapshot).await?.since(&port.profile(base).await?),
        None => port.profile(snapshot).await?,
    };
    profiles::drawn(profile, &ask, title, &file, permit).await
}

pub(super) async fn head(
    State(port): State<Arc<Port>>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let ask = Ask::of(&uri)?;
    let snapshot = port.snapshot(&id)?;
    Ok(profiles::bare(ask.format(), &file_name(&snapshot, ask.base.is_some()), Vec::new()))
}

impl Port {
    /// The profile in `snapshot`, with names: those that were taken in a hurry get them now.
    async fn profile(&self, snapshot: Arc<Snapshot>) -> Result<Profile, Error> {
        let named = snapshot.named;
        let read = tokio::task::spawn_blocking(move || read(&snapshot));
        let profile = read
            .await
            .map_err(|error| Error::new(ErrorKind::Io, "cannot read the snapshot").because(error))??;
        if named { Ok(profile) } else { self.desk.name(profile).await }
    }

    fn snapshot(&self, id: &str) -> Result<Arc<Snapshot>, Refusal> {
        self.desk
            .snapshot(id)
            .ok_or_else(|| Refusal::not_found("no such snapshot; it may have made room for newer ones"))
    }
}

fn read(snapshot: &Snapshot) -> Result<Profile, Error> {
    Ok(pprof::decode(&snapshot.pprof)?.with_kind(snapshot.kind.clone()))
}

fn file_name(snapshot: &Snapshot, delta: bool) -> String {
    let safe = |char: &char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_');
    let stem: String = format!("{}-{}", snapshot.kind, snapshot.id).chars().filter(safe).collect();
    format!("{stem}{}.pb.gz", if delta { "-delta" } else { "" })
}

fn entry(snapshot: &Snapshot) -> Entry<'_> {
    let Snapshot { id, taken, trigger, kind, pprof, named: _ } = snapshot;
    Entry { id, taken: moment::readable(*taken), trigger, kind, bytes: pprof.len() }
}

fn html<'s>(entries: impl Iterator<Item = Entry<'s>>) -> String {
    let rows: Vec<String> = entries.map(|entry| row(&entry)).collect();
    let body = match rows.as_slice() {
        [] => "<p>None yet. One is kept whenever an alert fires, and when memory nears its limit.</p>"
            .to_owned(),
        rows => format!(
            "<div class=\"wide\"><table><tr><th>taken<th>profile<th>why<th>size<th></tr>{}</table></div>",
            rows.concat()
        ),
    };
    let about = "<p>Subtract one from another with <code>?base=ID</code>: what grew between the two.</p>";
    page("snapshots", &format!("{body}{about}"))
}

fn row(entry: &Entry<'_>) -> String {
    let (id, trigger, kind) = (Escaped(entry.id), Escaped(entry.trigger), Escaped(entry.kind));
    let (taken, size) = (&entry.taken, Unit::Bytes.show(entry.bytes as f64));
    let link =
        |format: &str, name: &str| format!("<a href=\"/debug/snapshots/{id}?format={format}\">{name}</a> ");
    let links = [("svg", "flame graph"), ("png", "picture"), ("text", "text"), ("pprof", "download")]
        .map(|(format, name)| link(format, name));
    format!(
        "<tr><td>{taken}<td>{kind}<br><small><code>{id}</code></small><td>{trigger}<td>{size}<td>{}</tr>\n",
        links.concat()
    )
}
