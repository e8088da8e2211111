//! `/debug/pprof/NAME`: a profile taken now, over a window, or as a difference, in the form that was asked for.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use tokio::sync::OwnedSemaphorePermit;

use super::Port;
use super::answer::{self, Refusal, SANDBOX, TEXT};
use super::ask::{Ask, Form};
use super::{lists, threads};
use crate::desk::{Desk, on_quiet_thread};
use crate::profile::{Profile, ValueType};
use crate::render::{self, Format, Options};
use crate::source::Window;
use crate::store::Kept;
use crate::{Error, ErrorKind, Unit};

/// Names for the same thing, asked for under the left one, collected under the right one where only that is there.
const ALIASES: [(&str, &str); 4] =
    [("tasks", "goroutine"), ("goroutine", "tasks"), ("allocs", "heap"), ("fgprof", "wall")];

/// Profiles that scrapers ask every process for. Where nobody collects them they are empty, not missing: a scraper
/// would report an error every few seconds.
const EMPTY: [&str; 4] = ["mutex", "block", "goroutine", "threadcreate"];

/// Profiles that need a feature or an allocator: whoever asks where there is none is told so.
const NEEDED: [&str; 5] = ["heap", "allocs", "profile", "threads", "wall"];

/// The names of the profile that Go prints in a text of its own.
const TASKS: [&str; 2] = ["goroutine", "tasks"];

/// The names of the profiles that Go prints so, too.
const MEMORY: [&str; 2] = ["heap", "allocs"];

/// Why a profile was taken that somebody asked us for. Not the whole of what was asked: a query can hold a secret.
const TRIGGER: &str = "trigger: asked for at the debug port";

/// How many stacks [`Format::Folded`] leaves out.
const OMITTED: HeaderName = HeaderName::from_static("x-flamewatch-omitted");

/// What a path under `/debug/pprof/` stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// What the source of this name collects.
    Source { name: &'static str, windowed: Option<Duration> },
    /// A profile that nobody collects.
    Nothing(&'static str),
}

impl Wanted {
    pub(super) fn of(desk: &Desk, name: &str) -> Result<Self, Refusal> {
        let source = |name: &str| desk.sources().iter().find(|source| source.name() == name);
        let alias = || ALIASES.iter().filter(|(asked, _)| *asked == name).find_map(|(_, real)| source(real));
        if let Some(source) = source(name).or_else(alias) {
            let windowed = source.windowed().then(|| source.default_length());
            return Ok(Self::Source { name: source.name(), windowed });
        }
        let name = if name == "tasks" { "goroutine" } else { name };
        if let Some(name) = EMPTY.iter().find(|empty| **empty == name) {
            return Ok(Self::Nothing(name));
        }
        if NEEDED.contains(&name) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("{name} profiles are not collected in this process"),
            )
            .into());
        }
        Err(Refusal::not_found("Unknown profile"))
    }

    pub(super) const fn is_windowed(&self) -> bool {
        matches!(self, Self::Source { windowed: Some(_), .. })
    }

    /// How long it looks when nobody says; what is there now takes no time.
    pub(super) const fn default_length(&self) -> Duration {
        match self {
            Self::Source { windowed: Some(length), .. } => *length,
            _ => Duration::ZERO,
        }
    }

    /// The snapshot that it is to be compared with, if one was asked for.
    pub(super) fn base(&self, port: &Port, ask: &Ask) -> Result<Option<Arc<Kept>>, Refusal> {
        let Some(id) = &ask.base else { return Ok(None) };
        if ask.seconds.is_some() && !self.is_windowed() {
            return Err(Refusal::invalid("seconds and base both ask for a difference: say one of them"));
        }
        let base = port.snapshot(id)?;
        if base.about.kind == self.kind() {
            return Ok(Some(base));
        }
        Err(Refusal::invalid("the snapshot is of another kind"))
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Source { name, .. } | Self::Nothing(name) => name,
        }
    }

    /// The profile, less the snapshot that `ask` names.
    async fn compared(&self, port: &Port, ask: &Ask) -> Result<Profile, Refusal> {
        let base = self.base(port, ask)?;
        let profile = self.collect(&port.desk, ask.window(self.default_length())).await?;
        match base {
            Some(base) => Ok(port.since(profile, base).await?),
            None => Ok(profile),
        }
    }

    async fn collect(&self, desk: &Desk, window: Window) -> Result<Profile, Error> {
        match self {
            Self::Source { name, .. } => desk.collect(name, window).await,
            Self::Nothing(name) => Ok(desk.signed(nothing(name))),
        }
    }
}

