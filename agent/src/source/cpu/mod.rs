//! Where CPU time goes: the `profile` profile. An engine takes the samples; this file makes them a profile and says
//! what share of the CPU time they account for.

mod pprof_crate;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use super::{Source, Window};
use crate::profile::{Addr, Frame, Profile, Unit, ValueType};
use crate::{Error, ErrorKind, sys};

/// Fewer samples than this were to be expected: then the coverage is chance, and none is given.
const MIN_EXPECTED: f64 = 10.0;

/// How the names of the agent's own threads begin.
const OWN: &str = "flamewatch-";

/// One window at a time in the whole process: the signal and its timer are the process's.
static BUSY: AtomicBool = AtomicBool::new(false);

/// Samples stacks of the threads that use CPU, for the length of a window. Before the first window it costs nothing,
/// between windows no time; the engine's buffers, made by the first window, stay.
#[derive(Clone, Debug)]
pub struct Cpu {
    hz: u32,
    engine: Engine,
}

/// What takes the samples.
#[derive(Clone, Copy, Debug)]
enum Engine {
    /// The pprof crate: `SIGPROF` by one CPU timer for the process.
    PprofCrate,
}

/// What an engine brings back from a window.
struct Recording {
    began: SystemTime,
    lasted: Duration,
    /// One sample stands for so much CPU time.
    period: Duration,
    samples: Vec<Sample>,
    /// The CPU time that the process used meanwhile, if its clock could be read.
    used: Option<Duration>,
    comments: Vec<String>,
}

/// Equal stacks of one thread.
struct Sample {
    thread: String,
    /// Innermost first.
    addresses: Vec<Addr>,
    count: u64,
    /// The stack was deeper than the engine follows.
    truncated: bool,
}

impl Cpu {
    /// Samples a second of CPU time. Not 100, so as not to run in step with what happens every hundredth of a second.
    pub const DEFAULT_HZ: u32 = 99;

    /// The most samples a second of CPU time.
    pub const MAX_HZ: u32 = 999;

    /// Samples at [`Cpu::DEFAULT_HZ`].
    #[must_use]
    pub const fn new() -> Self {
        Self { hz: Self::DEFAULT_HZ, engine: Engine::PprofCrate }
    }

    /// Samples `hz` times a second of CPU time.
    ///
    /// # Errors
    /// `Invalid` unless `hz` lies between 1 and [`Cpu::MAX_HZ`].
    pub fn from_hz(hz: u32) -> Result<Self, Error> {
        if (1..=Self::MAX_HZ).contains(&hz) {
            Ok(Self { hz, ..Self::new() })
        } else {
            let context = format!("cannot sample the CPU at {hz} Hz, only at 1 to {}", Self::MAX_HZ);
            Err(Error::new(ErrorKind::Invalid, context))
        }
    }
}

impl Default for Cpu {
    fn default() -> Self {
        Self::new()
    }
}

impl Source for Cpu {
    fn name(&self) -> &'static str {
        "profile"
    }

    fn about(&self) -> &'static str {
        "CPU time by stack, sampled over ?seconds=. The first window takes 200 MB for the engine's buffers, for good."
    }

    fn count(&self) -> Option<u64> {
        None
    }

    fn windowed(&self) -> bool {
        true
    }

    fn needs_memory(&self) -> u64 {
        pprof_crate::needs_memory()
    }

    fn collect(&self, window: &Window) -> Result<Profile, Error> {
        let _turn = Turn::take()?;
        let recording = match self.engine {
            Engine::PprofCrate => pprof_crate::record(self.hz, window)?,
        };
        Ok(profile(recording))
    }
}

/// The right to sample, given back when dropped.
struct Turn;

impl Turn {
    fn take() -> Result<Self, Error> {
        // Acquire: pairs with the Release in `drop`, so that one window ends before the next begins.
        if BUSY.swap(true, Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Busy, "cannot sample the CPU: another window is open"));
        }
        match sys::signal::sigprof_handler() {
            Ok(None) => Ok(Self),
            Ok(Some(_)) => {
                drop(Self);
                Err(Error::new(ErrorKind::Busy, "cannot sample the CPU: another profiler handles SIGPROF"))
            }
            Err(error) => {
                drop(Self);
                Err(Error::new(ErrorKind::Io, "cannot sample the CPU").because(error))
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Release: pairs with the Acquire in `take`.
        BUSY.store(false, Ordering::Release);
    }
}

