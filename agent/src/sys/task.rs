//! One thread of this process seen from outside: its CPU clock, and a signal to it. By its number in the kernel.

use core::ffi::c_int;
use std::io;
use std::time::Duration;

use super::sampler::timer::clock_of;
use super::trial;

/// The CPU time that thread `thread` has used. About 0.15 µs.
///
/// # Errors
/// When there is no such thread in this process.
pub(crate) fn cpu_time(thread: u32) -> io::Result<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime(2) writes one timespec, which `time` is, or fails.
    if unsafe { libc::clock_gettime(clock_of(thread), &raw mut time) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Ok(Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0)))
}

/// Sends `signal` to thread `thread`, with `value` along. `code` says what it is to be taken for: SI_QUEUE, or to oneself
/// anything.
///
/// # Errors
/// When the thread has ended, RLIMIT_SIGPENDING allows no more signals, or a filter ends who sends one.
pub(crate) fn send(thread: u32, signal: c_int, code: c_int, value: u64) -> io::Result<()> {
    /// What rt_tgsigqueueinfo(2) reads of a siginfo_t, 64-bit systems.
    #[repr(C)]
    struct Info {
        signal: c_int,
        error: c_int,
        code: c_int,
        padding: c_int,
        process: c_int,
        user: c_int,
        value: u64,
        rest: [u64; 12],
    }
    if trial::is_known_to_end(trial::Call::Signal) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let process = c_int::try_from(std::process::id()).unwrap_or(0);
    let info = Info { signal, error: 0, code, padding: 0, process, user: 0, value, rest: [0; 12] };
    // SAFETY: rt_tgsigqueueinfo(2) reads the 128 bytes of a siginfo_t, which `Info` has; the thread is one of ours or
    // the call fails.
    let status = unsafe {
        libc::syscall(libc::SYS_rt_tgsigqueueinfo, process, thread.cast_signed(), signal, &raw const info)
    };
    if status != 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
