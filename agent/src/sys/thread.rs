//! Takes a thread of the agent out of sight: of the CPU sampler and of the heap profiler.

/// Makes the calling thread invisible to the profilers. Every thread of the agent calls it first: a profiler that
/// profiles itself misleads, and one that is sampled while it reads the heap's tables would wait for itself.
pub(crate) fn withdraw() {
    block_signals();
    #[cfg(all(
        feature = "lock-profile",
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))]
    super::syscall::ignore_this_thread();
    #[cfg(feature = "heap")]
    super::mallctl::exclude_this_thread();
    #[cfg(feature = "heap")]
    super::arena::enter();
}

/// Gives back to the system what the agent's threads have freed, after work that took much.
pub(crate) fn give_back() {
    #[cfg(feature = "heap")]
    super::arena::give_back();
}

/// How far [`step_back`] goes: 10 further back the scheduler gives a thread about a tenth of what it gives one of the
/// service's.
///
/// Measured on two cores whose two async workers never idled, eight runs each: naming for 0.2 s at equal priority made the
/// worse of them wait longer than in 85 % of quiet stretches as long; at 10 longer than in 50 %, which is no effect at
/// all, and took 1.7 s. Where the workers idle it takes as long as ever.
#[cfg(target_os = "linux")]
const NICE: libc::c_int = 10;

/// For how long at most such a thread goes on while one of the service's is ready to run: the least that may be asked for,
/// sched_setattr(2). The scheduler of Linux 6.6 and later lets a thread finish its slice, some 3 ms, before another one that
/// has been woken gets its processor; from 6.12 on a thread may ask for shorter ones.
#[cfg(target_os = "linux")]
const SLICE_NS: u64 = 100_000;

/// From here on the calling thread yields to the service's threads where there is not enough CPU for all. For good: to
/// take it back would need a privilege.
pub(crate) fn step_back() {
    // Linux alone has a niceness for each thread; elsewhere this would slow down the whole process.
    #[cfg(target_os = "linux")]
    if super::trial::is_survived(super::trial::Call::StepBack) {
        ask_to_step_back();
    }
}

/// Does `work` on a thread of its own that steps back, and waits for it; on the calling one where no thread can be had.
pub(crate) fn behind<T: Send>(name: &str, mut work: impl FnMut() -> T + Send) -> T {
    let done = std::thread::scope(|scope| {
        let body = || {
            withdraw();
            step_back();
            work()
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, body).ok()?;
        Some(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    done.unwrap_or_else(work)
}

/// Asks the system, which may refuse: then it costs nothing but the stepping back. Async-signal-safe.
#[cfg(target_os = "linux")]
pub(super) fn ask_to_step_back() {
    // SAFETY: nice(2) takes no pointers; it adds to the niceness of the calling thread, which everyone may.
    let nice = unsafe { libc::nice(NICE) };
    if nice == -1 {
        // Refused, most likely, and a niceness that is not known must not be set.
        return;
    }
    let attributes = SchedulerAttributes {
        size: SCHEDULER_ATTRIBUTES,
        policy: libc::SCHED_OTHER as u32,
        flags: 0,
        nice,
        priority: 0,
        runtime: SLICE_NS,
        deadline: 0,
        period: 0,
    };
    // SAFETY: sched_setattr(2) reads `size` bytes of attributes; 0 is the calling thread. Older kernels ignore the slice.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
}

/// How large it is: `SCHED_ATTR_SIZE_VER0`.
#[cfg(target_os = "linux")]
const SCHEDULER_ATTRIBUTES: u32 = 48;

/// `sched_attr` in its first form, sched_setattr(2).
#[cfg(target_os = "linux")]
#[repr(C)]
struct SchedulerAttributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

#[cfg(target_os = "linux")]
const _: () = assert!(size_of::<SchedulerAttributes>() == SCHEDULER_ATTRIBUTES as usize);

/// What a fault of the thread itself raises: blocked, the kernel would kill the process without a word.
const FAULTS: [libc::c_int; 7] =
    [libc::SIGABRT, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGSEGV, libc::SIGSYS, libc::SIGTRAP];

/// CPU samples come as a SIGPROF to any thread that does not block it. And a service that waits for SIGTERM with all its
/// own threads blocking it must not have it delivered to one of ours, where it would end the process.
fn block_signals() {
    let mut signals = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset(3) initializes the whole set it is given a pointer to.
    unsafe { libc::sigfillset(signals.as_mut_ptr()) };
    for fault in FAULTS {
        // SAFETY: the set was initialized above and each is a valid signal number, sigdelset(3).
        unsafe { libc::sigdelset(signals.as_mut_ptr(), fault) };
    }
    // SAFETY: pthread_sigmask(3) reads an initialized set, and may be given a null pointer for the old one.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, signals.as_ptr(), std::ptr::null_mut()) };
}

/// Lets CPU samples reach the calling thread, one that uses CPU to see whether they do. Who starts it may block them.
#[cfg_attr(not(feature = "cpu"), allow(dead_code, reason = "only samples are tried out"))]
pub(crate) fn hear_samples() {
    let mut signals = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset(3) initializes the whole set it is given a pointer to.
    unsafe { libc::sigemptyset(signals.as_mut_ptr()) };
    // SAFETY: the set was initialized above and SIGPROF is a valid signal number, sigaddset(3).
    unsafe { libc::sigaddset(signals.as_mut_ptr(), libc::SIGPROF) };
    // SAFETY: pthread_sigmask(3) reads an initialized set, and may be given a null pointer for the old one.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, signals.as_ptr(), std::ptr::null_mut()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The niceness of the calling thread: the seventeenth field after the name, proc_pid_stat(5).
    #[cfg(target_os = "linux")]
    fn nice() -> i32 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("a stat");
        let (_, fields) = stat.rsplit_once(')').expect("a name");
        fields.split_whitespace().nth(16).expect("a niceness").parse().expect("a number")
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn stepping_back_is_for_one_thread_alone() {
        let before = nice();
        let stepped = std::thread::spawn(|| {
            step_back();
            nice()
        });
        assert_eq!(stepped.join().expect("a thread"), (before + NICE).min(19));
        assert_eq!(nice(), before);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_withdrawn_thread_can_hear_samples_again() {
        let mask = std::thread::spawn(|| {
            withdraw();
            hear_samples();
            std::fs::read_to_string("/proc/thread-self/status").expect("a status")
        });
        let status = mask.join().expect("a thread");
        let line = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).expect("SigBlk");
        let blocked = u64::from_str_radix(line.trim(), 16).expect("a mask");
        let blocks = |signal: libc::c_int| blocked & (1 << (signal - 1)) != 0;
        assert!(!blocks(libc::SIGPROF) && blocks(libc::SIGTERM));
    }

    #[test]
    fn a_withdrawn_thread_blocks_what_is_not_its_own_fault() {
        let mask = std::thread::spawn(|| {
            withdraw();
            std::fs::read_to_string("/proc/thread-self/status").expect("a status")
        });
        let status = mask.join().expect("a thread");
        let line = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).expect("SigBlk");
        let blocked = u64::from_str_radix(line.trim(), 16).expect("a mask");
        let blocks = |signal: libc::c_int| blocked & (1 << (signal - 1)) != 0;
        assert!(blocks(libc::SIGPROF) && blocks(libc::SIGTERM) && blocks(libc::SIGINT));
        assert!(!FAULTS.into_iter().any(blocks));
    }
}
