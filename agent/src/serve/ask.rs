//! What a request asks for, read strictly: a typing error is answered with a sentence, not with 30 seconds of CPU.

use std::time::Duration;

use axum::extract::Query;
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, Uri};

use super::answer::{HTML, Refusal, TEXT};
use crate::profile::Profile;
use crate::render::{Format, Options, Size};
use crate::source::Window;
use crate::source::tasks::{MAX_PAGE, MAX_PAGED};

/// The longest window that can be asked for.
pub(super) const MAX_SECONDS: u64 = 60;

/// How far back one can ask; more is not kept.
const MAX_LAST: u64 = 3_600;

/// The most looks a second that can be asked for.
const MAX_HERTZ: u64 = 999;

/// The query of a request.
#[derive(Debug, Default)]
pub(super) struct Ask {
    /// The window; `None` for what is there now, or the default window of a profile that needs one.
    pub(super) seconds: Option<u64>,
    /// How many seconds before now, instead of from now on.
    last: Option<u64>,
    /// How many looks a second, of sources that sample.
    hertz: Option<u32>,
    /// The form of the answer.
    pub(super) format: Option<Format>,
    /// How much to say in words: 0, 1 or 2.
    pub(super) debug: u64,
    /// Keep the allocator's frames.
    pub(super) raw: bool,
    /// The name of the value to draw.
    value: Option<String>,
    /// The snapshot to subtract.
    pub(super) base: Option<String>,
    /// Which page of a long table, from 1 on.
    page: Option<usize>,
    /// How many rows a page has.
    size: Option<usize>,
    /// How large a picture is.
    picture: Size,
    /// Only what is newer than this, in seconds since the start of the agent.
    pub(super) since: Option<u64>,
    /// Whether functions say whose they are, for the viewer.
    pub(super) owners: bool,
}

/// The form of an answer that people and programs read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// For browsers.
    Page,
    /// For terminals.
    Text,
    /// For programs.
    Json,
}

impl Form {
    /// What a client gets that does not say which: a browser a page, anybody else text.
    pub(super) fn taken_by(headers: &HeaderMap) -> Self {
        let accepted = headers.get(ACCEPT).and_then(|accepted| accepted.to_str().ok());
        if accepted.is_some_and(|accepted| accepted.contains("text/html")) { Self::Page } else { Self::Text }
    }

    /// Its media type.
    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Page => HTML,
            Self::Text => TEXT,
            Self::Json => Format::Json.media_type(),
        }
    }
}

impl Ask {
    /// Reads the query of `uri`. What it does not know it ignores, as Go does.
    pub(super) fn of(uri: &Uri) -> Result<Self, Refusal> {
        let pairs: Query<Vec<(String, String)>> =
            Query::try_from_uri(uri).map_err(|_| Refusal::invalid("the query cannot be read"))?;
        let mut ask = Self::default();
        let mut debug = 0;
        for (name, value) in pairs.0 {
            match name.as_str() {
                "seconds" => ask.seconds = Some(seconds(&value)?),
                "last" => ask.last = Some(last(&value)?),
                "hz" => ask.hertz = Some(hertz(&value)?),
                "debug" => {
                    debug =
                        whole(&value).filter(|debug| *debug <= 2).ok_or_else(|| bad("debug", "0, 1 or 2"))?
                }
                "format" => ask.format = Some(format(&value)?),
                "raw" => ask.raw = flag(&value).ok_or_else(|| bad("raw", "0 or 1"))?,
                "owners" => ask.owners = flag(&value).ok_or_else(|| bad("owners", "0 or 1"))?,
                "since" => {
                    let since = whole(&value).ok_or_else(|| bad("since", "a whole number of seconds"))?;
                    ask.since = Some(since);
                }
                "value" => ask.value = Some(value),
                "base" => ask.base = Some(value),
                "page" => ask.page = Some(from_one("page", &value, MAX_PAGED)?),
                "size" if value == "preview" => ask.picture = Size::Preview,
                "size" if value == "full" => ask.picture = Size::Full,
                "size" => ask.size = Some(from_one("size", &value, MAX_PAGE)?),
                _ => {}
            }
        }
        if debug > 0 && ask.seconds.is_some() {
            return Err(Refusal::invalid("seconds and debug params are incompatible"));
        }
        if ask.last.is_some() && ask.seconds.is_some() {
            return Err(Refusal::invalid("seconds looks ahead and last looks back: ask for one of them"));
        }
        ask.debug = debug;
        if debug > 0 {
            ask.format.get_or_insert(Format::Text);
        }
        Ok(ask)
    }

    /// Whether what was is asked for, and not what will be.
    pub(super) const fn looks_back(&self) -> bool {
        self.last.is_some()
    }

    /// The form of the answer: pprof, unless asked otherwise.
    pub(super) fn format(&self) -> Format {
        self.format.unwrap_or(Format::Pprof)
    }

    /// The window of a profile that has one of `default` when nobody says.
    pub(super) fn window(&self, default: Duration) -> Window {
        let window = match (self.last, self.seconds) {
            (Some(last), _) => Window::before_now(Duration::from_secs(last)),
            (None, Some(seconds)) => Window::of(Duration::from_secs(seconds)),
            (None, None) => Window::of(default),
        };
        window.at(self.hertz)
    }

    /// The form of an answer that is no profile: `otherwise`, unless asked for another.
    pub(super) fn form(&self, otherwise: Form) -> Result<Form, Refusal> {
        match self.format {
            None => Ok(otherwise),
            Some(Format::Text) => Ok(Form::Text),
            Some(Format::Json) => Ok(Form::Json),
            Some(_) => Err(bad("format", "one of: text, json")),
        }
    }