pub(super) async fn show(
    State(port): State<Arc<Port>>,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let ask = Ask::of(&uri)?;
    if name == "threadcreate" && ask.debug == 2 {
        return threads::dump(&port).await;
    }
    let wanted = Wanted::of(&port.desk, &name)?;
    if TASKS.contains(&&*name) && ask.debug == 2 {
        return lists::every_task(&port, &ask).await;
    }
    let permit = port.permit()?;
    let profile = wanted.compared(&port, &ask).await?;
    if TASKS.contains(&&*name) && ask.debug == 1 && ask.format() == Format::Text && ask.base.is_none() {
        return as_goroutines(profile, permit).await;
    }
    if MEMORY.contains(&&*name) && ask.debug > 0 && ask.format() == Format::Text {
        return as_memory(as_asked(profile, &name), ask.raw, permit).await;
    }
    let mut profile = as_asked(profile, &name);
    profile.comments.push(TRIGGER.to_owned());
    let file = file_name(&name, &wanted, &ask);
    drawn(profile, &ask, None, &file, permit).await
}

/// The profile called `name`, for who draws it otherwise.
pub(super) async fn collected(port: &Port, name: &str, ask: &Ask) -> Result<Profile, Refusal> {
    let profile = Wanted::of(&port.desk, name)?.compared(port, ask).await?;
    Ok(as_asked(profile, name))
}

/// The wall-clock profile where the package fgprof has it, for scrapers that are set up for that.
pub(super) async fn fgprof(port: State<Arc<Port>>, uri: Uri) -> Result<Response, Refusal> {
    show(port, Path("fgprof".to_owned()), uri).await
}

/// As [`head`].
pub(super) async fn fgprof_head(port: State<Arc<Port>>, uri: Uri) -> Result<Response, Refusal> {
    head(port, Path("fgprof".to_owned()), uri).await
}

/// The same checks, no work: a link checker must not cost 30 seconds of CPU profile.
pub(super) async fn head(
    State(port): State<Arc<Port>>,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let ask = Ask::of(&uri)?;
    let wanted = Wanted::of(&port.desk, &name)?;
    wanted.base(&port, &ask)?;
    if TASKS.contains(&&*name) && ask.debug == 2 {
        ask.form(Form::Text)?;
    }
    Ok(bare(ask.format(), &file_name(&name, &wanted, &ask), Vec::new()))
}

impl Port {
    /// Leave to collect or draw one profile.
    pub(super) fn permit(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let permit = self.collections.clone().try_acquire_owned();
        permit.map_err(|_| Refusal::busy("too many profiles at a time; try again in a few seconds"))
    }
}

/// `profile` in the form asked for. Drawing is work for a processor and is done beside the port's own thread, which
/// stays free to answer others. The permit is held until it is done, even if the client has left.
pub(super) async fn drawn(
    profile: Profile,
    ask: &Ask,
    title: Option<String>,
    file: &str,
    permit: OwnedSemaphorePermit,
) -> Result<Response, Refusal> {
    let (format, options) = (ask.format(), Options { title, ..ask.options(&profile)? });
    let task = on_quiet_thread(move || {
        let drawn = draw(&profile, format, &options);
        drop(permit);
        drawn
    });
    let (bytes, omitted) = task.await??;
    let mut response = bare(format, file, bytes);
    if let Some(omitted) = omitted.and_then(|omitted| HeaderValue::try_from(omitted).ok()) {
        response.headers_mut().insert(OMITTED, omitted);
    }
    Ok(response)
}

