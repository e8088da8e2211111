//! The pprof crate as an engine: one process-wide timer, one window at a time. Nothing of the crate leaves this file.
//! Its guard takes over 100 MB, so it exists only while a window is open.

use std::time::{Duration, Instant};

use pprof::{ProfilerGuardBuilder, UnresolvedReport};

use super::Sample;
use crate::source::Window;
use crate::sys::signal;
use crate::{Error, ErrorKind};

/// The crate follows this many frames, its own included.
const MAX_DEPTH: usize = 128;

/// Samples for as long as `window` lasts, and how long that really was.
pub(super) fn sample(hertz: u32, window: &Window) -> Result<(Vec<Sample>, Duration), Error> {
    let guard = ProfilerGuardBuilder::default()
        .frequency(i32::try_from(hertz).unwrap_or(i32::MAX))
        // Unwinding out of these crashed services in the field; the crate's own advice.
        .blocklist(&["libc", "libgcc", "pthread", "vdso"])
        .build()
        .map_err(|error| failed("cannot start the CPU profiler", error))?;
    let begun = Instant::now();
    // The crate's handler is a frame in every stack; this is how to tell it from the service's own.
    let handler = signal::handler_of(libc::SIGPROF);
    if !window.wait() {
        return Err(Error::new(ErrorKind::TimedOut, "the CPU profile was canceled"));
    }
    let lasted = begun.elapsed();
    let report =
        guard.report().build_unresolved().map_err(|error| failed("cannot read the CPU profiler's samples", error))?;
    Ok((samples(&report, handler), lasted))
}

fn samples(report: &UnresolvedReport, handler: Option<usize>) -> Vec<Sample> {
    report
        .data
        .iter()
        .map(|(stack, count)| {
            // Innermost are the crate's own frames, its handler, and the trampoline the kernel returns through.
            let is_handler = |address: usize| handler == Some(address);
            let own = stack.frames.iter().position(|frame| is_handler(frame.symbol_address() as usize));
            let addresses = stack.frames.iter().skip(own.map_or(0, |index| index + 2)).map(|frame| frame.ip() as u64);
            let name = stack.thread_name.get(..stack.thread_name_length).unwrap_or(&[]);
            Sample {
                addresses: addresses.collect(),
                thread: String::from_utf8_lossy(name).into_owned(),
                count: u64::try_from(*count).unwrap_or(0),
                truncated: stack.frames.len() >= MAX_DEPTH,
            }
        })
        .collect()
}

fn failed(context: &'static str, error: pprof::Error) -> Error {
    let kind = if matches!(error, pprof::Error::Running) { ErrorKind::Busy } else { ErrorKind::Unsupported };
    Error::new(kind, context).because(error.to_string())
}
