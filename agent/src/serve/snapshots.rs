//! `/debug/snapshots`: the profiles that were kept, and each of them in any form, or less another (`?base=`).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use serde::Serialize;

use super::Port;
use super::answer::{self, HTML, Refusal};
use super::ask::Ask;
use super::page::{Escaped, scripted};
use super::profiles::{self, Wanted};
use crate::desk::on_quiet_thread;
use crate::moment;
use crate::profile::{Frame, Function, Profile};
use crate::render::{Format, Options, pprof};
use crate::store::{About, Fate, Kept, Whose};
use crate::{Error, ErrorKind, Unit};

/// One line of the list.
#[derive(Serialize)]
struct Entry<'s> {
    id: &'s str,
    taken: String,
    trigger: &'s str,
    kind: &'s str,
    bytes: u64,
    /// Empty for one of this run.
    origin: String,
    service: &'s str,
    version: Option<&'s str>,
    pid: u32,
    says: &'s [String],
}

pub(super) async fn list(State(port): State<Arc<Port>>, uri: Uri) -> Result<Response, Refusal> {
    let snapshots = port.desk.snapshots();
    let lives = |kind: &str| match Wanted::of(&port.desk, kind) {
        Ok(Wanted::Source { windowed, .. }) => windowed.is_none(),
        _ => false,
    };
    let entries = snapshots.iter().map(|(kept, whose)| entry(&kept.about, *whose));
    match Ask::of(&uri)?.format {
        None => Ok(answer::ok(HTML, html(entries, lives))),
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
    if ask.format() == Format::Pprof && base.is_none() && snapshot.about.named && !ask.owners {
        let file = file_name(&snapshot.about, false);
        return Ok(profiles::bare(Format::Pprof, &file, on_worker(move || bytes(&snapshot)).await?));
    }
    check_kinds(&snapshot, base.as_deref())?;
    let permit = port.permit()?;
    let file = file_name(&snapshot.about, base.is_some());
    let title = Some(snapshot.about.trigger.clone());
    let profile = port.difference(snapshot, base).await?;
    profiles::drawn(profile, &ask, title, &file, permit).await
}

/// The profile in the snapshot called `id`, less the one called `base`, for who draws it otherwise.
pub(super) async fn profile(port: &Port, id: &str, base: Option<&str>) -> Result<Profile, Refusal> {
    let snapshot = port.snapshot(id)?;
    let base = base.map(|base| port.snapshot(base)).transpose()?;
    check_kinds(&snapshot, base.as_deref())?;
    Ok(port.difference(snapshot, base).await?)
}

fn check_kinds(snapshot: &Kept, base: Option<&Kept>) -> Result<(), Refusal> {
    match base {
        Some(base) if base.about.kind != snapshot.about.kind => {
            Err(Refusal::invalid("the two snapshots are of different kinds"))
        }
        _ => Ok(()),
    }
}

pub(super) async fn head(
    State(port): State<Arc<Port>>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let ask = Ask::of(&uri)?;
    let snapshot = port.snapshot(&id)?;
    Ok(profiles::bare(ask.format(), &file_name(&snapshot.about, ask.base.is_some()), Vec::new()))
}

impl Port {
    /// The profile in `snapshot`, with names: those that were taken in a hurry get them now.
    async fn profile(&self, snapshot: Arc<Kept>) -> Result<Profile, Error> {
        let (named, foreign) = (snapshot.about.named, self.desk.is_foreign(&snapshot));
        let profile = on_worker(move || read(&snapshot)).await?;
        match (named, foreign) {
            (true, _) => Ok(profile),
            (false, false) => self.desk.name_kept(profile).await,
            (false, true) => self.desk.name_of_another_run(profile).await,
        }
    }

    /// What is in `snapshot`, less what is in `base`.
    async fn difference(&self, snapshot: Arc<Kept>, base: Option<Arc<Kept>>) -> Result<Profile, Error> {
        Ok(match base {
            // Functions of another run have the addresses of their time, or those of ours if they were named just now.
            Some(base) if self.desk.is_foreign(&base) || self.desk.is_foreign(&snapshot) => {
                let (before, after) = (self.profile(base).await?, self.profile(snapshot).await?);
                placeless(&after).since(&placeless(&before))
            }
            Some(base) => self.profile(snapshot).await?.since(&self.profile(base).await?),
            None => self.profile(snapshot).await?,
        })
    }

    /// `now`, less what is in `base`. The snapshot was written and read again; so is what it is subtracted from, since only
    /// then the same stack is the same on both sides.
    pub(super) async fn since(&self, now: Profile, base: Arc<Kept>) -> Result<Profile, Error> {
        let foreign = self.desk.is_foreign(&base);
        let before = self.profile(base).await?;
        let less = move || {
            let kind = now.kind().to_owned();
            let mut bytes = Vec::new();
            Format::Pprof.render(&now, &Options::default(), &mut bytes)?;
            let now = pprof::decode(&bytes)?.with_kind(kind);
            if now.values() != before.values() {
                return Err(Error::new(ErrorKind::Invalid, "the snapshot counts other things"));
            }
            Ok(if foreign { placeless(&now).since(&placeless(&before)) } else { now.since(&before) })
        };
        on_quiet_thread(less).await?
    }

    pub(super) fn snapshot(&self, id: &str) -> Result<Arc<Kept>, Refusal> {
        self.desk
            .snapshot(id)
            .ok_or_else(|| Refusal::not_found("no such snapshot; it may have made room for newer ones"))
    }
}

/// Reads a file on a worker thread.
async fn on_worker<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let worked = tokio::task::spawn_blocking(work).await;
    worked.map_err(|error| Error::new(ErrorKind::Io, "cannot read the snapshot").because(error))?
}

