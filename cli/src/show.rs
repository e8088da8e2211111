//! `flamewatch top`, `flame` and `diff`: a profile, or the difference of two, as a table or a flame graph. Drawn by the same
//! code as in the agent, so that a picture from a file is the picture of the debug port.

use std::path::Path;

use flamewatch::profile::Profile;
use flamewatch::render::{self, Format, Options};

use crate::failure::Failure;
use crate::finder::Finder;
use crate::input::Input;
use crate::options::{Diff, Drawn, Flame, Look, Size, Top};
use crate::unnamed::Account;
use crate::{address, fill, output, read};

/// A table of the functions.
pub(crate) fn top(options: &Top) -> Result<(), Failure> {
    with_profile(&options.look, None, |profile| {
        show(profile, &options.look, Format::Text, &Options::default())
    })
}

/// A flame graph.
pub(crate) fn flame(options: &Flame) -> Result<(), Failure> {
    let format = drawn(options.to, options.look.manner.output.as_deref());
    if format == Format::Png {
        output::refuse_terminal(options.look.manner.output.as_deref())?;
    }
    with_profile(&options.look, None, |profile| show(profile, &options.look, format, &drawing(options)))
}

/// What one profile has more than another.
pub(crate) fn diff(options: &Diff) -> Result<(), Failure> {
    let look = &options.look;
    let format = match (options.to, look.manner.output.as_deref().and_then(by_ending)) {
        (Some(drawn), _) => drawn.format(),
        (None, Some(format)) => format,
        (None, None) => Format::Text,
    };
    if matches!(format, Format::Png | Format::Pprof) {
        output::refuse_terminal(look.manner.output.as_deref())?;
    }
    with_profile(look, Some(&options.base), |profile| {
        let shown = show(profile, look, format, &Options::default())?;
        // Where all has grown nothing else tells a difference from a profile.
        let head = if format == Format::Text { what(&options.base, &look.file) } else { String::new() };
        Ok([head.as_bytes(), &shown].concat())
    })
}

fn what(base: &str, file: &str) -> String {
    let name = |name: &str| address::without_secret(name).replace(char::is_control, " ");
    format!("what {} has more than {}\n", name(file), name(base))
}

/// Reads and names the profile of `look`, less the one at `base`, and writes what `write` makes of it.
fn with_profile(
    look: &Look,
    base: Option<&str>,
    write: impl FnOnce(&Profile) -> Result<Vec<u8>, Failure>,
) -> Result<(), Failure> {
    let finder = Finder::new(&look.manner.naming)?;
    let mut account = Account::default();
    let mut profile = one(&look.file, &finder, &mut account)?;
    if let Some(base) = base {
        let before = one(base, &finder, &mut account)?;
        check_alike(&before, &profile)?;
        profile = profile.since(&before);
    }
    output::answer(&write(&profile)?, &look.manner, &account.message(&finder))
}

fn one(path: &str, finder: &Finder<'_>, account: &mut Account) -> Result<Profile, Failure> {
    let input = Input::read(path)?;
    let mut named = || {
        let format = input.format().ok_or_else(|| Failure::new(read::UNKNOWN))?;
        let mut named = read::named(&input, format, finder, account)?;
        fill::fill_places(&mut named);
        let bytes = named.encode().map_err(|error| Failure::new(format!("cannot zip: {error}")))?;
        render::pprof::decode(&bytes).map_err(|error| Failure::new(format!("{error:#}")))
    };
    named().map_err(|failure: Failure| failure.of(&input.name))
}

/// A difference of bytes and nanoseconds would be a number, and mean nothing.
fn check_alike(before: &Profile, after: &Profile) -> Result<(), Failure> {
    let values = |profile: &Profile| {
        let names: Vec<String> = profile
            .values()
            .iter()
            .map(|value| format!("{} ({})", value.name(), value.unit().as_str()))
            .collect();
        names.join(", ")
    };
    let (before, after) = (values(before), values(after));
    if before == after {
        return Ok(());
    }
    Err(Failure::new(format!("they count different things: the first has {before}, the second {after}")))
}

fn show(profile: &Profile, look: &Look, format: Format, options: &Options) -> Result<Vec<u8>, Failure> {
    let mut options = options.clone();
    options.raw = look.raw;
    if let Some(name) = &look.value {
        let known = || profile.values().iter().map(|value| value.name()).collect::<Vec<_>>().join(", ");
        let index = profile.value_index(name);
        options.value = Some(index.ok_or_else(|| {
            Failure::usage(format!("--value {name}: there is no such value, only {}", known()))
        })?);
    }
    let mut bytes = Vec::new();
    format.render(profile, &options, &mut bytes).map_err(|error| Failure::new(format!("{error:#}")))?;
    Ok(bytes)
}

fn drawing(flame: &Flame) -> Options {
    let mut options = Options::default();
    options.title.clone_from(&flame.title);
    options.size = match flame.size {
        Size::Full => render::Size::Full,
        Size::Preview => render::Size::Preview,
    };
    options
}

fn drawn(to: Option<Drawn>, output: Option<&Path>) -> Format {
    to.map(Drawn::format).or_else(|| output.and_then(by_ending)).unwrap_or(Format::Svg)
}

/// What a file's name says of it.
fn by_ending(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()? {
        "png" => Some(Format::Png),
        "svg" => Some(Format::Svg),
        "txt" => Some(Format::Text),
        "folded" => Some(Format::Folded),
        "json" => Some(Format::Json),
        "gz" | "pb" => Some(Format::Pprof),
        _ => None,
    }
}

impl Drawn {
    const fn format(self) -> Format {
        match self {
            Self::Svg => Format::Svg,
            Self::Png => Format::Png,
            Self::Top => Format::Text,
            Self::Folded => Format::Folded,
            Self::Pprof => Format::Pprof,
            Self::Json => Format::Json,
        }
    }
}
