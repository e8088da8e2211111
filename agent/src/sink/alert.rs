//! An alert as the reader gets it: all words and numbers, ready to be laid out.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What an alert says about its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// The rule has just fired.
    Firing,
    /// What fired is over.
    Resolved,
}

impl State {
    /// `firing` or `resolved`, the words of Alertmanager's API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// What an alert is to those before it with the same id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The first of its incident.
    #[default]
    New,
    /// More about an incident that was told: it is back, or it was seen in another way.
    Reply,
    /// It is still so.
    Reminder,
    /// It is over.
    Resolved,
    /// A profile that somebody has asked for; nothing is wrong.
    Asked,
}

impl Kind {
    /// `new`, `reply`, `reminder`, `resolved` or `asked`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Reply => "reply",
            Self::Reminder => "reminder",
            Self::Resolved => "resolved",
            Self::Asked => "asked",
        }
    }
}

/// One alert: what changed, how much, since when, where to look.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Alert {
    /// Names this incident; the same in all its messages.
    pub id: String,
    /// Names the fault, and is the same in every replica of the service and after its restart:
    /// `service/rule/key/version`, where the key tells apart what one rule finds. Empty when nobody has said.
    pub group: String,
    /// Firing or resolved.
    pub state: State,
    /// What it is to the incident's messages before it.
    pub kind: Kind,
    /// The service's name.
    pub service: String,
    /// The rule that fired, such as `heap growing`.
    pub rule: String,
    /// One line: what grows, how fast, since when.
    pub headline: String,
    /// How long until the memory limit is reached, with its error: `OOM in ~26 min (19 to 41)`; `None` for an alert that is
    /// not about that.
    pub time_left: Option<String>,
    /// The same as a number, the expected one: for sinks that make haste when there is little.
    pub runs_out_in: Option<Duration>,
    /// What the evidence says beyond the headline, one sentence a line.
    pub details: Vec<String>,
    /// The suspects, the worst first.
    pub sites: Vec<Site>,
    /// Where to look further, if there is a debug port.
    pub snapshot_url: Option<String>,
    /// When the state changed.
    pub at: SystemTime,
    /// Small print: host, process, version, uptime, sampling error.
    pub context: Vec<String>,
    /// Files that explain the alert, for sinks that can carry files.
    pub attachments: Vec<Arc<Attachment>>,
}

/// A place in the code under suspicion.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Site {
    /// The function, demangled.
    pub function: String,
    /// `file:line`, when known.
    pub place: Option<String>,
    /// Its growth as text with unit and sign, `+1.1 GiB`; without a sign, what it holds in all.
    pub growth: String,
    /// The relative standard error of the growth, 0 when counted.
    pub relative_error: f64,
    /// Its share of what [`Site::share_of`] names, 0 to 1.
    pub share: f64,
    /// What the share is of: `the growth`, or `the total` where nothing earlier was subtracted.
    pub share_of: &'static str,
}

/// A file that travels with an alert.
#[derive(Debug)]
#[non_exhaustive]
pub struct Attachment {
    /// Its name without a folder, such as `heap.pb.gz`.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl Attachment {
    /// A file called `name` holding `bytes`.
    pub fn new(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), bytes }
    }
}

impl Alert {
    /// Where it stands, in words: `firing`, `firing, update`, `still firing`, `as asked` or `resolved`.
    #[cfg(feature = "__agent")]
    pub(super) const fn standing(&self) -> &'static str {
        match (self.state, self.kind) {
            (State::Resolved, _) => "resolved",
            (State::Firing, Kind::Asked) => "as asked",
            (State::Firing, Kind::Reply) => "firing, update",
            (State::Firing, Kind::Reminder) => "still firing",
            (State::Firing, _) => "firing",
        }
    }

    /// An alert without details, suspects, links and files.
    pub fn new(
        id: impl Into<String>,
        state: State,
        service: impl Into<String>,
        rule: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            group: String::new(),
            state,
            kind: if state == State::Resolved { Kind::Resolved } else { Kind::New },
            service: service.into(),
            rule: rule.into(),
            headline: String::new(),
            time_left: None,
            runs_out_in: None,
            details: Vec::new(),
            sites: Vec::new(),
            snapshot_url: None,
            at: SystemTime::now(),
            context: Vec::new(),
            attachments: Vec::new(),
        }
    }
}

impl Site {
    /// A suspect: its function, place, growth as text, relative error and share of the whole.
    pub fn new(function: impl Into<String>, place: Option<String>, growth: impl Into<String>) -> Self {
        Self {
            function: function.into(),
            place,
            growth: growth.into(),
            relative_error: 0.0,
            share: 0.0,
            share_of: "the growth",
        }
    }
}