fn bytes(snapshot: &Kept) -> Result<Vec<u8>, Error> {
    let gone = |error| Error::new(ErrorKind::NotFound, "the snapshot cannot be read any more").because(error);
    Ok(snapshot.pprof().map_err(gone)?.into_owned())
}

fn read(snapshot: &Kept) -> Result<Profile, Error> {
    Ok(pprof::decode(&bytes(snapshot)?)?.with_kind(snapshot.about.kind.clone()))
}

/// Without the addresses that functions had. Two runs have them in different places, and would share no stack.
fn placeless(profile: &Profile) -> Profile {
    profile.map_frames(|frame| match frame {
        Frame::Named(function) => vec![Frame::named(Function { address: 0, ..Function::clone(function) })],
        other => vec![other.clone()],
    })
}

fn file_name(snapshot: &About, delta: bool) -> String {
    let safe = |char: &char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_');
    let stem: String = format!("{}-{}", snapshot.kind, snapshot.id).chars().filter(safe).collect();
    format!("{stem}{}.pb.gz", if delta { "-delta" } else { "" })
}

fn entry(about: &About, whose: Whose) -> Entry<'_> {
    let About { id, taken, trigger, kind, bytes, service, version, pid, says, .. } = about;
    Entry {
        id,
        taken: moment::readable(*taken),
        trigger,
        kind,
        bytes: *bytes,
        origin: origin(whose),
        service,
        version: version.as_deref(),
        pid: *pid,
        says,
    }
}

/// Who took it, where that was not us.
fn origin(whose: Whose) -> String {
    match whose {
        Whose::Ours => String::new(),
        Whose::Another(Some(Fate::Alive)) => "another process".to_owned(),
        Whose::Another(Some(Fate::Died(at))) => format!("previous run, died about {}", moment::readable(at)),
        Whose::Another(Some(Fate::Ended(at))) => format!("previous run, ended {}", moment::readable(at)),
        Whose::Another(None) => "previous run".to_owned(),
    }
}