/// `profile` as Go prints its goroutines.
async fn as_goroutines(profile: Profile, permit: OwnedSemaphorePermit) -> Result<Response, Refusal> {
    let text = on_quiet_thread(move || {
        let text = render::goroutine(&profile.with_kind("goroutine"));
        drop(permit);
        text
    });
    Ok(answer::ok(TEXT, text.await?))
}

/// `profile` as Go prints its heap.
async fn as_memory(profile: Profile, raw: bool, permit: OwnedSemaphorePermit) -> Result<Response, Refusal> {
    let text = on_quiet_thread(move || {
        let text = render::heap(&profile, raw);
        drop(permit);
        text
    });
    Ok(answer::ok(TEXT, text.await??))
}

fn draw(profile: &Profile, format: Format, options: &Options) -> Result<(Vec<u8>, Option<String>), Error> {
    let mut bytes = Vec::new();
    format.render(profile, options, &mut bytes)?;
    tracing::info!(profile = profile.kind(), format = format.name(), bytes = bytes.len(), "profile served");
    let omitted = render::omitted(profile, options);
    let line = format!("{} stacks that shrank, by {} in all", omitted.stacks, omitted.value.unsigned_abs());
    Ok((bytes, (format == Format::Folded && omitted.stacks > 0).then_some(line)))
}

/// An answer of `format`: pprof is saved under `file`, everything else is shown.
pub(super) fn bare(format: Format, file: &str, bytes: Vec<u8>) -> Response {
    let mut response = ([(CONTENT_TYPE, format.media_type())], bytes).into_response();
    let headers = response.headers_mut();
    if format == Format::Svg {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
    }
    if format == Format::Pprof
        && let Ok(value) = HeaderValue::try_from(format!("attachment; filename=\"{file}\""))
    {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    response
}

/// The name Go gives the file: `heap`, or `heap-delta` for a difference.
fn file_name(name: &str, wanted: &Wanted, ask: &Ask) -> String {
    let delta = ask.base.is_some() || ask.seconds.is_some() && !wanted.is_windowed();
    let safe: String = name.chars().filter(|char| char.is_ascii_alphanumeric() || *char == '_').collect();
    format!("{safe}{}", if delta { "-delta" } else { "" })
}

/// `allocs` is the heap profile that opens with what was allocated, not with what is still there.
fn as_asked(mut profile: Profile, name: &str) -> Profile {
    if name == "allocs" {
        profile.default_value = profile.value_index("alloc_space").unwrap_or(profile.default_value);
        return profile.with_kind("allocs");
    }
    profile
}

fn nothing(name: &'static str) -> Profile {
    let values = match name {
        "mutex" | "block" => {
            vec![ValueType::new("contentions", Unit::Count), ValueType::new("delay", Unit::Nanoseconds)]
        }
        _ => vec![ValueType::new(name, Unit::Count)],
    };
    let mut profile = Profile::new(name, values);
    profile.period = profile.values().first().map(|value| (value.clone(), 1));
    profile
        .comments
        .push(format!("{name} profiles are not collected in this process: empty does not mean none"));
    profile
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_collects_is_empty_and_says_so() {
        for name in EMPTY {
            let profile = nothing(name);
            assert!(profile.is_empty() && profile.comments[0].contains("not collected"));
            let mut bytes = Vec::new();
            Format::Pprof.render(&profile, &Options::default(), &mut bytes).expect("rendering into memory");
            let again = render::pprof::decode(&bytes).expect("our own bytes");
            assert_eq!((again.values(), &again.period), (profile.values(), &profile.period));
        }
    }
}
