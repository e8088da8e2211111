//! Where a thread is, by `/proc/PID/task/TID/syscall`, proc_pid_syscall(5): running, or in a system call, with the
//! stack pointer and the program counter it will come back with.

use std::fs;

/// Where a thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source) enum Place {
    /// On a processor, or waiting for one.
    Running,
    /// In the kernel: in this system call, or in none, as when a page is fetched for it.
    Waiting { call: Option<u32>, sp: usize, pc: usize },
}

/// Where thread `thread` is; `None` when it has ended or the kernel does not tell.
pub(in crate::source) fn place(thread: u32) -> Option<Place> {
    parse(&fs::read_to_string(format!("/proc/self/task/{thread}/syscall")).ok()?)
}

/// `running`, or the call's number, up to six arguments, the stack pointer and the program counter.
fn parse(text: &str) -> Option<Place> {
    let text = text.trim_end();
    if text == "running" {
        return Some(Place::Running);
    }
    let mut fields = text.split(' ');
    let call: i64 = fields.next()?.parse().ok()?;
    let mut from_end = fields.rev().map(|field| usize::from_str_radix(field.trim_start_matches("0x"), 16));
    let (pc, sp) = (from_end.next()?.ok()?, from_end.next()?.ok()?);
    Some(Place::Waiting { call: u32::try_from(call).ok(), sp, pc })
}

/// What threads wait in, by the numbers of this processor; the rest shows its number.
pub(in crate::source) fn call_name(call: u32) -> Option<&'static str> {
    let call = libc::c_long::from(call);
    NAMES.iter().find(|(number, _)| *number == call).map(|(_, name)| *name)
}

/// True when `call` waits for a lock, a condition or a thread.
pub(in crate::source) fn is_futex(call: u32) -> bool {
    call_name(call) == Some("futex")
}

/// True when `call` waits for others: for a lock, for time, for a file descriptor.
pub(in crate::source) fn is_wait(call: u32) -> bool {
    call_name(call).is_some()
}

const NAMES: &[(libc::c_long, &str)] = &[
    (libc::SYS_futex, "futex"),
    (libc::SYS_epoll_pwait, "epoll_wait"),
    (libc::SYS_ppoll, "poll"),
    (libc::SYS_pselect6, "select"),
    (libc::SYS_nanosleep, "sleep"),
    (libc::SYS_clock_nanosleep, "sleep"),
    (libc::SYS_read, "read"),
    (libc::SYS_readv, "read"),
    (libc::SYS_pread64, "read"),
    (libc::SYS_write, "write"),
    (libc::SYS_writev, "write"),
    (libc::SYS_pwrite64, "write"),
    (libc::SYS_fsync, "fsync"),
    (libc::SYS_fdatasync, "fsync"),
    (libc::SYS_recvfrom, "receive"),
    (libc::SYS_recvmsg, "receive"),
    (libc::SYS_sendto, "send"),
    (libc::SYS_sendmsg, "send"),
    (libc::SYS_accept, "accept"),
    (libc::SYS_accept4, "accept"),
    (libc::SYS_connect, "connect"),
    (libc::SYS_wait4, "wait for a process"),
    (libc::SYS_waitid, "wait for a process"),
    (libc::SYS_flock, "lock a file"),
    (libc::SYS_fcntl, "lock a file"),
    (libc::SYS_rt_sigtimedwait, "wait for a signal"),
    (libc::SYS_rt_sigsuspend, "wait for a signal"),
    (libc::SYS_io_getevents, "wait for the disk"),
    (libc::SYS_io_uring_enter, "io_uring"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_epoll_wait, "epoll_wait"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_poll, "poll"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_select, "select"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_pause, "wait for a signal"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syscall_lines() {
        assert_eq!(parse("running\n"), Some(Place::Running));
        let waiting = |call, sp, pc| Some(Place::Waiting { call, sp, pc });
        assert_eq!(
            parse("202 0x7f10 0x189 0x0 0x0 0x0 0xffffffff 0x7fff1230 0x7f998877\n"),
            waiting(Some(202), 0x7fff_1230, 0x7f99_8877)
        );
        assert_eq!(parse("-1 0x7fff1230 0x7f998877"), waiting(None, 0x7fff_1230, 0x7f99_8877));
        assert_eq!((parse(""), parse("7"), parse("x 0x1 0x2")), (None, None, None));
    }

    #[test]
    fn calls_have_names() {
        let number = |call: libc::c_long| u32::try_from(call).expect("a number");
        assert_eq!(call_name(number(libc::SYS_futex)), Some("futex"));
        assert!(is_futex(number(libc::SYS_futex)) && is_wait(number(libc::SYS_ppoll)));
        assert_eq!((call_name(number(libc::SYS_getpid)), is_wait(number(libc::SYS_getpid))), (None, false));
    }
}