/// The list is a form: one snapshot less another needs no script.
fn html<'s>(entries: impl Iterator<Item = Entry<'s>>, lives: impl Fn(&str) -> bool) -> String {
    let rows: Vec<String> = entries.map(|entry| row(&entry, lives(entry.kind))).collect();
    let body = match rows.as_slice() {
        [] => "<p>None yet. One is kept whenever an alert fires, and when memory nears its limit.</p>"
            .to_owned(),
        rows => format!(
            "<form id=\"compare\" action=\"/debug/flame\"><p><button id=\"go\">compare</button> \
             <small>what grew and what shrank between the two</small></p>\
             <div class=\"wide\"><table class=\"stacked\"><tr><th>taken<th>profile<th>why<th>size<th>look<th>earlier<th>later</tr>{}\
             </table></div></form>",
            rows.concat()
        ),
    };
    let about = "<p class=\"quiet\">Every form of a snapshot takes <code>?base=ID</code>: what changed since that one.</p>";
    scripted("snapshots", &format!("{body}{about}"), &["snapshots.js"])
}

/// `lives` says whether there is the same now, to be compared with it without waiting.
fn row(entry: &Entry<'_>, lives: bool) -> String {
    let (id, trigger, kind) = (Escaped(entry.id), Escaped(entry.trigger), Escaped(entry.kind));
    let (taken, size) = (&entry.taken, Unit::Bytes.show(entry.bytes as f64));
    let link =
        |format: &str, name: &str| format!("<a href=\"/debug/snapshots/{id}?format={format}\">{name}</a> ");
    let origin = if entry.origin.is_empty() {
        String::new()
    } else {
        format!("<br><small>{}, process {}</small>", Escaped(&entry.origin), entry.pid)
    };
    let view = format!("<a class=\"main\" href=\"/debug/flame?snapshot={id}\">view</a> ");
    let top = format!("<a href=\"/debug/top?snapshot={id}\">top 50</a> ");
    let since = format!("<a href=\"/debug/flame?profile={kind}&amp;base={id}\">now less this</a> ");
    let since = if lives { since } else { String::new() };
    let forms = [("svg", "SVG"), ("png", "picture"), ("text", "text"), ("pprof", "download")];
    let drawn = |format: &str| matches!(format, "svg" | "png");
    let forms = forms.iter().filter(|(format, _)| !drawn(format) || cfg!(feature = "flamegraph"));
    let forms: String = forms.map(|(format, name)| link(format, name)).collect();
    let pick = |name: &str, words: &str| {
        format!(
            "<td class=\"pick\"><label><input type=\"radio\" name=\"{name}\" value=\"{id}\" data-kind=\"{kind}\" \
             aria-label=\"{words}: {id}\" required> <span>{words}</span></label>"
        )
    };
    format!(
        "<tr><td class=\"taken\">{taken}{origin}<td>{kind}<br><small><code>{id}</code></small><td>{trigger}<td class=\"size\">{size}<td>\
         <span class=\"links\">{view}{since}{top}{forms}</span>{}{}</tr>\n",
        pick("base", "earlier"),
        pick("snapshot", "later")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::ValueType;

    /// The same function in two runs that were loaded in different places.
    #[test]
    fn snapshots_of_two_runs_share_their_stacks() {
        let at = |address: u64, bytes: i64| {
            let function = Function { address, ..Function::new("shop::orders", "orders.rs", 8) };
            let mut profile = Profile::new("heap", [ValueType::new("space", Unit::Bytes)]);
            profile.add([Frame::named(function)], &[bytes], 1);
            profile
        };
        let (before, after) = (at(0x5000, 3), at(0x9000, 10));
        let grown = placeless(&after).since(&placeless(&before));
        assert_eq!((grown.iter().count(), grown.total(0)), (1, 7));
        assert_eq!(after.since(&before).iter().count(), 2, "which is what would come without");
    }
}
