//! Takes a thread of the agent out of sight: of the CPU sampler and of the heap profiler.

/// Makes the calling thread invisible to the profilers. Every thread of the agent calls it first: a profiler that
/// profiles itself misleads, and one that is sampled while it reads the heap's tables would wait for itself.
pub(crate) fn withdraw() {
    block_sigprof();
    #[cfg(feature = "heap")]
    super::mallctl::exclude_this_thread();
}

/// CPU samples are taken by a SIGPROF to any thread that does not block it.
fn block_sigprof() {
    let mut signals = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset(3) initializes the whole set it is given a pointer to.
    unsafe { libc::sigemptyset(signals.as_mut_ptr()) };
    // SAFETY: the set was initialized above and SIGPROF is a valid signal number, sigaddset(3).
    unsafe { libc::sigaddset(signals.as_mut_ptr(), libc::SIGPROF) };
    // SAFETY: pthread_sigmask(3) reads an initialized set, and may be given a null pointer for the old one.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, signals.as_ptr(), std::ptr::null_mut()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_withdrawn_thread_blocks_sigprof() {
        let mask = std::thread::spawn(|| {
            withdraw();
            std::fs::read_to_string("/proc/thread-self/status").expect("a status")
        });
        let status = mask.join().expect("a thread");
        let line = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).expect("SigBlk");
        let blocked = u64::from_str_radix(line.trim(), 16).expect("a mask");
        assert_ne!(blocked & (1 << (libc::SIGPROF - 1)), 0);
    }
}
