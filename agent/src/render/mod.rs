//! A profile made into bytes for somebody to read: `go tool pprof`, a browser, a terminal, a program.
//! One file per form. What all of them show of a stack is decided in `shown`, how sure it is in `certainty`.

#[cfg_attr(not(feature = "flamegraph"), allow(dead_code, reason = "only drawings have captions"))]
mod caption;
mod certainty;
#[cfg_attr(not(feature = "serve"), allow(dead_code, reason = "only the debug port shows tables"))]
mod columns;
mod dump;
#[cfg_attr(not(feature = "serve"), allow(dead_code, reason = "only the debug port shows metrics"))]
pub(crate) mod exposition;
mod folded;
#[cfg_attr(not(feature = "serve"), allow(dead_code, reason = "only the debug port speaks Go's text"))]
mod goroutine;
#[cfg(feature = "serve")]
mod heap;
#[cfg(feature = "flamegraph")]
mod hue;
mod json;
#[cfg(feature = "serve")]
pub(crate) mod leaks;
#[cfg_attr(not(feature = "serve"), allow(dead_code, reason = "only the debug port shows the memory's parts"))]
pub(crate) mod memory;
#[cfg(feature = "serve")]
mod other_tasks;
mod plain;
#[cfg(feature = "flamegraph")]
mod png;
pub mod pprof;
#[cfg(feature = "flamegraph")]
mod prelude;
#[cfg(feature = "http")]
#[cfg_attr(not(feature = "serve"), allow(dead_code, reason = "only the debug port shows routes"))]
pub(crate) mod routes;
#[cfg_attr(not(feature = "serve"), allow(dead_code, reason = "only the debug port shows segments"))]
pub(crate) mod segments;
mod shown;
#[cfg_attr(not(feature = "serve"), allow(dead_code, reason = "only the debug port shows rates"))]
pub(crate) mod stats;
#[cfg(feature = "flamegraph")]
mod svg;
#[cfg_attr(not(feature = "serve"), allow(dead_code, reason = "only the debug port shows single tasks"))]
pub(crate) mod tasks;
mod text;
mod top;

use std::io::Write;

use crate::profile::Profile;
use crate::{Error, ErrorKind};

pub use dump::dump;
pub use folded::Omitted;
#[cfg(feature = "serve")]
pub(crate) use goroutine::goroutine;
#[cfg(feature = "serve")]
pub(crate) use other_tasks::other_tasks;
#[cfg(feature = "serve")]
pub(crate) use plain::plain;
#[cfg(feature = "serve")]
pub(crate) use text::Report;

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
    /// A flame graph as a picture, for where nothing interactive can be shown: a chat, a ticket, a terminal's viewer.
    Png,
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
    /// Keep the allocator's frames at the leaf and, in a drawing, the runtime's at the root. Default: the first are
    /// left out, the second shown as one.
    pub raw: bool,
    /// The title of a drawing. Default: the profile's kind.
    pub title: Option<String>,
    /// How large a picture is. Default: [`Size::Full`].
    pub size: Size,
    /// In [`Format::Pprof`], say of each function whose code it is and its short name, and of each stack how sure its values
    /// are, in fields of our own that other readers skip. For the viewer of the debug port. Default: no.
    pub owners: bool,
}

/// How large a picture ([`Format::Png`]) is, and so how much it shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Size {
    /// To be opened and read: 1,600 pixels wide, at most 60 levels of frames, whole names where they fit.
    #[default]
    Full,
    /// To be glanced at, still legible at 360 pixels: 960 wide, at most 14 levels in large letters, short names. A stack
    /// begins with the service's own code; how many frames are left out before that is said.
    Preview,
}

impl Format {
    /// Every format, in the order pages list them.
    pub const ALL: [Self; 6] = [Self::Pprof, Self::Svg, Self::Png, Self::Text, Self::Folded, Self::Json];

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
            Self::Png => "png",
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
            Self::Png => "image/png",
            Self::Json => "application/json",
        }
    }

    /// Writes `profile` in this form.
    ///
    /// # Errors
    /// `Io` when `out` fails; `Unsupported` for [`Format::Svg`] and [`Format::Png`] in a build without the `flamegraph` feature.
    pub fn render(self, profile: &Profile, options: &Options, out: &mut dyn Write) -> Result<(), Error> {
        let shown = shown::of(profile, options.raw);
        let value =
            options.value.filter(|index| *index < shown.values().len()).unwrap_or(shown.default_value);
        let written = match self {
            Self::Pprof => pprof::write(&shown, options.owners, out),
            Self::Folded => folded::write(&shown, value, out),
            #[cfg(feature = "flamegraph")]
            Self::Svg if options.raw => svg::write(&shown, value, options.title.as_deref(), out),
            #[cfg(feature = "flamegraph")]
            Self::Svg => svg::write(&prelude::fold(&shown), value, options.title.as_deref(), out),
            #[cfg(feature = "flamegraph")]
            Self::Png => png::write(&shown, value, options, out),
            #[cfg(not(feature = "flamegraph"))]
            Self::Svg | Self::Png => return Err(Error::new(ErrorKind::Unsupported, NO_FLAMEGRAPH)),
            Self::Text => text::write(&shown, value, out),
            Self::Json => json::write(&shown, out),
        };
        written.map_err(|error| {
            let name = self.name();
            Error::new(ErrorKind::Io, format!("cannot write the {} profile as {name}", shown.kind()))
                .because(error)
        })
    }
}

/// `profile`, which is of memory, in Go's text.
#[cfg(feature = "serve")]
pub(crate) fn heap(profile: &Profile, raw: bool) -> Result<String, Error> {
    let text = heap::write(&shown::of(profile, raw));
    text.map_err(|error| {
        Error::new(ErrorKind::Io, "cannot write the heap profile as Go's text").because(error)
    })
}

/// The top `rows` functions of `profile`.
#[cfg(feature = "serve")]
pub(crate) fn report(profile: &Profile, options: &Options, rows: usize) -> std::io::Result<Report> {
    let shown = shown::of(profile, options.raw);
    text::report(&shown, options.value.unwrap_or(shown.default_value), rows)
}

#[cfg(not(feature = "flamegraph"))]
const NO_FLAMEGRAPH: &str =
    "this build cannot draw flame graphs: it lacks the `flamegraph` feature of flamewatch";

/// What [`Format::Folded`], [`Format::Svg`] and [`Format::Png`] leave out of `profile`: they can only show what is above zero,
/// and a delta has stacks that shrank.
#[must_use]
pub fn omitted(profile: &Profile, options: &Options) -> Omitted {
    let shown = shown::of(profile, options.raw);
    folded::omitted(&shown, options.value.unwrap_or(shown.default_value))
}

/// How many of a stack's outermost frames are folded: the runtime's, and all up to the service's own code.
#[cfg(all(test, feature = "flamegraph", feature = "serve"))]
pub(crate) fn folded(stack: &crate::profile::Stack<'_>) -> (usize, usize) {
    (prelude::prelude(stack), png::foreign(stack))
}

#[cfg(test)]
mod tests;
