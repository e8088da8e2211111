//! What the system says about this process as a whole: its CPU clock, its threads and its page size.

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

/// The kernel's number of the calling thread.
#[cfg(all(feature = "cpu", target_os = "linux"))]
pub(crate) fn this_thread() -> u32 {
    // SAFETY: gettid(2) has no conditions.
    u32::try_from(unsafe { libc::syscall(libc::SYS_gettid) }).unwrap_or(0)
}

/// How many file descriptors this process may have.
///
/// # Errors
/// What the system said.
#[cfg(any(feature = "serve", all(feature = "cpu", target_os = "linux")))]
pub(crate) fn descriptor_limit() -> io::Result<u64> {
    soft_limit(libc::RLIMIT_NOFILE)
}

/// How many timers and pending signals the user's processes may have, all of them together.
///
/// # Errors
/// What the system said.
#[cfg(all(feature = "cpu", target_os = "linux"))]
pub(crate) fn pending_signal_limit() -> io::Result<u64> {
    soft_limit(libc::RLIMIT_SIGPENDING)
}

#[cfg(all(any(feature = "serve", feature = "cpu"), target_os = "linux", target_env = "gnu"))]
type Resource = libc::__rlimit_resource_t;
#[cfg(all(any(feature = "serve", feature = "cpu"), not(all(target_os = "linux", target_env = "gnu"))))]
type Resource = libc::c_int;

#[cfg(any(feature = "serve", feature = "cpu"))]
fn soft_limit(resource: Resource) -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit(2) writes one rlimit, which `limit` is.
    if unsafe { libc::getrlimit(resource, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(limit.rlim_cur)
}

/// How many of the kernel's ticks, in which `/proc` counts time, make a second.
///
/// # Errors
/// What the system said.
#[cfg(feature = "serve")]
pub(crate) fn ticks_a_second() -> io::Result<u64> {
    // SAFETY: sysconf(3) takes any name and touches no memory of ours.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).ok().filter(|ticks| *ticks > 0).ok_or_else(io::Error::last_os_error)
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

/// The threads of this process.
///
/// # Errors
/// Where there is no `/proc`.
pub(crate) fn threads_alive() -> io::Result<u64> {
    let stat = std::fs::read("/proc/self/stat")?;
    threads_in(&String::from_utf8_lossy(&stat))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no thread count in /proc/self/stat"))
}

/// The 20th field of `stat`, proc_pid_stat(5). The second, the name, may hold blanks, so we count from its end.
fn threads_in(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.split_ascii_whitespace().nth(17)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thread_count_is_found_behind_any_name() {
        let stat =
            "7 (a) b (c) S 1 7 7 0 -1 4194304 110 0 0 0 1 2 0 0 20 0 13 0 12345 4096 2 18446744073709551615";
        assert_eq!(threads_in(stat), Some(13));
        assert_eq!((threads_in(""), threads_in("7 (a) S 1 7")), (None, None));
        assert!(threads_alive().expect("a count") >= 1);
    }

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
