//! What takes the samples, and how it is chosen. Each engine says what it is in a sentence that goes into `doctor`, the
//! index page and every profile.

#[cfg(any(feature = "pprof", not(target_os = "linux")))]
pub(super) mod pprof_crate;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) mod ticker;

use std::fmt;

use crate::Error;

/// What takes the CPU samples, as one can ask for it; `FLAMEWATCH_CPU_ENGINE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Engine {
    /// What suits this system and this build: perf events where they are allowed and the build keeps frame pointers,
    /// else timers; on systems other than Linux the pprof crate.
    #[default]
    Auto,
    /// A CPU timer a thread, on Linux: works everywhere, looks at the kernel's tick.
    Timers,
    /// A perf event a thread, on Linux: independent of the kernel's tick, but a file descriptor a thread, and containers
    /// usually forbid it.
    Perf,
    /// The pprof crate: one timer for the process. On Linux only with the feature `pprof`.
    Pprof,
}

impl Engine {
    /// Every engine that can be asked for.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Timers, Self::Perf, Self::Pprof];

    /// Its name in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Timers => "timers",
            Self::Perf => "perf",
            Self::Pprof => "pprof",
        }
    }

    /// The engine called so.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|engine| engine.name() == name)
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// An engine that works here, and why it was taken.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) means: Means,
    pub(super) why: String,
}

/// By what means samples come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Means {
    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    Ticker(ticker::Kind),
    #[cfg(any(feature = "pprof", not(target_os = "linux")))]
    PprofCrate,
}

/// What the wish comes to in this process.
///
/// # Errors
/// `Unsupported` when what was asked for does not work here; says what does.
pub(super) fn choose(wanted: Engine) -> Result<Choice, Error> {
    match wanted {
        Engine::Pprof => pprof(),
        _ => native(wanted),
    }
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
fn native(wanted: Engine) -> Result<Choice, Error> {
    let (kind, why) = ticker::choose(wanted)?;
    Ok(Choice { means: Means::Ticker(kind), why })
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
fn native(wanted: Engine) -> Result<Choice, Error> {
    if wanted == Engine::Auto {
        return pprof();
    }
    let context = format!("the engine `{wanted}` works on Linux with x86-64 or arm64 alone; leave FLAMEWATCH_CPU_ENGINE out");
    Err(Error::new(crate::ErrorKind::Unsupported, context))
}

#[cfg(any(feature = "pprof", not(target_os = "linux")))]
fn pprof() -> Result<Choice, Error> {
    let why = "pprof: the pprof crate, one timer for the process".to_owned();
    Ok(Choice { means: Means::PprofCrate, why })
}

#[cfg(not(any(feature = "pprof", not(target_os = "linux"))))]
fn pprof() -> Result<Choice, Error> {
    let context = "the engine `pprof` is not part of this build; enable flamewatch's feature `pprof`, or use `timers`";
    Err(Error::new(crate::ErrorKind::Unsupported, context))
}