    /// Which page, from 0 on, and how many rows it has: `size`, unless asked otherwise.
    pub(super) fn page(&self, size: usize) -> (usize, usize) {
        (self.page.unwrap_or(1).saturating_sub(1), self.size.unwrap_or(size))
    }

    /// How `profile` is to be shown.
    pub(super) fn options(&self, profile: &Profile) -> Result<Options, Refusal> {
        let names = || profile.values().iter().map(|value| value.name()).collect::<Vec<_>>().join(", ");
        let index = |name: &String| {
            profile.value_index(name).ok_or_else(|| bad("value", &format!("one of: {}", names())))
        };
        let value = self.value.as_ref().map(index).transpose()?;
        Ok(Options { value, raw: self.raw, title: None, size: self.picture, owners: self.owners })
    }
}

fn bad(name: &str, expected: &str) -> Refusal {
    Refusal::invalid(format!("invalid value for \"{name}\" - must be {expected}"))
}

fn seconds(value: &str) -> Result<u64, Refusal> {
    whole(value)
        .filter(|seconds| (1..=MAX_SECONDS).contains(seconds))
        .ok_or_else(|| bad("seconds", &format!("a whole number from 1 to {MAX_SECONDS}")))
}

fn last(value: &str) -> Result<u64, Refusal> {
    whole(value)
        .filter(|seconds| (1..=MAX_LAST).contains(seconds))
        .ok_or_else(|| bad("last", &format!("a whole number from 1 to {MAX_LAST}")))
}

fn hertz(value: &str) -> Result<u32, Refusal> {
    whole(value)
        .filter(|hertz| (1..=MAX_HERTZ).contains(hertz))
        .and_then(|hertz| u32::try_from(hertz).ok())
        .ok_or_else(|| bad("hz", &format!("a whole number from 1 to {MAX_HERTZ}")))
}

fn from_one(name: &str, value: &str, most: usize) -> Result<usize, Refusal> {
    whole(value)
        .and_then(|number| usize::try_from(number).ok())
        .filter(|number| (1..=most).contains(number))
        .ok_or_else(|| bad(name, &format!("a whole number from 1 to {most}")))
}

fn format(value: &str) -> Result<Format, Refusal> {
    let names = || Format::ALL.map(Format::name).join(", ");
    Format::from_name(value).ok_or_else(|| bad("format", &format!("one of: {}", names())))
}

/// Digits alone: `+5` and ` 5` are typing errors.
fn whole(value: &str) -> Option<u64> {
    value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse().ok()).flatten()
}

fn flag(value: &str) -> Option<bool> {
    match value {
        "" | "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, expected: Result<(Option<u64>, &str), &str>) {
        let uri: Uri = format!("/debug/pprof/heap?{query}").parse().expect("a path");
        match (Ask::of(&uri), expected) {
            (Ok(ask), Ok(expected)) => assert_eq!((ask.seconds, ask.format().name()), expected, "{query}"),
            (Err(refusal), Err(why)) => assert!(format!("{refusal:?}").contains(why), "{query}: {refusal:?}"),
            (ask, _) => panic!("{query}: {ask:?}"),
        }
    }

    #[test]
    fn queries() {
        check("", Ok((None, "pprof")));
        check("seconds=1", Ok((Some(1), "pprof")));
        check("seconds=60&format=svg&raw=1&gc=1&other=x", Ok((Some(60), "svg")));
        check("debug=0&seconds=5", Ok((Some(5), "pprof")));
        check("debug=1", Ok((None, "text")));
        check("debug=2&format=json", Ok((None, "json")));
        for bad in ["0", "61", "-1", "1.5", "abc", "", "+5", "99999999999999999999"] {
            check(&format!("seconds={bad}"), Err("must be a whole number from 1 to 60"));
        }
        check("debug=1&seconds=5", Err("seconds and debug params are incompatible"));
        check("hz=99&seconds=5", Ok((Some(5), "pprof")));
        for bad in ["0", "1000", "1000000000", "-99", "99.5", ""] {
            check(&format!("hz={bad}"), Err("must be a whole number from 1 to 999"));
        }
        check("last=60", Ok((None, "pprof")));
        check("last=0", Err("must be a whole number from 1 to 3600"));
        check("last=60&seconds=5", Err("ask for one of them"));
        check("debug=x", Err("must be 0, 1 or 2"));
        check("format=gif", Err("must be one of: pprof, svg, png, text, folded, json"));
        check("format=png&size=preview", Ok((None, "png")));
        check("raw=maybe", Err("must be 0 or 1"));
        for bad in ["0", "-1", "+1", "1.0", "x", "", "18446744073709551616"] {
            check(&format!("page={bad}"), Err("must be a whole number from 1 to 10000"));
            check(&format!("size={bad}"), Err("must be a whole number from 1 to 1000"));
        }
        check("size=1001", Err("must be a whole number from 1 to 1000"));
    }

    #[test]
    fn tables_come_in_three_forms_and_in_pages() {
        let ask = |query: &str| Ask::of(&format!("/?{query}").parse().expect("a path")).expect("a query");
        assert_eq!(
            (ask("").form(Form::Page).ok(), ask("").page(MAX_PAGE)),
            (Some(Form::Page), (0, MAX_PAGE))
        );
        let third = ask("page=3&size=7&format=json");
        assert_eq!((third.form(Form::Text).ok(), third.page(MAX_PAGE)), (Some(Form::Json), (2, 7)));
        assert!(format!("{:?}", ask("format=svg").form(Form::Page)).contains("must be one of: text, json"));
    }
}
