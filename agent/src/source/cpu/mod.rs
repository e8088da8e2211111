//! Where the CPU time goes: stacks sampled while they run, over a window.
//! The engine that takes the samples hides in a file of its own; another one will stand beside it.

mod pprof_crate;

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use super::{Source, Window};
use crate::profile::{Addr, Frame, Profile, Unit, ValueType};
use crate::sys::process;
use crate::{Error, ErrorKind};

/// The highest sampling rate. The kernel delivers at most one signal a tick (250 a second on most), so more would
/// only be lost.
pub const MAX_HZ: u32 = 999;

/// CPU profiles of this process.
#[derive(Debug)]
pub struct Cpu {
    hertz: u32,
    /// The engine serves one window at a time.
    window: Mutex<()>,
}

/// One stack as an engine saw it.
struct Sample {
    /// Innermost first; the first is where execution stood.
    addresses: Vec<u64>,
    thread: String,
    count: u64,
    /// The stack was deeper than the engine follows.
    truncated: bool,
}

impl Cpu {
    /// A sampler that takes `hertz` samples per second of CPU time, 1 to [`MAX_HZ`].
    ///
    /// # Errors
    /// `Invalid` for another rate. It must not reach the engine: the pprof crate cannot be started again after a 0.
    pub fn from_hz(hertz: u32) -> Result<Self, Error> {
        if (1..=MAX_HZ).contains(&hertz) {
            return Ok(Self { hertz, window: Mutex::new(()) });
        }
        Err(Error::new(ErrorKind::Invalid, format!("{hertz} CPU samples a second are asked for, but must be 1 to {MAX_HZ}")))
    }

    fn profile(&self, began: SystemTime, lasted: Duration, samples: Vec<Sample>, cpu_time: Duration) -> Profile {
        let period = 1_000_000_000 / u64::from(self.hertz);
        let cpu = ValueType::new("cpu", Unit::Nanoseconds);
        let mut profile = Profile::new("profile", [ValueType::new("samples", Unit::Count), cpu.clone()]);
        (profile.began, profile.lasted, profile.period) = (began, Some(lasted), Some((cpu, period)));
        profile.comments.push(format!("engine: pprof crate, {} Hz", self.hertz));
        let mut seen = 0;
        for sample in samples {
            seen += sample.count;
            profile.losses.truncated += u64::from(sample.truncated);
            let (count, nanoseconds) = (signed(sample.count), signed(sample.count.saturating_mul(period)));
            let thread = Frame::label("thread", sample.thread.as_str());
            profile.add(frames(&sample.addresses).chain([thread]), &[count, nanoseconds], sample.count);
        }
        // Less than ten periods of CPU time say nothing about how many of them were seen.
        if cpu_time.as_nanos() > u128::from(period) * 10 {
            profile.losses.coverage = Some((seen * period) as f64 / cpu_time.as_nanos() as f64);
        }
        profile
    }
}

impl Source for Cpu {
    fn name(&self) -> &'static str {
        "profile"
    }

    fn about(&self) -> &'static str {
        "Where the CPU time goes, sampled while you wait. Takes some 100 MB of memory for its first window."
    }

    fn count(&self) -> Option<u64> {
        None
    }

    fn windowed(&self) -> bool {
        true
    }

    fn collect(&self, window: &Window) -> Result<Profile, Error> {
        let Ok(_turn) = self.window.try_lock() else {
            return Err(Error::new(ErrorKind::Busy, "a CPU profile is being taken; try again when it is done"));
        };
        let (began, cpu_before) = (SystemTime::now(), process::cpu_time().unwrap_or_default());
        let (samples, lasted) = pprof_crate::sample(self.hertz, window)?;
        Ok(self.profile(began, lasted, samples, process::cpu_time().unwrap_or_default().saturating_sub(cpu_before)))
    }
}

/// The leaf is where execution stood, the rest is where calls return to.
fn frames(addresses: &[u64]) -> impl Iterator<Item = Frame> {
    let address = |(index, raw): (usize, &u64)| if index == 0 { Addr::Pc(*raw) } else { Addr::Return(*raw) };
    addresses.iter().enumerate().map(move |entry| Frame::Address(address(entry)))
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    use super::*;

    static STOP: AtomicBool = AtomicBool::new(false);

    #[inline(never)]
    fn busy(mut state: u64) -> u64 {
        while !STOP.load(Ordering::Relaxed) {
            for _ in 0..1000 {
                state = black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            }
        }
        state
    }

    #[test]
    fn a_rate_the_engine_cannot_take_is_refused() {
        assert!(Cpu::from_hz(0).is_err() && Cpu::from_hz(1000).is_err() && Cpu::from_hz(1).is_ok());
    }

    /// One test, since the engine serves one window in a process.
    #[test]
    fn the_leaf_is_where_it_runs_and_a_second_window_is_refused() {
        let cpu = std::sync::Arc::new(Cpu::from_hz(99).expect("a good rate"));
        let thread = std::thread::Builder::new().name("burner".to_owned()).spawn(|| busy(7)).expect("a thread");
        let first = std::thread::spawn({
            let cpu = cpu.clone();
            move || cpu.collect(&Window::of(Duration::from_secs(2)))
        });
        while cpu.window.try_lock().is_ok() {
            std::thread::yield_now();
        }
        let second = cpu.collect(&Window::now());
        assert_eq!(second.err().map(|error| error.kind()), Some(ErrorKind::Busy));
        let profile = first.join().expect("no panic").expect("a profile");
        let burner = Frame::label("thread", "burner");
        let of_burner = profile.iter().filter(|stack| stack.frames().any(|frame| *frame == burner));
        let (mut total, mut at_leaf) = (0, 0);
        let body = busy as usize as u64..busy as usize as u64 + 4096;
        for stack in of_burner {
            total += stack.value(0);
            let leaf = stack.frames().next().expect("a leaf");
            at_leaf += if matches!(leaf, Frame::Address(Addr::Pc(pc)) if body.contains(pc)) { stack.value(0) } else { 0 };
        }
        // In an unoptimized build part of the time is spent in the functions `busy` calls.
        assert!(total > 50, "{total} samples of two seconds at 99 Hz");
        assert!(at_leaf > 0, "the leaf is never in the function that burns");
        assert!(profile.losses.coverage.is_some_and(|coverage| coverage > 0.3), "{:?}", profile.losses);

        let window = Window::of(Duration::from_secs(30));
        let (guard, begun) = (window.guard(), Instant::now());
        drop(guard);
        let error = cpu.collect(&window).expect_err("canceled");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(begun.elapsed() < Duration::from_secs(5));
        STOP.store(true, Ordering::Relaxed);
        black_box(thread.join().expect("no panic"));
    }
}
