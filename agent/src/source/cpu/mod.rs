//! Where CPU time goes: the `profile` profile. `engine` says what takes the samples, `stream` runs it for all readers,
//! `past` keeps the last minutes, `recording` makes a profile of what came, `coverage` says what share of the CPU time it
//! accounts for.

mod coverage;
mod engine;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod past;
mod recording;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod stream;

use std::time::Duration;

use super::{Labels, Source, Stretch, Window};
use crate::profile::Profile;
use crate::{Error, ErrorKind};
use engine::{Choice, Means};
use recording::Recording;

pub use engine::Engine;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) use stream::tell;

/// Samples stacks of the threads that use CPU. Costs nothing while nobody asks; any number may ask at a time.
#[derive(Debug)]
pub struct Cpu {
    hz: u32,
    choice: Choice,
    labels: Labels,
    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    past: Option<past::Past>,
}

/// How the CPU is sampled.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Samples a second of CPU time. Default: [`Cpu::DEFAULT_HZ`], at most [`Cpu::MAX_HZ`].
    pub hz: u32,
    /// What takes them. Default: [`Engine::Auto`].
    pub engine: Engine,
    /// Samples a second that are taken all the time, so that one can ask for what was before; `None` for none.
    pub always_hz: Option<u32>,
    /// How long those are kept. Default: [`Cpu::DEFAULT_KEPT`].
    pub keep: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { hz: Cpu::DEFAULT_HZ, engine: Engine::Auto, always_hz: None, keep: Cpu::DEFAULT_KEPT }
    }
}

impl Cpu {
    /// Samples a second of CPU time. Not 100, so as not to run in step with what happens every hundredth of a second.
    pub const DEFAULT_HZ: u32 = 99;

    /// The most samples a second of CPU time.
    pub const MAX_HZ: u32 = 999;

    /// How long samples are kept that are taken all the time.
    pub const DEFAULT_KEPT: Duration = Duration::from_secs(300);

    /// A sampler as `options` say. Where samples are taken all the time, that begins now.
    ///
    /// # Errors
    /// `Invalid` for a rate that is not between 1 and [`Cpu::MAX_HZ`]; `Unsupported` for an engine that does not work
    /// here.
    pub fn start(options: Options) -> Result<Self, Error> {
        check_rate(options.hz)?;
        options.always_hz.map_or(Ok(()), check_rate)?;
        let choice = engine::choose(options.engine)?;
        Ok(Self {
            hz: options.hz,
            #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
            past: past::Past::begin(&choice, options.always_hz, options.keep)?,
            choice,
            labels: |_| Vec::new(),
        })
    }

    /// The same sampler, whose samples carry what `labels` gives for the tag of their thread.
    #[must_use]
    pub(crate) fn labeled(self, labels: Labels) -> Self {
        Self { labels, ..self }
    }

    /// Which engine takes the samples, and why.
    #[must_use]
    pub fn engine(&self) -> &str {
        &self.choice.why
    }

    fn record(&self, window: &Window) -> Result<Recording, Error> {
        let hertz = window.hertz().unwrap_or(self.hz);
        check_rate(hertz)?;
        match (window.stretch(), self.choice.means) {
            (Stretch::Past, _) => self.recall(window.length()),
            #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
            (Stretch::Coming, Means::Ticker(kind)) => stream::record(kind, &self.choice.why, hertz, window),
            #[cfg(any(feature = "pprof", not(target_os = "linux")))]
            (Stretch::Coming, Means::PprofCrate) => engine::pprof_crate::record(hertz, window),
        }
    }

    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn recall(&self, length: Duration) -> Result<Recording, Error> {
        self.past.as_ref().ok_or_else(not_kept)?.last(length)
    }

    #[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
    fn recall(&self, _length: Duration) -> Result<Recording, Error> {
        Err(not_kept())
    }
}

impl Source for Cpu {
    fn name(&self) -> &'static str {
        "profile"
    }

    fn about(&self) -> &'static str {
        "CPU time by stack, sampled over ?seconds= at ?hz=. Costs about 1 µs a sample and 4 MB while it is taken."
    }

    fn detail(&self) -> Option<String> {
        Some(format!("engine {}", self.choice.why))
    }

    fn count(&self) -> Option<u64> {
        None
    }

    fn windowed(&self) -> bool {
        true
    }

    fn needs_memory(&self) -> u64 {
        match self.choice.means {
            #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
            Means::Ticker(_) => 0,
            #[cfg(any(feature = "pprof", not(target_os = "linux")))]
            Means::PprofCrate => engine::pprof_crate::needs_memory(),
        }
    }

    fn collect(&self, window: &Window) -> Result<Profile, Error> {
        Ok(self.record(window)?.into_profile(self.labels))
    }
}

fn check_rate(hertz: u32) -> Result<(), Error> {
    if (1..=Cpu::MAX_HZ).contains(&hertz) {
        return Ok(());
    }
    let context = format!("cannot sample the CPU at {hertz} Hz, only at 1 to {}", Cpu::MAX_HZ);
    Err(Error::new(ErrorKind::Invalid, context))
}

fn not_kept() -> Error {
    let context = "nothing was sampled before you asked; set FLAMEWATCH_CPU_ALWAYS to a rate such as 19";
    Error::new(ErrorKind::Unsupported, context)
}

#[cfg(all(test, target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tests;