fn profile(recording: Recording) -> Profile {
    let cpu = ValueType::new("cpu", Unit::Nanoseconds);
    let mut profile = Profile::new("profile", [ValueType::new("samples", Unit::Count), cpu.clone()]);
    let period = i64::try_from(recording.period.as_nanos()).unwrap_or(i64::MAX);
    profile.began = recording.began;
    profile.lasted = Some(recording.lasted);
    profile.period = Some((cpu, period.unsigned_abs()));
    profile.losses.coverage = coverage(&recording);
    profile.comments = recording.comments;
    let mut own = 0_u64;
    for sample in recording.samples {
        if sample.thread.starts_with(OWN) {
            own += sample.count;
            continue;
        }
        let count = i64::try_from(sample.count).unwrap_or(i64::MAX);
        if sample.truncated {
            profile.losses.truncated += 1;
        }
        let frames = sample.addresses.into_iter().map(Frame::Address);
        let label = Frame::label("thread", sample.thread);
        profile.add(frames.chain([label]), &[count, count.saturating_mul(period)], sample.count);
    }
    if own > 0 {
        profile.comments.push(format!("{own} samples of flamewatch itself are left out"));
    }
    profile
}

/// The CPU time that the samples stand for, as a share of what the process's clock says was used.
fn coverage(recording: &Recording) -> Option<f64> {
    let used = recording.used?.as_secs_f64();
    let period = recording.period.as_secs_f64();
    let count: u64 = recording.samples.iter().map(|sample| sample.count).sum();
    (used >= MIN_EXPECTED * period).then(|| count as f64 * period / used)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(thread: &str, count: u64, truncated: bool) -> Sample {
        Sample { thread: thread.to_owned(), addresses: vec![Addr::Pc(1), Addr::Return(2)], count, truncated }
    }

    fn recording(used: u64, samples: Vec<Sample>) -> Recording {
        Recording {
            began: SystemTime::UNIX_EPOCH,
            lasted: Duration::from_secs(1),
            period: Duration::from_millis(10),
            samples,
            used: Some(Duration::from_millis(used)),
            comments: Vec::new(),
        }
    }

    #[test]
    fn samples_become_time_and_say_what_they_cover() {
        let samples = vec![sample("worker", 30, true), sample("worker", 10, false), sample(OWN, 5, false)];
        let profile = profile(recording(500, samples));
        assert_eq!((profile.len(), profile.total(0), profile.total(1)), (1, 40, 400_000_000));
        assert_eq!(profile.losses.coverage, Some(0.9));
        assert_eq!(profile.losses.truncated, 1);
        assert_eq!(profile.comments, ["5 samples of flamewatch itself are left out"]);
        assert_eq!(profile.period, Some((ValueType::new("cpu", Unit::Nanoseconds), 10_000_000)));
        let stack = profile.iter().next().expect("a stack");
        assert_eq!(stack.frames().map(Frame::show).collect::<Vec<_>>(), ["0x1", "0x2", "thread=worker"]);
        assert_eq!(stack.samples(), 40);
    }

    #[test]
    fn an_idle_process_gives_no_coverage() {
        assert_eq!(coverage(&recording(90, Vec::new())), None);
        assert_eq!(coverage(&recording(100, Vec::new())), Some(0.0));
    }

    #[test]
    fn rates_are_checked_before_they_reach_an_engine() {
        let kind = |hz| Cpu::from_hz(hz).map_err(|error| error.kind()).err();
        assert_eq!([kind(1), kind(99), kind(Cpu::MAX_HZ)], [None; 3]);
        assert_eq!([kind(0), kind(1000), kind(u32::MAX)], [Some(ErrorKind::Invalid); 3]);
    }
}
