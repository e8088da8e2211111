//! What the system says about this process as a whole: its CPU clock and its page size.

use std::io;
use std::time::Duration;

/// The CPU time that all threads of this process have used, user and system, ended threads included.
///
/// # Errors
/// What the system said.
pub(crate) fn cpu_time() -> io::Result<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid, writable timespec, all that clock_gettime(2) asks for.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or(0);
    Ok(Duration::new(seconds, nanoseconds))
}

/// The size of a memory page in bytes.
///
/// # Errors
/// What the system said.
pub(crate) fn page_size() -> io::Result<u64> {
    // SAFETY: sysconf(3) takes any name and touches no memory of ours.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).map_err(|_| io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_runs_while_we_work() {
        let before = cpu_time().expect("a clock");
        let mut sum = 0_u64;
        while cpu_time().expect("a clock") - before < Duration::from_millis(5) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(page_size().expect("a size").is_power_of_two());
    }
}
