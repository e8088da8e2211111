//! Clocks that may be read inside malloc: no allocation, no lock, no failure.

/// Nanoseconds of the monotonic clock, exact to about 25 ns.
pub(crate) fn monotonic_ns() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// Milliseconds of the monotonic clock, exact to one tick of the kernel (1 to 10 ms) and cheaper to read.
pub(crate) fn coarse_ms() -> u64 {
    #[cfg(target_os = "linux")]
    let clock = libc::CLOCK_MONOTONIC_COARSE;
    #[cfg(not(target_os = "linux"))]
    let clock = libc::CLOCK_MONOTONIC;
    read(clock) / 1_000_000
}

/// Nanoseconds of CPU time this process has used.
#[cfg(feature = "heap")]
pub(crate) fn process_cpu_ns() -> u64 {
    read(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// Nanoseconds of CPU time that the calling thread has used.
#[cfg(feature = "cpu")]
pub(crate) fn thread_cpu_ns() -> u64 {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime(2) writes one timespec, which `time` is; an unknown clock leaves it untouched.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.wrapping_mul(1_000_000_000).wrapping_add(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_advance() {
        let (exact, coarse) = (monotonic_ns(), coarse_ms());
        while monotonic_ns() < exact + 30_000_000 {
            std::hint::spin_loop();
        }
        assert!(coarse_ms() > coarse);
        #[cfg(feature = "heap")]
        assert!(process_cpu_ns() > 0);
    }
}
