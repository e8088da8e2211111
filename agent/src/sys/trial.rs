//! Whether a system call that services have no need of may be made here. A filter, seccomp(2), may end the process that makes
//! one it does not know; so in a process that has a filter, a child makes it first.

use std::sync::OnceLock;

/// A call that is tried before it is made.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "cpu"), allow(dead_code, reason = "only the sampler needs all of them"))]
pub(crate) enum Call {
    /// process_vm_readv(2).
    ReadMemory,
    /// setpriority(2) and sched_setattr(2).
    StepBack,
    /// timer_create(2).
    Timer,
    /// rt_tgsigqueueinfo(2).
    Signal,
}

const CALLS: [Call; 4] = [Call::ReadMemory, Call::StepBack, Call::Timer, Call::Signal];

/// What is known of each of them.
static SURVIVED: [OnceLock<bool>; CALLS.len()] = [const { OnceLock::new() }; CALLS.len()];

impl Call {
    /// Makes the call as somebody whom nothing can be done for. Async-signal-safe.
    fn make(self) {
        const NOBODY: libc::c_long = -1;
        let nothing = std::ptr::null::<libc::c_void>();
        match self {
            // SAFETY: no pieces: no memory is touched.
            Self::ReadMemory => unsafe {
                libc::process_vm_readv(0, nothing.cast(), 0, nothing.cast(), 0, 0);
            },
            Self::StepBack => super::thread::ask_to_step_back(),
            // SAFETY: there is no such clock.
            Self::Timer => unsafe {
                libc::syscall(libc::SYS_timer_create, NOBODY, nothing, nothing);
            },
            // SAFETY: there is no such thread.
            Self::Signal => unsafe {
                libc::syscall(libc::SYS_rt_tgsigqueueinfo, NOBODY, NOBODY, 0, nothing);
            },
        }
    }
}

/// True when `call` ends nobody; it may fail. In a process that has a filter the first question takes a fork, and so about
/// as long as any program needs to start another one: see [`try_early`].
pub(crate) fn is_survived(call: Call) -> bool {
    !is_confined()
        || SURVIVED.get(call as usize).is_some_and(|known| *known.get_or_init(|| survives(|| call.make())))
}

/// True when `call` was tried, and was the end of a child. Async-signal-safe.
#[cfg_attr(not(feature = "cpu"), allow(dead_code, reason = "only the sampler asks"))]
pub(crate) fn is_known_to_end(call: Call) -> bool {
    SURVIVED.get(call as usize).and_then(OnceLock::get) == Some(&false)
}

/// Tries all calls while there is little memory: all at once, and one by one when that ends badly.
pub(crate) fn try_early() {
    if SURVIVED.iter().all(|known| known.get().is_some()) || !is_confined() {
        return;
    }
    if survives(|| CALLS.into_iter().for_each(Call::make)) {
        for known in &SURVIVED {
            let _ = known.set(true);
        }
    }
    for call in CALLS {
        is_survived(call);
    }
}

/// Whether seccomp forbids this process some system calls.
pub(crate) fn is_confined() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:"));
    mode.is_some_and(|mode| mode.trim() != "0")
}

/// Whether a child that does `make`, which must be async-signal-safe, ends well.
fn survives(make: impl FnOnce()) -> bool {
    // SAFETY: clone(2) without a flag is fork(2), but nothing that others have registered runs, and nobody is told of the
    // child's end. Up to its end the child makes system calls alone: other threads may have held any lock at that moment.
    let child = unsafe { libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0) };
    if child == 0 {
        // SAFETY: signal(2) and prctl(2) take numbers here, _exit(2) does not return: none touches memory. The child leaves no
        // core file, and a handler of the service's does not run in it.
        unsafe {
            libc::signal(libc::SIGSYS, libc::SIG_DFL);
            libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
        }
        make();
        // SAFETY: as above.
        unsafe { libc::_exit(0) }
    }
    let mut status = 0;
    let ended = |status: &mut libc::c_int| {
        let child = libc::pid_t::try_from(child).ok().filter(|child| *child > 0);
        // SAFETY: waitpid(2) writes the status it is given a place for. The child is ours, and nobody else waits for one whose
        // end is not told, unless by its number.
        child.is_some_and(|child| unsafe { libc::waitpid(child, status, libc::__WALL) } == child)
    };
    while !ended(&mut status) {
        if child < 0 || std::io::Error::last_os_error().kind() != std::io::ErrorKind::Interrupted {
            return false;
        }
    }
    libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_ended_does_not_survive() {
        assert!(survives(|| CALLS.into_iter().for_each(Call::make)) && survives(|| {}));
        // SAFETY: abort(3) is async-signal-safe.
        assert!(!survives(|| unsafe { libc::abort() }));
        // SAFETY: so is _exit(2).
        assert!(!survives(|| unsafe { libc::_exit(3) }));
    }

    #[test]
    fn many_may_try_at_once() {
        let tries = || (0..20).filter(|_| survives(|| Call::ReadMemory.make())).count();
        let survived: usize = std::thread::scope(|scope| {
            let all: Vec<_> = (0..4).map(|_| scope.spawn(tries)).collect();
            all.into_iter().map(|one| one.join().expect("a thread")).sum()
        });
        assert_eq!(survived, 80);
    }

    #[test]
    fn where_nothing_is_confined_nobody_tries() {
        assert!(is_confined() || CALLS.into_iter().all(is_survived));
    }
}
