//! A profile made into bytes for somebody to read: `go tool pprof`, a browser, a terminal, a program.

use std::io::Write;

use crate::profile::Profile;
use crate::{Error, ErrorKind};

/// The forms a profile can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Gzipped `profile.proto`: `go tool pprof`, Parca, Pyroscope.
    Pprof,
    /// One line a stack, `root;…;leaf weight`: flame graph tools.
    Folded,
    /// An interactive flame graph.
    Svg,
    /// A table of the top functions, for terminals.
    Text,
    /// The whole profile as JSON.
    Json,
}

/// What to show of a profile, and under which title.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// The value to show, where a form shows one. Default: the profile's own.
    pub value: Option<usize>,
    /// Keep the allocator's frames at the leaf. Default: they are left out.
    pub raw: bool,
    /// The title of a drawing. Default: the profile's kind.
    pub title: Option<String>,
}

impl Format {
    /// Every format, in the order pages list them.
    pub const ALL: [Self; 5] = [Self::Pprof, Self::Svg, Self::Text, Self::Folded, Self::Json];

    /// The format called `name` in `?format=`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Its name in `?format=`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pprof => "pprof",
            Self::Folded => "folded",
            Self::Svg => "svg",
            Self::Text => "text",
            Self::Json => "json",
        }
    }

    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Pprof => "application/octet-stream",
            Self::Folded | Self::Text => "text/plain; charset=utf-8",
            Self::Svg => "image/svg+xml",
            Self::Json => "application/json",
        }
    }

    /// Writes `profile` in this form.
    ///
    /// # Errors
    /// `Io` when `out` fails; `Unsupported` for [`Format::Svg`] in a build without the `flamegraph` feature.
    pub fn render(self, profile: &Profile, options: &Options, out: &mut dyn Write) -> Result<(), Error> {
        let _ = (profile, options, out);
        Err(Error::new(ErrorKind::Unsupported, "not built"))
    }
}
