//! A timer on the CPU clock of one thread, made from outside of it, that sends that thread a signal each time it has
//! used so much CPU. The kernel checks such timers at its tick (CONFIG_HZ times a second) and counts what it missed.

use core::ffi::{c_int, c_long};
use std::io;
use std::time::Duration;

use crate::sys::trial;

/// A running timer; dropping it deletes it.
#[derive(Debug)]
pub(crate) struct Timer(c_int);

/// What a timer sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tick {
    pub(crate) signal: c_int,
    /// Goes along with the signal, above the thread's number.
    pub(crate) session: u32,
}

impl Timer {
    /// Starts a timer on thread `thread`: the first tick after `first` of its CPU time, then one every `period`.
    ///
    /// # Errors
    /// `InvalidInput` when the thread has ended; `WouldBlock` when RLIMIT_SIGPENDING allows no more timers;
    /// `PermissionDenied` where a filter ends who makes one.
    pub(crate) fn start(thread: u32, tick: Tick, period: Duration, first: Duration) -> io::Result<Self> {
        if trial::is_known_to_end(trial::Call::Timer) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let value = u64::from(tick.session) << 32 | u64::from(thread);
        let pointer = core::ptr::without_provenance_mut(usize::try_from(value).unwrap_or(0));
        // SAFETY: all bytes zero is a sigevent.
        let mut event: libc::sigevent = unsafe { core::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = tick.signal;
        event.sigev_value = libc::sigval { sival_ptr: pointer };
        event.sigev_notify_thread_id = thread.cast_signed();
        let mut id: c_int = 0;
        // SAFETY: the kernel's timer_create(2) reads a sigevent and writes an int.
        done(unsafe {
            libc::syscall(libc::SYS_timer_create, clock_of(thread), &raw const event, &raw mut id)
        })?;
        let timer = Self(id);
        timer.set(period, first)?;
        Ok(timer)
    }

    /// Changes the pace.
    ///
    /// # Errors
    /// When the thread has ended.
    pub(crate) fn set(&self, period: Duration, first: Duration) -> io::Result<()> {
        let spec = libc::itimerspec { it_interval: timespec(period), it_value: timespec(first) };
        let old = core::ptr::null_mut::<libc::itimerspec>();
        // SAFETY: timer_settime(2) reads an itimerspec and may be given null for the old one.
        done(unsafe { libc::syscall(libc::SYS_timer_settime, self.0, 0, &raw const spec, old) })
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: timer_delete(2) takes the id of a timer, and this one is ours.
        unsafe { libc::syscall(libc::SYS_timer_delete, self.0) };
    }
}

/// The CPU clock of a thread of this process: `~tid << 3`, "per thread" (4) and "scheduler's clock" (2), as the kernel
/// makes it for pthread_getcpuclockid(3), `include/linux/posix-timers_types.h`.
pub(crate) fn clock_of(thread: u32) -> libc::clockid_t {
    (!thread.cast_signed()) << 3 | 4 | 2
}

fn timespec(duration: Duration) -> libc::timespec {
    // Zero would stop the timer.
    let duration = duration.max(Duration::from_nanos(1));
    libc::timespec {
        tv_sec: libc::time_t::try_from(duration.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(duration.subsec_nanos().cast_signed()),
    }
}

pub(super) fn done(status: c_long) -> io::Result<()> {
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
