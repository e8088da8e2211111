//! What is known of a profile before it is read: how it was asked for, and so what it can be held to.

/// Who made a profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A test, of frames that it has thought up. It must be readable, no more.
    #[default]
    Test,
    /// An agent, of its own process. All that we promise holds.
    Agent,
}

/// The stretch of time that a profile is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Span {
    /// Nobody knows.
    #[default]
    Unknown,
    /// What is there now.
    Moment,
    /// What happened over this many seconds, where that was said.
    Window(Option<u64>),
    /// What has changed over this many seconds, where that was said.
    Delta(Option<u64>),
}

/// The terms that one profile is held to.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Who made it.
    pub origin: Origin,
    /// The name that it was asked for under, or is kept under, as far as it is known.
    pub kind: Option<String>,
    /// What it is of.
    pub span: Span,
    /// Whether the allocator's frames were to be left in.
    pub raw: bool,
    /// Whether it is for our own viewer, which gets two fields that nobody else knows.
    pub owners: bool,
    /// What led to it, where that was an alert or a person: it must be among the remarks.
    pub trigger: Option<String>,
}

/// The kinds that are of a window even when nobody says how long.
const WINDOWED: [&str; 5] = ["profile", "wall", "fgprof", "block", "mutex"];

impl Terms {
    /// Those for a profile that a test has made up.
    #[must_use]
    pub fn made() -> Self {
        Self::default()
    }

    /// Those for the profile `kind` that an agent kept or sent: out of a snapshot, an alert, a push.
    #[must_use]
    pub fn kept(kind: &str) -> Self {
        Self { origin: Origin::Agent, kind: Some(kind.to_owned()), ..Self::default() }
    }

    /// Those for the answer to `target`, a path with its query; `None` where that is no profile in this form.
    #[must_use]
    pub fn asked(target: &str) -> Option<Self> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let value = |name: &str| {
            query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .find(|pair| pair.0 == name)
                .map(|pair| pair.1)
        };
        let as_text = value("debug").is_some_and(|debug| debug != "0");
        if as_text || value("format").is_some_and(|format| format != "pprof") {
            return None;
        }
        let kept = path.strip_prefix("/debug/snapshots/").filter(|id| !id.is_empty());
        let name = path
            .strip_prefix("/debug/pprof/")
            .or_else(|| path.strip_prefix("/debug/").filter(|name| *name == "fgprof"));
        let name = name.filter(|name| !["", "cmdline", "symbol"].contains(name));
        let seconds = value("seconds").or_else(|| value("last")).and_then(|text| text.parse().ok());
        let span = match name {
            None => Span::Unknown,
            // Less a snapshot, of whatever age that is.
            Some(_) if value("base").is_some() => Span::Delta(None),
            Some(name) if WINDOWED.contains(&name) => Span::Window(seconds),
            Some(_) if seconds.is_some() => Span::Delta(seconds),
            Some(_) => Span::Moment,
        };
        (kept.is_some() || name.is_some()).then(|| Self {
            origin: Origin::Agent,
            kind: name.map(str::to_owned),
            span,
            raw: value("raw") == Some("1"),
            owners: value("owners") == Some("1"),
            trigger: None,
        })
    }
}
