//! Something on each thread that ticks with its CPU time: a timer or a perf event.

use std::fmt;
use std::io;
use std::time::Duration;

use super::Engine;
use crate::sys::process;
use crate::sys::sampler::perf::{Event, Sees};
use crate::sys::sampler::timer::{Tick, Timer};
use crate::sys::trial;
use crate::sys::unwinder::frame_pointers;
use crate::{Error, ErrorKind};

/// Perf events take at most one in so many of the file descriptors that the process may have: they are the service's.
const DESCRIPTOR_SHARE: u64 = 8;

/// Timers take at most one in so many of the signals that all processes of the user may have pending.
const PENDING_SHARE: u64 = 4;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source::cpu) enum Kind {
    Timers,
    Perf(Sees),
}

/// One thread's; dropping it ends it.
#[derive(Debug)]
pub(in crate::source::cpu) enum Ticker {
    Timer(Timer),
    Event {
        #[expect(dead_code, reason = "held until it ends")]
        event: Event,
    },
}

impl Kind {
    /// Lets thread `thread` tick every `period` of its CPU time, the first time after `first` of it. (An event begins
    /// with a whole period; its clock is not the kernel's tick, so nothing runs in step.)
    pub(in crate::source::cpu) fn start(
        self,
        thread: u32,
        tick: Tick,
        period: Duration,
        first: Duration,
    ) -> io::Result<Ticker> {
        match self {
            Self::Timers => Timer::start(thread, tick, period, first).map(Ticker::Timer),
            Self::Perf(sees) => Event::start(thread, tick, period, sees).map(|event| Ticker::Event { event }),
        }
    }

    /// The most threads that may tick at a time.
    pub(in crate::source::cpu) fn most_threads(self) -> usize {
        /// Half a KiB each in the kernel; a process with more threads has them counted as not sampled.
        const TIMERS: usize = 16_384;
        // They count against what the user's processes may have queued, all of them together.
        let allowed = usize::try_from(process::pending_signal_limit().unwrap_or(u64::MAX) / PENDING_SHARE);
        match self {
            Self::Timers => TIMERS.min(allowed.unwrap_or(TIMERS)),
            Self::Perf(_) => usize::try_from(descriptors_allowed()).unwrap_or(TIMERS).min(TIMERS),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Timers => "timers",
            Self::Perf(Sees::Everything) => "perf, with time in the kernel",
            Self::Perf(Sees::UserOnly) => "perf, without time in the kernel",
        })
    }
}

/// What `wanted` comes to here, and why.
///
/// # Errors
/// `Unsupported` when perf was asked for by name and is not allowed.
pub(in crate::source::cpu) fn choose(wanted: Engine) -> Result<(Kind, String), Error> {
    match wanted {
        Engine::Timers => Ok((Kind::Timers, "timers: asked for".to_owned())),
        Engine::Perf => match probe() {
            Ok(kind) => Ok((kind, format!("{kind}: asked for"))),
            Err(error) => {
                let context =
                    "perf events are not allowed here (seccomp or perf_event_paranoid); use `timers`";
                Err(Error::new(ErrorKind::Unsupported, context).because(error))
            }
        },
        _ => Ok(automatic(frame_pointers::are_kept(), descriptors_allowed(), probe)),
    }
}

fn automatic(
    frame_pointers: bool,
    descriptors: u64,
    probe: impl FnOnce() -> io::Result<Kind>,
) -> (Kind, String) {
    let timers = |why: &str| (Kind::Timers, format!("timers: {why}"));
    if trial::is_known_to_end(trial::Call::Timer) {
        return timers("a filter of system calls (seccomp) ends who makes one, so that nothing is sampled");
    }
    if !frame_pointers {
        return timers("a CPU timer a thread; perf events are for builds with frame pointers");
    }
    if trial::is_confined() {
        // The filter may end the process for asking.
        return timers("the process is confined by seccomp, which hardly ever lets perf events through");
    }
    let threads = process::threads_alive().unwrap_or(u64::MAX);
    if threads > descriptors {
        return timers("there are more threads than file descriptors to spare for perf events");
    }
    match probe() {
        // Without it, a service that spends its time in system calls would show next to nothing.
        Ok(kind @ Kind::Perf(Sees::Everything)) => {
            (kind, format!("{kind}: they are allowed, and the build keeps frame pointers"))
        }
        Ok(_) => timers("perf events may not see the time in the kernel"),
        Err(error) => timers(&format!("perf events are not allowed ({error})")),
    }
}

/// Tries an event on this very thread, too slow to tick.
fn probe() -> io::Result<Kind> {
    /// SIGURG, which is ignored unless somebody handles it, for an event that never ticks.
    const HARMLESS: i32 = 23;
    let tick = Tick { signal: HARMLESS, session: 0 };
    let slow = Duration::from_secs(3600);
    let thread = process::this_thread();
    if Event::start(thread, tick, slow, Sees::Everything).is_ok() {
        return Ok(Kind::Perf(Sees::Everything));
    }
    Event::start(thread, tick, slow, Sees::UserOnly).map(|_| Kind::Perf(Sees::UserOnly))
}

fn descriptors_allowed() -> u64 {
    process::descriptor_limit().unwrap_or(1024) / DESCRIPTOR_SHARE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perf_is_taken_where_it_is_better_and_harmless() {
        let everything = || Ok(Kind::Perf(Sees::Everything));
        let check = |chosen: (Kind, String), kind, why: &str| {
            assert_eq!(chosen.0, kind, "{}", chosen.1);
            assert!(chosen.1.contains(why), "{}", chosen.1);
        };
        check(automatic(true, u64::MAX, everything), Kind::Perf(Sees::Everything), "keeps frame pointers");
        check(automatic(false, u64::MAX, everything), Kind::Timers, "with frame pointers");
        check(automatic(true, 0, everything), Kind::Timers, "file descriptors");
        check(automatic(true, u64::MAX, || Ok(Kind::Perf(Sees::UserOnly))), Kind::Timers, "in the kernel");
        let forbidden = || Err(io::Error::from(io::ErrorKind::PermissionDenied));
        check(automatic(true, u64::MAX, forbidden), Kind::Timers, "permission denied");
    }

    #[test]
    fn timers_can_always_be_asked_for() {
        assert_eq!(choose(Engine::Timers).expect("timers").0, Kind::Timers);
        match choose(Engine::Perf) {
            Ok((kind, _)) => assert!(matches!(kind, Kind::Perf(_))),
            Err(error) => assert!(format!("{error:#}").contains("use `timers`")),
        }
    }
}
