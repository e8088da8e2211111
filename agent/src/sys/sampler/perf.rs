//! A software event on one thread's CPU time, perf_event_open(2): like a timer, but on a high-resolution clock of its
//! own instead of the kernel's tick. Takes a file descriptor a thread.

use core::ffi::{c_int, c_long};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use super::timer::{Tick, done};

/// A running event; dropping it closes it.
#[derive(Debug)]
pub(crate) struct Event {
    descriptor: OwnedFd,
}

/// The first 64 bytes of `struct perf_event_attr`, PERF_ATTR_SIZE_VER0 in `<linux/perf_event.h>`.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint: u32,
    config1: u64,
}

const SOFTWARE: u32 = 1;
const CPU_CLOCK: u64 = 0;
const DISABLED: u64 = 1;
const EXCLUDE_KERNEL: u64 = 1 << 5;
const EXCLUDE_HYPERVISOR: u64 = 1 << 6;
const CLOSE_ON_EXEC: c_long = 8;
const ENABLE: libc::c_ulong = 0x2400;
const DISABLE: libc::c_ulong = 0x2401;
const F_SETSIG: c_int = 10;
const F_SETOWN_EX: c_int = 15;
const F_OWNER_TID: c_int = 0;

/// `struct f_owner_ex`, fcntl(2).
#[repr(C)]
struct Owner {
    kind: c_int,
    thread: c_int,
}

/// Whether time in the kernel is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sees {
    /// The program's own code and what the kernel does for it.
    Everything,
    /// The program's own code alone: all that an unprivileged process is allowed where perf_event_paranoid is 2.
    UserOnly,
}

impl Drop for Event {
    fn drop(&mut self) {
        // A forked child may hold the same event open: closing it here alone would not end its signals to us.
        // SAFETY: PERF_EVENT_IOC_DISABLE takes no argument that matters here, perf_event_open(2).
        unsafe { libc::ioctl(self.descriptor.as_raw_fd(), DISABLE, 0) };
    }
}

impl Event {
    /// Starts an event on thread `thread`, which gets a signal for each `period` of CPU time.
    ///
    /// # Errors
    /// What the system said: the call may be forbidden by seccomp, by perf_event_paranoid or for want of descriptors.
    pub(crate) fn start(thread: u32, tick: Tick, period: Duration, sees: Sees) -> io::Result<Self> {
        let flags = match sees {
            Sees::Everything => DISABLED,
            Sees::UserOnly => DISABLED | EXCLUDE_KERNEL | EXCLUDE_HYPERVISOR,
        };
        let attributes = Attributes {
            kind: SOFTWARE,
            size: u32::try_from(size_of::<Attributes>()).unwrap_or(64),
            config: CPU_CLOCK,
            sample_period: u64::try_from(period.as_nanos()).unwrap_or(u64::MAX),
            flags,
            wakeup_events: 1,
            ..Attributes::default()
        };
        // SAFETY: perf_event_open(2) reads `size` bytes of attributes; every processor, no group.
        let descriptor = unsafe {
            libc::syscall(libc::SYS_perf_event_open, &raw const attributes, thread, -1, -1, CLOSE_ON_EXEC)
        };
        done(descriptor)?;
        // SAFETY: a descriptor that the kernel has just made for us.
        let descriptor = unsafe { OwnedFd::from_raw_fd(c_int::try_from(descriptor).unwrap_or(-1)) };
        let event = Self { descriptor };
        event.signal(thread, tick)?;
        Ok(event)
    }

    fn signal(&self, thread: u32, tick: Tick) -> io::Result<()> {
        let descriptor = self.descriptor.as_raw_fd();
        let owner = Owner { kind: F_OWNER_TID, thread: thread.cast_signed() };
        // SAFETY: F_SETOWN_EX reads a `struct f_owner_ex`, fcntl(2).
        done(unsafe { libc::fcntl(descriptor, F_SETOWN_EX, &raw const owner) }.into())?;
        // SAFETY: F_SETSIG takes a signal's number, fcntl(2).
        done(unsafe { libc::fcntl(descriptor, F_SETSIG, tick.signal) }.into())?;
        // SAFETY: F_SETFL takes flags, fcntl(2).
        done(unsafe { libc::fcntl(descriptor, libc::F_SETFL, libc::O_ASYNC | libc::O_NONBLOCK) }.into())?;
        // SAFETY: PERF_EVENT_IOC_ENABLE takes no argument that matters here, perf_event_open(2).
        done(unsafe { libc::ioctl(descriptor, ENABLE, 0) }.into())
    }
}
